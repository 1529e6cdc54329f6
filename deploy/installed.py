"""Installs the Debian package in a Debian of its own, which debootstrap makes below target/: the
oldest one that is promised if the program runs there, otherwise that of this machine. Installs it,
uses it, upgrades it, removes it and purges it. Needs root; systemd does not run there."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import portable

# Debian 11, with the glibc that it has.
OLDEST, OLDEST_GLIBC = "bullseye", "2.31"
LEDGER = "sqlite:///var/lib/egov-kpi/ledger.db"
# Files that differ after every use of dpkg.
CHANGING = re.compile(r"/(proc|sys|dev|run|tmp|var/(lib/dpkg|cache|log)|etc/[^/]*-)(/|$)")


def suite(glibc):
    """Returns the release of Debian on which a program that needs this glibc is tested."""
    if portable.number(glibc) <= portable.number(OLDEST_GLIBC):
        return OLDEST
    return re.search(r"(?m)^VERSION_CODENAME=(\w+)$", Path("/etc/os-release").read_text())[1]


def need(command):
    """Installs the Debian package of a command if it is missing."""
    if shutil.which(command):
        return
    for line in (["update", "-qq"], ["install", "-y", "-qq", command]):
        subprocess.run(
            ["apt-get", *line],
            check=True,
            stdout=subprocess.DEVNULL,
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
        )


def lint(package, holds):
    """Checks a package by Debian's policy; warnings are not errors."""
    need("lintian")
    done = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error", str(package)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    holds("lintian finds no error", done.returncode == 0, done.stdout)


