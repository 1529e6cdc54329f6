"""Programs for older systems: what a program needs of the system that it runs on, and the tools
that build one with the symbols of an old glibc."""

import re
import subprocess
import sys
from pathlib import Path

# The newest glibc that a released program may need. RHEL 8 has 2.28; Debian 11 and Ubuntu 20.04
# have 2.31, RHEL 9 and newer systems more.
GLIBC = "2.28"
# Libraries of glibc itself, and the one that unwinds stacks, which every system has.
LIBRARIES = {
    "ld-linux-x86-64.so.2",
    "libc.so.6",
    "libdl.so.2",
    "libgcc_s.so.1",
    "libm.so.6",
    "libpthread.so.0",
    "librt.so.1",
    "libutil.so.1",
}
WHEELS = Path(__file__).with_name("zig.txt")


def number(version):
    """Turns `2.28` into (2, 28), so that versions can be compared."""
    return tuple(map(int, version.split(".")))


def readelf(option, program):
    return subprocess.run(
        ["readelf", "--wide", option, str(program)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
    ).stdout


def needs(program):
    """Returns the newest version of glibc of which a program needs a symbol, and the shared
    libraries that it needs, sorted."""
    versions = re.findall(r"Name: GLIBC_([\d.]+) ", readelf("--version-info", program))
    libraries = re.findall(r"\(NEEDED\) +Shared library: \[(.+)\]", readelf("--dynamic", program))
    return max(versions, key=number), sorted(libraries)


def unportable(program):
    """Says why a program does not run on every promised system; empty when it does."""
    glibc, libraries = needs(program)
    reasons = []
    if number(glibc) > number(GLIBC):
        reasons.append(f"it needs glibc {glibc}, and {GLIBC} is promised")
    if unknown := sorted(set(libraries) - LIBRARIES):
        reasons.append(f"it needs {', '.join(unknown)}")
    return "; ".join(reasons)


def tools(folder):
    """Installs cargo-zigbuild and zig into a virtual environment, unless they are there; returns
    the folder of the programs."""
    programs, ready, wanted = folder / "bin", folder / "ready", WHEELS.read_text()
    if not ready.exists() or ready.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run(
            [
                str(programs / "python"),
                *("-m", "pip", "--disable-pip-version-check", "install", "--quiet"),
                *("--require-hashes", "--no-deps", "--requirement", str(WHEELS)),
            ],
            check=True,
        )
        ready.write_text(wanted)
    return programs
