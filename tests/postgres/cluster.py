#!/usr/bin/env -S python3 -B
"""A PostgreSQL cluster for tests, which create, start, kill, copy and promote it.

    cluster.py start DIR [--fast] [--tls]   creates it if needed, starts it and prints
                                            postgres://postgres@127.0.0.1:PORT/postgres
    cluster.py stop DIR                     stops it and keeps the folder
    cluster.py remove DIR                   stops it and removes its files

Uses the newest version below /usr/lib/postgresql. When started by root it runs as the user
`postgres`, which needs access to DIR.
"""

import argparse
import contextlib
import fcntl
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlencode

SUPERUSER = "postgres"
HOST = "127.0.0.1"


class ClusterError(Exception):
    """PostgreSQL is missing or an operation failed; the message says which."""


def programs():
    """Returns the folder with initdb, postgres and pg_ctl of the newest installed version."""
    found = []
    for folder in Path("/usr/lib/postgresql").glob("*/bin"):
        with contextlib.suppress(ValueError):
            if (folder / "initdb").exists() and (folder / "postgres").exists():
                found.append((float(folder.parent.name), folder))
    if found:
        return max(found)[1]
    if there := shutil.which("initdb"):
        return Path(there).resolve().parent
    raise ClusterError(
        "no PostgreSQL found below /usr/lib/postgresql (Debian: apt-get install postgresql)"
    )


def owner():
    """Returns (user id, group id) of the user that runs the server; PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    try:
        entry = pwd.getpwnam("postgres")
    except KeyError:
        raise ClusterError("there is no user postgres to run the server as") from None
    return entry.pw_uid, entry.pw_gid


def free_port():
    """Returns a free port outside the range for outgoing connections. From that range the kernel
    could give a retrying client the server's port while the server is down, and the server could
    not start."""
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    low, high = (10_000, first) if first > 12_000 else (61_100, 65_500)
    dice = random.SystemRandom()
    for _ in range(1_000):
        port = dice.randrange(low, high)
        if port_is_free(port):
            return port
    raise ClusterError("there is no free port")


def port_is_free(port):
    """Whether a server could listen on a port now; closing connections do not prevent it."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
            return True
        except OSError:
            return False


def status_of(pid):
    """Returns (state, parent) of a process, or None when it does not exist or is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, UnicodeDecodeError):
        return None
    return None if fields[0] in "ZX" else (fields[0], int(fields[1]))


def children_of(pid):
    """Returns the ids of the processes whose parent is `pid`."""
    ids = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
    return [child for child in ids if (status := status_of(child)) and status[1] == pid]


def until(condition, seconds, what):
    """Waits until `condition()` is true and returns its value; ClusterError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (held := condition()):
        if time.monotonic() > deadline:
            raise ClusterError(f"{what}: not within {seconds} s")
        time.sleep(0.02)
    return held


def url_of(clusters, database, **parameters):
    """Returns one address for several servers, such as a primary and its standby."""
    hosts = ",".join(f"{HOST}:{cluster.port}" for cluster in clusters)
    return f"postgres://{SUPERUSER}@{hosts}/{database}" + (
        f"?{urlencode(parameters)}" if parameters else ""
    )


