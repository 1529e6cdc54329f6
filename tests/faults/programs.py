"""Programs that fault tests need beside PostgreSQL, from Debian."""

import os
import shutil
import subprocess

from common import Fault, at_end

# a program, or a file of it -> its package
PACKAGES = {
    "patroni": "patroni",
    "/usr/lib/python3/dist-packages/etcd": "python3-etcd",
    "etcd": "etcd-server",
    "haproxy": "haproxy",
    "pgbouncer": "pgbouncer",
    "setpriv": "util-linux",
    "ip": "iproute2",
    "iptables": "iptables",
}
POLICY = "/usr/sbin/policy-rc.d"  # what Debian asks before it starts a service


def found(command):
    """Returns the path of a program, also of one for administrators, or of a file."""
    if command.startswith("/"):
        return command if os.path.exists(command) else None
    return shutil.which(command) or shutil.which(command, path="/usr/sbin:/sbin")


def require_programs(*commands):
    """Installs missing programs without starting their services; raises a Fault when that is not
    possible."""
    missing = [PACKAGES[command] for command in commands if not found(command)]
    if missing and not os.path.exists(POLICY):
        with open(POLICY, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\nexit 101\n")
        os.chmod(POLICY, 0o755)
        at_end(os.unlink, POLICY)
    if missing:
        subprocess.run(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing],
            check=False,
            capture_output=True,
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
        )
    if lacking := [command for command in commands if not found(command)]:
        raise Fault(f"missing, and cannot be installed: {', '.join(lacking)}")