def debian(folder, release):
    """Makes a Debian below a folder, unless it is there; returns its root."""
    root = folder / f"debian-{release}"
    if not (root / "ready").exists():
        shutil.rmtree(root, ignore_errors=True)
        need("debootstrap")
        subprocess.run(
            ["debootstrap", "--variant=minbase", "--include=adduser", release, str(root)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        (root / "ready").touch()
    return root


class System:
    """A Debian in a folder, in which commands run as on a machine of its own."""

    def __init__(self, root):
        self.root = root

    def __call__(self, *command, code=0):
        """Runs a command as root; returns what it printed. Fails at another exit code."""
        done = subprocess.run(
            [
                *("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c"),
                'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"',
                *(str(self.root), *map(str, command)),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            env={
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                "LC_ALL": "C.UTF-8",
                "DEBIAN_FRONTEND": "noninteractive",
            },
        )
        if done.returncode != code:
            raise ValueError(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}")
        return done.stdout

    def as_service(self, *command, code=0):
        """Runs a command as the service's user."""
        user = ("setpriv", "--reuid=egov-kpi", "--regid=egov-kpi", "--init-groups")
        return self(*user, *command, code=code)

    def mode(self, path):
        """Returns mode and owner of a path, or an empty text."""
        return self("sh", "-c", f"stat -c '%a %U %G' {path} 2>/dev/null || true").strip()

    def files(self):
        """Returns all paths that dpkg itself does not change."""
        found = self("find", "/", "-xdev", "-path", "/proc", "-prune", "-o", "-print").splitlines()
        return {path for path in found if not CHANGING.match(path)}


def next_version(package, folder):
    """Makes a package of a later version with the same files; returns its path."""
    tree = Path(folder) / "next"
    subprocess.run(["dpkg-deb", "--raw-extract", str(package), str(tree)], check=True)
    control = tree / "DEBIAN" / "control"
    control.write_text(re.sub(r"(?m)^(Version: .+)$", r"\1+next", control.read_text()))
    later = Path(folder) / "next.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Zxz", "-z0", "--build", str(tree), str(later)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return later


def check(package, root, glibc, folder, holds):
    """Checks a package; `root` is the unpacked source, `holds` counts a check. Returns where it was
    installed, and the number of its files."""
    if os.geteuid() != 0:
        raise ValueError("the package can only be installed by root")
    lint(package, holds)
    release = suite(glibc)
    system = System(debian(folder, release))
    system("sh", "-c", "dpkg --purge egov-kpi; rm -rf /var/lib/egov-kpi /etc/egov-kpi /egov-kpi*")
    system("sh", "-c", "deluser --quiet --system egov-kpi || true")
    before = system.files()
    with tempfile.TemporaryDirectory(prefix="egov-kpi-deb-") as work:
        shutil.copy(package, system.root / "egov-kpi.deb")
        shutil.copy(next_version(package, work), system.root / "egov-kpi-next.deb")
    try:
        count = installed(system, holds)
        upgraded(system, holds)
        gone(system, holds)
    finally:
        for name in ("egov-kpi.deb", "egov-kpi-next.deb"):
            (system.root / name).unlink()
    left = system.files() ^ before
    holds("after the purge all files are as before", not left, sorted(left))
    return f"a Debian of its own ({release}, by debootstrap)", count


def installed(system, holds):
    """Installs the package and uses it; returns the number of its files."""
    printed = system("dpkg", "--install", "/egov-kpi.deb")
    holds("it says how to start", "systemctl enable --now egov-kpi" in printed, printed)
    for path, expected in {
        "/usr/bin/egov-kpi": "755 root root",
        "/usr/lib/systemd/system/egov-kpi.service": "644 root root",
        "/etc/egov-kpi": "750 root egov-kpi",
        "/etc/egov-kpi/env": "600 root root",
        "/var/lib/egov-kpi": "700 egov-kpi egov-kpi",
        "/usr/share/man/man1/egov-kpi-serve.1.gz": "644 root root",
        "/usr/share/bash-completion/completions/egov-kpi": "644 root root",
        "/usr/share/doc/egov-kpi/docs/guides/admin.md": "644 root root",
    }.items():
        holds(f"{path} has the right mode", system.mode(path) == expected, system.mode(path))
    holds("dpkg finds no difference", system("dpkg", "--verify", "egov-kpi") == "")
    user = system("getent", "passwd", "egov-kpi").strip()
    holds("the user cannot sign in", user.endswith(":/var/lib/egov-kpi:/usr/sbin/nologin"), user)
    demo = system.as_service("egov-kpi", "demo", "--no-serve", "--lang", "en")
    holds("the demo runs as the service's user", "78.947 %" in demo, demo)
    # The settings of the file are read as the unit reads them, with one line changed by an admin.
    system("sh", "-c", "echo EGOV_KPI_LISTEN=127.0.0.1:0 >> /etc/egov-kpi/env")
    with_settings = (
        f"set -a; EGOV_KPI_DATABASE={LEDGER}; . /etc/egov-kpi/env; exec setpriv "
        "--reuid=egov-kpi --regid=egov-kpi --init-groups timeout --signal=TERM 30 egov-kpi serve"
    )
    served = system("sh", "-c", f"umask 077; {with_settings}; true", code=124)
    holds("it serves with the settings", "listening on http://127.0.0.1:" in served, served)
    mode = system.mode("/var/lib/egov-kpi/ledger.db")
    holds("the ledger belongs to the service", mode == "600 egov-kpi egov-kpi", mode)
    return len(system("dpkg", "--listfiles", "egov-kpi").splitlines())


def witness(system):
    return system.as_service("egov-kpi", "witness", "--database", LEDGER)


def upgraded(system, holds):
    """Upgrades to a later version: settings and ledger stay."""
    line = witness(system)
    holds("the ledger has a first revision", line.startswith("egov-kpi revision "), line)
    system("dpkg", "--install", "/egov-kpi-next.deb")
    text = (system.root / "etc/egov-kpi/env").read_text()
    holds("an admin's settings stay", text.endswith("\nEGOV_KPI_LISTEN=127.0.0.1:0\n"), text)
    holds("the ledger stays", witness(system) == line)
    mode = system.mode("/etc/egov-kpi")
    holds("modes stay", mode == "750 root egov-kpi", mode)
    # Back to the version before, as an admin does after a failed upgrade.
    system("dpkg", "--install", "/egov-kpi.deb")
    holds("the ledger stays on the way back", witness(system) == line)


def gone(system, holds):
    """Removes and purges the package: the ledger stays until an admin deletes it."""
    ledger = "/var/lib/egov-kpi/ledger.db"
    system("dpkg", "--remove", "egov-kpi")
    holds("the program is gone", system.mode("/usr/bin/egov-kpi") == "")
    holds("the settings stay", system.mode("/etc/egov-kpi/env") == "600 root root")
    holds("the ledger stays", system.mode(ledger) == "600 egov-kpi egov-kpi")
    printed = system("dpkg", "--purge", "egov-kpi")
    holds("the settings are gone", system.mode("/etc/egov-kpi") == "")
    holds("the ledger stays after a purge", system.mode(ledger) == "600 egov-kpi egov-kpi")
    holds("it says so", "rm -r /var/lib/egov-kpi" in printed, printed)
    # What it says, and again without a ledger.
    system("sh", "-c", "rm -r /var/lib/egov-kpi && deluser --quiet --system egov-kpi")
    system("dpkg", "--install", "/egov-kpi.deb")
    system("dpkg", "--purge", "egov-kpi")
    holds("without a ledger the folder goes", system.mode("/var/lib/egov-kpi") == "")
    system("getent", "passwd", "egov-kpi", code=2)