class Cluster:
    """One PostgreSQL server in its own folder. `name` identifies a standby to its primary."""

    def __init__(
        self,
        folder,
        name="primary",
        *,
        fast=False,
        tls=False,
        settings=None,
        initdb=(),
        environment=None,
    ):
        self.folder, self.name, self.fast, self.tls = Path(folder).resolve(), name, fast, tls
        self.settings, self.initdb_options = dict(settings or {}), tuple(initdb)
        self.environment = dict(environment or {})  # settings beside the defaults of this class
        self.data, self.log = self.folder / "data", self.folder / "log"
        self.root_certificate = self.folder / "root.crt"  # root certificate for clients
        self.certificate, self.key = self.folder / "server.crt", self.folder / "server.key"
        self.programs, self.owner = programs(), owner()
        self.process = None  # the postmaster if this object started it

    # -- properties

    @property
    def port(self):
        """The port, chosen once and saved in the folder."""
        file = self.folder / "port"
        if not file.exists():
            self._write(file, f"{free_port()}\n")
        return int(file.read_text())

    def url(self, database="postgres", **parameters):
        """Returns the address for the superuser; parameters such as `sslmode` are appended."""
        return url_of([self], database, **parameters)

    @property
    def pid(self):
        """Returns the process id of the postmaster, or None when it does not run."""
        if self.process is not None:
            return self.process.pid if self.process.poll() is None else None
        try:
            pid = int((self.data / "postmaster.pid").read_text().split()[0])
            return (
                pid
                if status_of(pid) and os.readlink(f"/proc/{pid}/cwd") == str(self.data)
                else None
            )
        except (OSError, ValueError, IndexError):
            return None

    @property
    def running(self):
        """Whether the postmaster runs; it may still be recovering."""
        return self.pid is not None

    def answers(self):
        """Whether it responds to a query."""
        command = self._psql_command("postgres")
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._run(*command, "-c", "select 1", check=False, timeout=5).returncode == 0
        return False

    # -- creation

    def create(self):
        """Creates an empty cluster: UTF-8, locale C, no passwords."""
        self._prepare()
        quick = ["--no-sync"] if self.fast else []
        self._run(
            self.programs / "initdb",
            "-D",
            self.data,
            "-U",
            SUPERUSER,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            *quick,
            *self.initdb_options,
        )
        self._write(self.folder / "made", "initdb\n")
        return self

    def standby_of(self, primary, slot=None):
        """Copies the running `primary` into a standby, with a replication slot if its name is
        given."""
        self._prepare()
        slots = ["-C", "-S", slot] if slot else []
        self._run(
            *(
                self.programs / "pg_basebackup",
                "-h",
                HOST,
                "-p",
                str(primary.port),
                "-U",
                SUPERUSER,
            ),
            *("-D", self.data, "-R", "-X", "stream", "-c", "fast", *slots),
            timeout=120,
        )
        self._write(self.folder / "made", "pg_basebackup\n")
        return self

    def _prepare(self):
        """Prepares the folder for the owner and removes leftovers of an interrupted attempt. A
        mounted data folder is emptied, not removed."""
        self.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        os.chown(self.folder, *self.owner)
        if self._run("test", "-w", self.folder, check=False, cwd="/").returncode != 0:
            raise ClusterError(
                f"the user that runs PostgreSQL cannot enter {self.folder}; take a folder "
                "below /tmp"
            )
        if os.path.ismount(self.data):
            for entry in self.data.iterdir():
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        else:
            shutil.rmtree(self.data, ignore_errors=True)

    def _make_certificates(self):
        """Creates a root certificate and a server certificate for localhost and 127.0.0.1."""
        if self.certificate.exists():
            return
        extensions, request = self.folder / "server.ext", self.folder / "server.csr"
        self._write(
            extensions,
            f"subjectAltName=DNS:localhost,IP:{HOST}\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n",
        )
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        root_key = self.folder / "root.key"
        self._run(
            *(
                "openssl",
                "req",
                "-x509",
                *key,
                "-keyout",
                root_key,
                "-out",
                self.root_certificate,
                "-days",
                "3650",
            ),
            *(
                "-subj",
                f"/CN=Root of {self.name}",
                "-addext",
                "keyUsage=critical,keyCertSign,cRLSign",
            ),
        )
        self._run(
            "openssl", "req", *key, "-keyout", self.key, "-out", request, "-subj", "/CN=localhost"
        )
        self._run(
            *(
                "openssl",
                "x509",
                "-req",
                "-in",
                request,
                "-CA",
                self.root_certificate,
                "-CAkey",
                root_key,
                "-CAcreateserial",
            ),
            *("-days", "3650", "-extfile", extensions, "-out", self.certificate),
        )
        os.chmod(self.key, 0o600)

    def _settings(self):
        """Returns the text of postgresql.conf."""
        sockets = (
            str(self.folder) if len(str(self.folder)) < 85 else ""
        )  # the path of a socket has at most 107 bytes
        settings = {
            "listen_addresses": HOST,
            "port": self.port,
            "unix_socket_directories": sockets,
            "cluster_name": self.name,
            "max_connections": 200,
            "shared_buffers": "64MB",
            "wal_keep_size": "64MB",
            # otherwise a standby without a primary may take 5 s to notice its promotion
            "wal_retrieve_retry_interval": "200ms",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_line_prefix": "%m [%p] %a ",
            "log_checkpoints": "off",
        }
        if self.fast:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        if self.tls:
            settings |= {"ssl": "on", "ssl_cert_file": self.certificate, "ssl_key_file": self.key}
        return "".join(
            f"{name} = '{value}'\n" for name, value in (settings | self.settings).items()
        )

    # -- running

    def start(self, seconds=60):
        """Creates it if needed and starts it with these settings, unless it already runs with them.
        Returns when it responds."""
        if not (self.folder / "made").exists():
            self.create()
        fresh = not self.log.exists()  # never started, so no client knows its port yet
        if self.tls:
            self._make_certificates()
        for attempt in range(5):
            wanted, file = self._settings(), self.data / "postgresql.conf"
            if file.read_text() != wanted:
                self.stop()
                self._write(file, wanted)
            elif self.running:
                break
            self._launch()
            until(lambda: self._ready() or not self.running, seconds, "PostgreSQL is not ready")
            if self.running:
                break
            if attempt == 4 or port_is_free(self.port):
                raise ClusterError(f"PostgreSQL did not start: {self._last_of_log()}")
            if fresh:
                (self.folder / "port").unlink()
            time.sleep(0.5)
        until(self.answers, seconds, "PostgreSQL does not respond")
        return self

    def _launch(self):
        """Starts the postmaster as a child of this process, so that it can be waited for after a
        kill. PostgreSQL takes a dead postmaster for alive until its parent has waited for it."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [str(self.programs / "postgres"), "-D", str(self.data)],
                **self._whose(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.data,
                start_new_session=True,
            )

    def _ready(self):
        """Whether the postmaster that this object started accepts connections."""
        with contextlib.suppress(OSError, IndexError):
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            return lines[0] == str(self.process.pid) and lines[7].strip() in ("ready", "standby")
        return False

    def stop(self, mode="fast", seconds=30):
        """Stops it (mode `fast` or `immediate`); kills it if that takes too long."""
        if self.running:
            command = [
                self.programs / "pg_ctl",
                "stop",
                "-D",
                self.data,
                "-m",
                mode,
                "-w",
                "-s",
                "-t",
                str(seconds),
            ]
            if self._run(*command, check=False, timeout=seconds + 10).returncode != 0:
                self.kill9()
        self._reap()

    def _reap(self):
        """Waits for an ended postmaster that this object started."""
        if self.process is not None:
            self.process.wait(10)
            self.process = None

    def restart(self):
        """Stops and starts it."""
        self.stop()
        return self.start()

    def kill9(self, seconds=20):
        """Sends SIGKILL to the postmaster and all its children; returns when all have ended and the
        port is free. Each backend has its own process group, so the children are found by their
        parent, which is stopped meanwhile."""
        postmaster = self.pid
        if postmaster is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(postmaster, signal.SIGSTOP)
            until(
                lambda: (status_of(postmaster) or "T")[0] in "Tt",
                seconds,
                "the postmaster has not stopped on SIGSTOP",
            )
        all_of_it = [postmaster, *children_of(postmaster)]
        for pid in all_of_it:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until(lambda: not any(map(status_of, all_of_it)), seconds, "killed processes still exist")
        if self.process is None:  # not a child of this process: its parent has to wait for it
            until(
                lambda: not Path(f"/proc/{postmaster}").exists(),
                seconds,
                "the parent does not wait for the killed postmaster",
            )
        self._reap()
        until(
            lambda: port_is_free(self.port), seconds, "the port of a killed server is still in use"
        )

    def promote(self, seconds=30):
        """Promotes a standby to a primary that waits for no standby; returns when it accepts
        writes."""
        self.psql("ALTER SYSTEM SET synchronous_standby_names = ''; SELECT pg_reload_conf();")
        self._run(
            self.programs / "pg_ctl",
            "promote",
            "-D",
            self.data,
            "-w",
            "-s",
            "-t",
            str(seconds),
            timeout=seconds + 10,
        )
        until(
            lambda: self.psql("SELECT pg_is_in_recovery();") == "f",
            seconds,
            "the standby is not promoted",
        )

    def make_synchronous(self, names, seconds=30):
        """Makes commits wait for all standbys of these names (none: for no standby); returns when
        they follow."""
        listed = ", ".join(f'"{name}"' for name in names)
        value = f"FIRST {len(names)} ({listed})" if names else ""
        self.psql(
            f"ALTER SYSTEM SET synchronous_standby_names = '{value}'; SELECT pg_reload_conf();"
        )
        following = "SELECT application_name FROM pg_stat_replication WHERE sync_state = 'sync';"
        until(
            lambda: set(names) <= set(self.psql(following).split("\n")),
            seconds,
            "the standbys are not synchronous",
        )

    def remove(self):
        """Stops it and removes the folder and the shared memory that a killed server has left."""
        self.stop("immediate", 10)
        self._free_shared_memory()
        if os.path.ismount(self.data):
            shutil.rmtree(self.data, ignore_errors=True)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _free_shared_memory(self):
        """Frees the shared memory named in the postmaster.pid of a killed server if no process uses
        it."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            key, segment = (self.data / "postmaster.pid").read_text().splitlines()[6].split()
            for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]:
                fields = line.split()
                if (fields[0], fields[1], fields[6]) == (key, segment, "0"):
                    subprocess.run(["ipcrm", "-m", segment], check=False, capture_output=True)

    # -- queries

    def _psql_command(self, database):
        where = ["-h", HOST, "-p", str(self.port), "-U", SUPERUSER, "-d", database]
        return [self.programs / "psql", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", *where]

    def psql(self, sql, database="postgres", seconds=30):
        """Runs statements one by one and returns the output."""
        return self._run(*self._psql_command(database), feed=sql, timeout=seconds).stdout.strip()

    def create_database(self, name):
        """Creates a database; returns its address."""
        self.psql(f'CREATE DATABASE "{name}";')
        return self.url(name)

    def _run(self, *command, check=True, feed="", timeout=60, cwd=None):
        """Runs a program as the owner of the folder."""
        done = subprocess.run(
            [str(word) for word in command],
            **self._whose(),
            input=feed,
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=cwd or self.folder,
            check=False,
        )
        if check and done.returncode != 0:
            raise ClusterError(
                f"{Path(command[0]).name}: {done.stderr.strip() or done.stdout.strip()}"
            )
        return done

    def _whose(self, more=None):
        """Returns the options for starting a process as the owner, without variables such as
        PGHOST."""
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LC_ALL": "C",
            "HOME": str(self.folder),
            "PGCONNECT_TIMEOUT": "5",
        }
        environment |= more or {}
        user, group = self.owner
        return {"env": environment} | (
            {"user": user, "group": group, "extra_groups": []} if os.geteuid() == 0 else {}
        )

    def _write(self, file, text):
        """Writes a small file that belongs to the owner."""
        file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        file.write_text(text)
        os.chown(file, *self.owner)

    def _last_of_log(self):
        with contextlib.suppress(OSError):
            return " | ".join(self.log.read_text(errors="replace").splitlines()[-5:])
        return ""


def main():
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=["start", "stop", "remove"])
    parser.add_argument("folder", metavar="DIR")
    parser.add_argument(
        "--fast", action="store_true", help="no fsync: for tests that do not kill the server"
    )
    parser.add_argument(
        "--tls", action="store_true", help="accept TLS; DIR/root.crt is the root certificate"
    )
    options = parser.parse_args()
    folder = Path(options.folder).resolve()
    if options.action == "start":
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    elif not folder.exists():
        return
    with open(folder / "lock", "w", encoding="utf-8") as lock:  # one caller at a time
        fcntl.flock(lock, fcntl.LOCK_EX)
        cluster = Cluster(folder, fast=options.fast, tls=options.tls)
        if options.action == "start":
            print(cluster.start().url(), flush=True)
        elif options.action == "stop":
            cluster.stop()
        else:
            cluster.remove()


if __name__ == "__main__":
    try:
        main()
    except ClusterError as error:
        sys.exit(f"cluster.py: {error}")
