"""The Debian package: its files from a program and the unpacked source, and `dpkg-deb`, which gives
the same bytes for the same files."""

import gzip
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import textwrap
import time
from pathlib import Path

import portable

UNIT = "deploy/systemd/egov-kpi.service"
# What the unit of the package has instead of the lines for a copied program.
UNIT_LINES = {
    "ExecStart=/usr/local/bin/egov-kpi serve": "ExecStart=/usr/bin/egov-kpi serve",
    # Not a dynamic user: files in /etc/egov-kpi and backups can belong to this one.
    "DynamicUser=yes": "User=egov-kpi\nGroup=egov-kpi",
}
COMPLETIONS = {
    "bash": ("egov-kpi.bash", "usr/share/bash-completion/completions/egov-kpi"),
    "zsh": ("_egov-kpi", "usr/share/zsh/vendor-completions/_egov-kpi"),
    "fish": ("egov-kpi.fish", "usr/share/fish/vendor_completions.d/egov-kpi.fish"),
}
# Files whose mode is not 0644: programs, and the settings, which may contain passwords.
MODES = {
    "usr/bin/egov-kpi": 0o755,
    "etc/egov-kpi/env": 0o600,
    "DEBIAN/postinst": 0o755,
    "DEBIAN/prerm": 0o755,
    "DEBIAN/postrm": 0o755,
}
DOC = "usr/share/doc/egov-kpi"


def ask(program, *arguments):
    """Runs the program without this machine's settings, and returns what it prints."""
    return subprocess.run(
        [str(program), *arguments],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={"LC_ALL": "C.UTF-8"},
    ).stdout


def man_pages(program):
    """Returns the man pages of a program: names and contents."""
    with tempfile.TemporaryDirectory(prefix="egov-kpi-man-") as folder:
        ask(program, "man", folder)
        return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def completions(program):
    """Returns the completions of a program: shells and contents."""
    return {shell: ask(program, "completions", shell).encode() for shell in COMPLETIONS}


def unit(root):
    """Returns the unit of the package: that of deploy/systemd with other lines."""
    text = (root / UNIT).read_text()
    for line, other in UNIT_LINES.items():
        if text.count(f"\n{line}\n") != 1:
            raise ValueError(f"{UNIT} has no line {line}")
        text = text.replace(f"\n{line}\n", f"\n{other}\n")
    return text


def environment(program, unit_text):
    """Returns the file of settings: every variable of `serve`, commented, with its explanation and
    its default. The unit's own defaults take the place of the program's."""
    (line,) = re.findall(r"(?m)^Environment=(.+)$", unit_text)
    defaults = dict(setting.split("=", 1) for setting in line.split())
    parts = [
        "# Settings of egov-kpi, one NAME=VALUE a line. A line that begins with # has no effect;\n"
        "# the commented values are the defaults. After a change: systemctl restart egov-kpi\n"
        "# Commands read the settings with:  set -a; . /etc/egov-kpi/env; set +a\n"
    ]
    options = re.split(r"(?m)^  (?=    --|-)", ask(program, "help", "serve"))
    for option in options:
        if not (found := re.search(r"\[env: (\w+)=\]", option)):
            continue
        name = found[1]
        default = re.search(r"\[default: (.+)\]", option)
        value = defaults.pop(name, default[1] if default else "")
        _flag, _, rest = option.partition("\n")
        explanation, _, values = rest.split("[env:")[0].partition("Possible values:")
        lines = textwrap.wrap(" ".join(explanation.split()) + ".", 96)
        lines += [f"  {line.strip()}" for line in values.splitlines() if line.strip()]
        parts.append("".join(f"# {line}\n" for line in lines) + f"#{name}={value}\n")
    if defaults:
        raise ValueError(f"`serve` has no settings {sorted(defaults)}")
    return "\n".join(parts)


def changelog(version, epoch):
    """Returns Debian's changelog; what changed is in CHANGELOG.md beside it."""
    date = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(epoch))
    return (
        f"egov-kpi ({version}) stable; urgency=medium\n\n"
        "  * See CHANGELOG.md.gz in this folder.\n\n"
        f" -- the egov-kpi authors <egov-kpi@packages.invalid>  {date}\n"
    )


def contents(root, program, version, epoch, shipped):
    """Yields the files of the package: path and content. `shipped` are the entries of the release's
    archive that are documents."""
    unit_text = unit(root)
    yield "usr/bin/egov-kpi", program.read_bytes()
    yield "usr/lib/systemd/system/egov-kpi.service", unit_text.encode()
    yield "etc/egov-kpi/env", environment(program, unit_text).encode()
    for shell, text in completions(program).items():
        yield COMPLETIONS[shell][1], text
    for name, text in man_pages(program).items():
        yield f"usr/share/man/man1/{name}.gz", packed(text)
    yield f"{DOC}/copyright", (root / "deploy" / "debian" / "copyright").read_bytes()
    yield f"{DOC}/changelog.gz", packed(changelog(version, epoch).encode())
    for path, content in shipped:
        if path in ("CHANGELOG.md", "THIRD-PARTY-LICENSES.txt", "egov-kpi.cdx.json"):
            yield f"{DOC}/{path}.gz", packed(content)
        elif path != "LICENSE":
            yield f"{DOC}/{path}", content


def packed(content):
    return gzip.compress(content, compresslevel=9, mtime=0)


def depends(program):
    """Returns the packages that a program needs, by the symbols in it."""
    glibc, libraries = portable.needs(program)
    return ", ".join(
        [f"libc6 (>= {glibc})", *(["libgcc-s1"] if "libgcc_s.so.1" in libraries else [])]
    )


def control(root, program, version, size):
    """Returns the control file; `size` is in bytes."""
    text = (root / "deploy" / "debian" / "control").read_text()
    return text.format(version=version, size=-(-size // 1024), depends=depends(program))


def build(package, root, program, version, epoch, shipped):
    """Writes the package."""
    with tempfile.TemporaryDirectory(prefix="egov-kpi-deb-") as work:
        tree = Path(work) / "tree"
        files = dict(contents(root, program, version, epoch, shipped))
        size = sum(map(len, files.values()))
        sums = "".join(
            f"{hashlib.md5(content).hexdigest()}  {path}\n"
            for path, content in sorted(files.items())
            if not path.startswith("etc/")
        )
        files["DEBIAN/control"] = control(root, program, version, size).encode()
        files["DEBIAN/md5sums"] = sums.encode()
        files["DEBIAN/conffiles"] = b"/etc/egov-kpi/env\n"
        for script in ("postinst", "prerm", "postrm"):
            files[f"DEBIAN/{script}"] = (root / "deploy" / "debian" / script).read_bytes()
        for path, content in files.items():
            place = tree / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
            place.chmod(MODES.get(path, 0o644))
        for place in [tree, *tree.rglob("*")]:
            if place.is_dir():
                place.chmod(0o755)
            os.utime(place, (epoch, epoch))
        # xz, because dpkg of Ubuntu 20.04 and Debian 11 does not read zstd; one thread, because the
        # number of threads changes the bytes.
        subprocess.run(
            ["dpkg-deb", "--root-owner-group", "-Zxz", "-z6", "--build"]
            + [str(tree), str(Path(work) / "egov-kpi.deb")],
            check=True,
            stdout=subprocess.DEVNULL,
            env=os.environ
            | {"SOURCE_DATE_EPOCH": str(epoch), "DPKG_DEB_THREADS_MAX": "1", "LC_ALL": "C"},
        )
        shutil.move(Path(work) / "egov-kpi.deb", package)
