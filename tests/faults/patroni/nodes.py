"""A PostgreSQL cluster run by Patroni with etcd, each server on a host of its own (hosts.py) with a
disk of its own, and HAProxy in front of it. All programs are Debian's.

The settings are those that docs/operations.md recommends."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request

from common import HOST, ClusterError, Fault, at_end, free_port, owner, programs, until
from disk import Disk
from hosts import Host, Line
from programs import found

TTL, LOOP_WAIT, RETRY_TIMEOUT = 8, 2, 3  # seconds: of Patroni's leader key, rounds and retries
SENDER_TIMEOUT = 5  # seconds after which PostgreSQL gives up a standby that does not respond
DISK = 500  # MiB for each server
NEEDED = ("patroni", "/usr/lib/python3/dist-packages/etcd", "etcd", "haproxy", "setpriv")


def asked(url, body=None, method=None, timeout=2):
    """Returns (status, JSON or text) of Patroni's REST API, or (None, None) without a response."""
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, {"content-type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as reply:
            status, text = reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read().decode()
    except (OSError, ValueError):
        return None, None
    with contextlib.suppress(ValueError):
        text = json.loads(text)
    return status, text


class Etcd:
    """One etcd, which holds the leader's key."""

    def __init__(self, host, folder):
        self.host, self.address = host, host.address
        self._data, self._log = folder / "etcd", folder / "etcd.log"

    def start(self):
        """Starts it with the data that it has, and waits until it responds."""
        here, peer = f"http://{self.address}:2379", f"http://{self.address}:2380"
        options = {
            "name": "one",
            "data-dir": self._data,
            "listen-client-urls": here,
            "advertise-client-urls": here,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"one={peer}",
            "enable-v2": "true",
        }
        spawn(
            self.host,
            [found("etcd"), *(f"--{name}={value}" for name, value in options.items())],
            self._log,
            user=None,
        )
        until(lambda: asked(f"{here}/health")[0] == 200, 20, "etcd does not respond")
        return self


def spawn(host, command, log, user="postgres", env=None):
    """Starts a process on a host."""
    with open(log, "ab") as out:
        process = subprocess.Popen(
            [*host.wrap(user), *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"} | (env or {}),
            cwd="/",
            start_new_session=True,
        )
    threading.Thread(target=process.wait, daemon=True).start()  # reaps it whenever it ends
    return process


class Node:
    """One server of PostgreSQL with its Patroni."""

    # Patroni 3.0.2 with `etcd3` writes the leader's key without comparing it: a leader that was
    # paused takes the key back from its successor, and both confirm changes.
    API = "etcd"

    def __init__(self, host, etcd, folder, strict, scope="ledger", upstream=None):
        self.host, self.name, self.address = host, host.name, host.address
        self._etcd, self._scope, self._strict, self._upstream = etcd, scope, strict, upstream
        self.folder = folder / host.name
        self.folder.mkdir(mode=0o755)
        self.disk = Disk(self.folder / "disk", DISK)
        self.disk.give_to(owner())
        self.data = self.folder / "disk" / "data"
        self.log, self._config = self.folder / "patroni.log", self.folder / "patroni.json"
        os.chown(self.folder, *owner())

    def settings(self):
        """Returns Patroni's settings; JSON is also YAML."""
        dcs = {
            "ttl": TTL,
            "loop_wait": LOOP_WAIT,
            "retry_timeout": RETRY_TIMEOUT,
            "maximum_lag_on_failover": 1 << 20,
            "synchronous_mode": self._strict,
            "synchronous_mode_strict": self._strict,
            "postgresql": {
                "use_pg_rewind": True,
                "use_slots": True,
                "parameters": {
                    "max_connections": 100,
                    "shared_buffers": "32MB",
                    "wal_log_hints": "on",
                    "wal_keep_size": "64MB",
                    "min_wal_size": "32MB",
                    "max_wal_size": "96MB",
                    "wal_sender_timeout": f"{SENDER_TIMEOUT}s",
                    "wal_receiver_timeout": f"{SENDER_TIMEOUT}s",
                    "wal_retrieve_retry_interval": "500ms",
                },
            },
        }
        if self._upstream:
            dcs["standby_cluster"] = {"host": self._upstream[0], "port": self._upstream[1]}
        return {
            "scope": self._scope,
            "name": self.name,
            "restapi": {
                "listen": f"{self.address}:8008",
                "connect_address": f"{self.address}:8008",
            },
            self.API: {"hosts": f"{self._etcd}:2379"},
            "bootstrap": {
                "dcs": dcs,
                "initdb": [{"encoding": "UTF8"}, {"locale": "C"}],
            },
            "postgresql": {
                "listen": f"{self.address},{HOST}:5432",
                "connect_address": f"{self.address}:5432",
                "data_dir": str(self.data),
                "bin_dir": str(programs()),
                "basebackup": [{"checkpoint": "fast"}],
                "pgpass": str(self.folder / "pgpass"),
                "authentication": {
                    "superuser": {"username": "postgres"},
                    "replication": {"username": "postgres"},
                    "rewind": {"username": "postgres"},
                },
                "parameters": {"unix_socket_directories": str(self.folder)},
                "pg_hba": [
                    "local all all trust",
                    "host all all 0.0.0.0/0 trust",
                    "host replication all 0.0.0.0/0 trust",
                ],
            },
        }

    def start(self):
        """Starts Patroni, which starts PostgreSQL."""
        self._config.write_text(json.dumps(self.settings()), encoding="utf-8")
        spawn(self.host, [found("patroni"), self._config], self.log)
        return self

    def api(self, path, body=None, method=None, timeout=2):
        """Returns (status, response) of Patroni's REST API on this node."""
        return asked(f"http://{self.address}:8008{path}", body, method, timeout)

    @property
    def leads(self):
        """Whether Patroni says that this node is the leader."""
        return self.api("/primary")[0] == 200

    @property
    def url(self):
        """Returns the address of the database at this node alone."""
        return f"postgres://postgres@{self.address}:5432/ledger"

    def sql(self, statement, database="postgres", seconds=5):
        """Runs a statement; returns its output, or None when it fails or takes too long."""
        command = [
            *(programs() / "psql", "-X", "-A", "-t", "-q", "-h", self.address, "-U", "postgres"),
            *("-d", database, "-c", statement),
        ]
        with contextlib.suppress(subprocess.TimeoutExpired):
            done = subprocess.run(
                [str(word) for word in command],
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
                env={"PGCONNECT_TIMEOUT": "2", "LC_ALL": "C", "PGOPTIONS": "-c lock_timeout=1s"},
            )
            # A commit that was not replicated has a warning.
            if done.returncode == 0 and "WARNING" not in done.stderr:
                return done.stdout.strip()
        return None

    def postmaster(self):
        """Returns the process id of PostgreSQL's first process."""
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def copy_of_data(self, to):
        """Copies the data folder of a server that was killed."""
        shutil.copytree(self.data, to / "data", copy_function=shutil.copy2)
        for name in ("postmaster.pid", "standby.signal", "recovery.signal"):
            (to / "data" / name).unlink(missing_ok=True)
        subprocess.run(["chown", "-R", "postgres:postgres", str(to)], check=True)
        (to / "data").chmod(0o700)


class Ensemble:
    """Three nodes, etcd and HAProxy."""

    def __init__(self, lan, folder, strict):
        self.lan, self.folder, self.strict = lan, folder, strict
        self.etcd = Etcd(lan.host("etcd"), folder)
        self.nodes = [
            Node(lan.host(f"n{nth}"), self.etcd.address, folder, strict) for nth in (1, 2, 3)
        ]
        self.proxy_port, self._proxy = free_port(), None

    def start(self):
        """Starts everything and waits until all three follow."""
        self.etcd.start()
        self.nodes[0].start()
        until(lambda: self.nodes[0].leads, 60, "the first node does not lead")
        for node in self.nodes[1:]:
            node.start()
        self.start_proxy()
        self.wait_complete(90)
        leader = self.leader()
        for statement in ("CREATE DATABASE ledger", "CREATE TABLE probe (n BIGINT)"):
            if leader.sql(statement) is None:
                raise Fault(f"{statement}: not possible at {leader.name}")
        return self

    def start_proxy(self):
        """Starts HAProxy on the machine of the test; it forwards to the leader."""
        lines = [
            *("global", "  maxconn 500", "defaults", "  mode tcp", "  timeout connect 2s"),
            *("  timeout client 30m", "  timeout server 30m", "  timeout check 1s"),
            *(
                "listen ledger",
                f"  bind {HOST}:{self.proxy_port}",
                f"  bind {self.lan.address}:5432",
            ),
            *("  option httpchk GET /primary", "  http-check expect status 200"),
            "  default-server inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions",
        ]
        lines += [
            f"  server {node.name} {node.address}:5432 check port 8008" for node in self.nodes
        ]
        config = self.folder / "haproxy.cfg"
        config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        with open(self.folder / "haproxy.log", "ab") as log:
            self._proxy = subprocess.Popen(
                [found("haproxy"), "-db", "-f", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        at_end(self._proxy.kill)

    def leader(self, seconds=30):
        """Returns the node that leads."""
        return until(
            lambda: next((node for node in self.nodes if node.leads), None), seconds, "no leader"
        )

    def replicas(self):
        """Returns the nodes that do not lead."""
        leader = self.leader()
        return [node for node in self.nodes if node is not leader]

    def synchronous(self, seconds=20):
        """Returns the standby for which commits wait."""
        leader = self.leader()
        query = "SELECT application_name FROM pg_stat_replication WHERE sync_state <> 'async'"
        name = until(lambda: leader.sql(query), seconds, "no synchronous standby").split("\n")[0]
        return next(node for node in self.nodes if node.name == name)

    def complete(self):
        """Whether there is a leader, and both other nodes follow it without a delay."""
        leader = next((node for node in self.nodes if node.leads), None)
        if leader is None:
            return False
        counts = leader.sql(
            "SELECT count(*) FILTER (WHERE state = 'streaming' AND"
            " pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) < 100000),"
            " count(*) FILTER (WHERE sync_state <> 'async') FROM pg_stat_replication"
            " WHERE application_name LIKE 'n%'"
        )
        return counts == ("2|1" if self.strict else "2|0")

    def wait_complete(self, seconds=60):
        """Waits until the cluster is complete; a Fault tells what the nodes say."""
        try:
            until(self.complete, seconds, "the cluster is not complete")
        except ClusterError as error:
            says = "; ".join(f"{node.name}: {node.api('/patroni')[1]}" for node in self.nodes)
            raise Fault(f"{error}: {says}") from None

    def address(self, *more):
        """Returns the address of the database with all servers in it."""
        hosts = ",".join(f"{node.address}:5432" for node in (*self.nodes, *more))
        return (
            f"postgres://postgres@{hosts}/ledger?target_session_attrs=read-write&connect_timeout=1"
        )

    @property
    def proxy_address(self):
        """Returns the address of the database through HAProxy."""
        return f"postgres://postgres@{HOST}:{self.proxy_port}/ledger"


class FarCentre:
    """A second data centre at the end of a line: a standby cluster of Patroni with one server and
    an etcd of its own, which follows the first one through HAProxy."""

    def __init__(self, ensemble, folder):
        host = Host("far", None)
        self.line = Line("w", host)
        host.address = self.line.there
        host.inside("ip", "route", "add", ensemble.lan.address, "dev", self.line.end)
        (folder / "centre").mkdir(mode=0o755)
        self.etcd, upstream = Etcd(host, folder / "centre"), (ensemble.lan.address, 5432)
        self.node = Node(host, self.line.there, folder, False, "far", upstream)
        self._ensemble = ensemble

    def start(self):
        """Starts it and waits until it follows."""
        self.etcd.start()
        self.node.start()
        query = "SELECT count(*) FROM pg_stat_replication WHERE application_name = 'far'"
        until(lambda: self._ensemble.leader().sql(query) == "1", 90, "the far server follows")
        self.line.tell("delay", 0.015, 0.005)
        return self

    def promote(self):
        """Makes it a cluster of its own, as an administrator would; returns when it leads."""
        status, said = self.node.api("/config", {"standby_cluster": None}, "PATCH", 10)
        if status != 200:
            raise Fault(f"PATCH /config: response {status} {said}")
        until(
            lambda: self.node.leads and self.node.sql("SELECT pg_is_in_recovery()") == "f",
            60,
            "the far server does not lead",
        )


class Probe:
    """Commits to all nodes again and again with plain psql, which shows when PostgreSQL itself
    accepted changes, independently of the service."""

    STATEMENT = "INSERT INTO probe VALUES (1)"

    def __init__(self, nodes):
        self._lock, self._found, self._stopping = threading.Lock(), [], threading.Event()
        for node in nodes:
            threading.Thread(target=self._run, args=(node,), daemon=True).start()

    def _run(self, node):
        while not self._stopping.is_set():
            if node.sql(self.STATEMENT, seconds=2) is not None:
                with self._lock:
                    self._found.append(time.monotonic())
            self._stopping.wait(0.15)

    def moments(self):
        """Returns the times of all commits."""
        with self._lock:
            return sorted(self._found)

    def stop(self):
        """Ends the commits."""
        self._stopping.set()


def kill_postgres(node):
    """Kills PostgreSQL alone; its Patroni sees that and acts."""
    os.kill(node.postmaster(), signal.SIGKILL)
