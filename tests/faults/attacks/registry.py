"""The register of attack cases, and the tools that each case gets."""

import os
import subprocess
import sys
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import Client, Fault, Instance, binary, environment, own_cluster

CASES = []


@dataclass(frozen=True)
class Case:
    """One attack: its kind (as in docs/guarantees.md), name and function, and whether it needs
    --long."""

    kind: str
    name: str
    run: object
    long: bool


def attack(kind, *, long=False):
    """Registers a function `case(place)` as an attack of a kind. When the attack succeeds, the
    function raises Fault or adds to `place.faults`."""

    def register(function):
        CASES.append(Case(kind, function.__name__, function, long))
        return function

    return register


class Served(Instance):
    """One process of `serve` with its own options and environment."""

    def __init__(self, name, database, folder, faults, *options, env=None, wrap=()):
        super().__init__(name, database, folder, faults)
        self._options, self._env, self._wrap = options, env or {}, list(wrap)

    def start(self):
        """Starts the process with its options without waiting until it is ready."""
        with self._lock, open(self._out, "wb") as out, open(self._err, "ab") as err:
            self._port, self.killed, self.was_ready = None, False, False
            command = [
                *self._wrap,
                binary(),
                "serve",
                "--listen",
                f"{self.address}:0",
                "--database",
                self.database,
                *self._options,
            ]
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=environment() | self._env,
                start_new_session=True,
            )
        return self

    def memory(self, name="VmHWM"):
        """Returns a line of /proc/PID/status in bytes: VmHWM (maximum so far) or VmRSS (now)."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) << 10
        raise Fault(f"no {name}")

    def log(self):
        """Returns its whole log."""
        return self._err.read_text(errors="replace")


class Place:
    """Tools of one case: a folder, the collected faults, and methods that make ledgers, keys and
    services. `long` means more rounds."""

    _cluster = None  # one PostgreSQL server for all cases

    def __init__(self, case, folder, faults, *, long, keep):
        self.folder, self.faults, self.long, self._keep = folder / case.name, faults, long, keep
        self._root, self._name, self._count = folder, case.name, 0
        self.folder.mkdir(mode=0o755)

    def sqlite(self, name="ledger"):
        """Returns the address of a SQLite ledger in the folder of the case; the file does not exist
        yet."""
        return f"sqlite://{self.folder / name}.db"

    def postgres(self):
        """Creates an empty PostgreSQL database on the shared server (see `cluster`); returns its
        address."""
        self._count += 1
        name = f"{self._name}_{self._count}"
        cluster = self.cluster()
        cluster.create_database(name)
        return cluster.url(name)

    def cluster(self):
        """Returns the PostgreSQL server that all cases share. A case that stops or replaces its
        server uses `own_cluster` instead."""
        if Place._cluster is None:
            Place._cluster = own_cluster(self._root / "postgresql", self._keep).start()
        return Place._cluster

    def serve(self, database, *options, name="served", env=None, wrap=()):
        """Starts a service with a ledger and waits until it is ready."""
        return (
            Served(name, database, self.folder, self.faults, *options, env=env, wrap=wrap)
            .start()
            .wait_ready()
        )

    def run(self, *arguments, env=None, timeout=120):
        """Runs `egov-kpi ARGUMENTS` to its end; returns the finished process with its output as
        text."""
        command = [binary(), *map(str, arguments)]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env=environment() | (env or {}),
        )

    def key(self, database, role, *options):
        """Creates an API key with a role."""
        done = self.run(
            "keys",
            "add",
            "--name",
            f"{role} of the test",
            "--role",
            role,
            *options,
            "--database",
            database,
        )
        if done.returncode:
            raise Fault(f"cannot create a key: {done.stderr.strip()}")
        return done.stdout.strip()

    def check(self, holds, sentence, example=""):
        """Adds a fault unless `holds` is true."""
        if not holds:
            self.faults.add(f"{self._name}: {sentence}", str(example))
        return holds


class Caller:
    """Sends requests to one service, with a key if one is given."""

    def __init__(self, served, key=None, timeout=30):
        self._client, self._key = Client(served, timeout), key

    def send(self, method, path, body=None, headers=None, **query):
        """Sends one request once; returns the reply with status, headers and body."""
        if query:
            path += "?" + urllib.parse.urlencode(query, doseq=True)
        signed = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        return self._client.send(method, path, body, signed | (headers or {}))

    def get(self, path, headers=None, **query):
        """Sends a GET."""
        return self.send("GET", path, None, headers, **query)

    def post(self, path, body, headers=None, content="application/json", **query):
        """Sends a POST with bytes or text."""
        body = body if isinstance(body, bytes) else body.encode()
        return self.send("POST", path, body, {"content-type": content} | (headers or {}), **query)


def cpu_count():
    """Returns the number of processors that this process may use."""
    return len(os.sched_getaffinity(0))
