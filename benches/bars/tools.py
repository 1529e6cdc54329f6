"""The programs that a run needs: found, built or, after saying so, installed."""

import os
import shutil
import subprocess
from pathlib import Path

from common import Fault, programs

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").absolute()


def say(sentence):
    """Prints a sentence for the person who waits."""
    print(f"-- {sentence}", flush=True)


def _install(*packages):
    say(f"installing {' '.join(packages)} by apt-get")
    quiet = {"env": os.environ | {"DEBIAN_FRONTEND": "noninteractive"}, "check": True}
    subprocess.run(["apt-get", "update", "-qq"], **quiet)
    subprocess.run(
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages],
        stdout=subprocess.DEVNULL,
        **quiet,
    )


def need_wrk():
    """Installs wrk if it is missing."""
    if not shutil.which("wrk"):
        _install("wrk")


def postgres_programs():
    """Returns the folder of PostgreSQL's programs, or None when it is not installed. It is not
    installed here: Debian's package would create and start a server."""
    try:
        folder = programs()
    except Exception:
        return None
    return folder if (folder / "pgbench").exists() or shutil.which("pgbench") else None


def _built(manifest, name, target, *options):
    say(f"building {name} into {target}")
    done = subprocess.run(
        [
            *("cargo", "build", "--quiet", "--manifest-path", str(manifest)),
            *("--target-dir", str(target), *options),
        ],
        check=False,
        cwd="/",
        env={key: value for key, value in os.environ.items() if key != "CARGO_TARGET_DIR"},
    )
    if done.returncode:
        raise Fault(f"{name} could not be built")
    profile = "release" if "--release" in options else "debug"
    return str(target / profile / name)


def plain(quick, sqlite):
    """Builds the reference of plain arrays (benches/plain); returns the program. `quick`: not
    optimised. `sqlite`: with its commands `insert` and `select`, for which SQLite is compiled."""
    options = ["--locked"] if quick else ["--locked", "--release"]
    if sqlite and not quick:
        options += ["--features", "sqlite"]
    manifest = ROOT / "benches" / "plain" / "Cargo.toml"
    return _built(manifest, "plain", TARGET / "plain", *options)
