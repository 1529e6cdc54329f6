"""Shared by the fault tests: instances of the service that are killed and restarted, writers that
repeat a submission until it gets a response, a record of all responses, and the final check that
the ledger agrees with it exactly.

EGOV_KPI names the program, by default target/release/egov-kpi of this repository."""

import atexit
import collections
import contextlib
import http.client
import itertools
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "postgres"))

from cluster import (  # noqa: F401 - imported from here
    HOST,
    Cluster,
    ClusterError,
    free_port,
    owner,
    port_is_free,
    programs,
    until,
    url_of,
)

FIGURES = 20  # figures of a submission
MONTHS = 600  # from 1900-01; when all have figures, a writer revises them in order
BODY = {"content-type": "application/json"}


class Fault(Exception):
    """The reason why a test fails, in a sentence."""


class Faults:
    """The faults that all threads found. All are counted; a few examples of each kind are kept."""

    def __init__(self):
        self._lock, self._found = threading.Lock(), collections.Counter()
        self._examples = []

    def add(self, kind, example=""):
        """Adds a fault; faults with the same `kind` are counted together, `example` has the
        details."""
        with self._lock:
            self._found[kind] += 1
            if self._found[kind] <= 3:
                self._examples.append(f"{kind}: {example[:400]}" if example else kind)

    def __bool__(self):
        return bool(self._found)

    def new_since(self, before):
        """Returns what was found since `str` of this object was `before`, or `ok`."""
        known = set(before.split("; "))
        return "; ".join(part for part in str(self).split("; ") if part not in known) or "ok"

    def __str__(self):
        with self._lock:
            return "; ".join(
                [
                    *self._examples,
                    *(f"{count} times: {kind}" for kind, count in self._found.items() if count > 3),
                ]
            )


# -- the end of a test

_endings = contextlib.ExitStack()


def at_end(call, *arguments):
    """Registers a function that is called at the end, also after Ctrl-C or SIGTERM; last one
    first."""
    _endings.callback(call, *arguments)


def _end():
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(name, signal.SIG_IGN)
    _endings.close()


def _interrupted(number, _frame):
    sys.exit(128 + number)


def _took_too_long(_number, _frame):
    raise Fault("the test took too long")


def begin(seconds):
    """Prepares cleanup at the end and the time limit of the test: after `seconds` a Fault is raised
    in the main thread."""
    atexit.register(_end)
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, _interrupted)
    signal.signal(signal.SIGALRM, _took_too_long)
    signal.alarm(int(seconds))


def work_folder(keep):
    """Creates a folder below /tmp that other users can enter; removed at the end unless `keep`."""
    folder = Path(tempfile.mkdtemp(prefix="egov-kpi-faults-"))
    folder.chmod(0o755)
    if keep:
        print(f"kept: {folder}", file=sys.stderr)
    else:
        at_end(lambda: shutil.rmtree(folder, ignore_errors=True))
    return folder


def report(summary, faults):
    """Prints the line of a test, which ends with `ok` or the faults; returns the exit code 0 or
    1."""
    print(f"{summary}; {faults or 'ok'}", flush=True)
    return 1 if faults else 0


def guarded(main):
    """Runs the main function of a test, which returns the exit code; prints an exception as one
    line."""
    try:
        sys.exit(main())
    except (Fault, ClusterError) as fault:
        sys.exit(f"{Path(sys.argv[0]).name}: {fault}")


def add_options(parser):
    """Adds the options that all fault tests have."""
    seed = random.SystemRandom().randrange(1_000_000)
    parser.add_argument(
        "--seed",
        type=int,
        default=seed,
        help="seed of the random choices; random by default; it is printed",
    )
    parser.add_argument(
        "--keep", action="store_true", help="keep the folders with logs and ledgers"
    )
    parser.add_argument(
        "--old",
        action="store_true",
        help="for an old program without revisions, digest, verify and keys: skip those checks",
    )


def own_cluster(folder, keep, **options):
    """Returns a PostgreSQL cluster in this folder, not started yet; it is removed at the end."""
    cluster = Cluster(folder, folder.name, **options)
    if keep:
        at_end(cluster.stop, "immediate")
    else:
        at_end(cluster.remove)
    return cluster


# -- HTTP

Reply = collections.namedtuple("Reply", "status headers body")


class Refused(Exception):
    """No connection was possible: nothing was sent."""


class Lost(Exception):
    """The request was sent, at least in part, without a complete response: it may have been
    processed."""


class Client:
    """One connection to one instance, for one thread. Follows the instance to its new port after a
    restart."""

    def __init__(self, instance, timeout=5.0):
        self.instance, self.timeout = instance, timeout
        self._connection, self._port = None, None

    def send(self, method, path, body=None, headers=None, timeout=None):
        """Sends one request once; raises Refused or Lost without a response. Uses the one-time
        token for writes while there is no key."""
        headers = headers or {}
        token = self.instance.key
        if not any(name.lower() == "authorization" for name in headers):
            if method not in ("GET", "HEAD"):
                token = token or getattr(self.instance, "setup_token", None)
            headers = headers | ({"Authorization": f"Bearer {token}"} if token else {})
        port = self.instance.port
        if port is None:
            raise Refused
        if port != self._port:
            self.close()
        if self._connection is None:
            connection = http.client.HTTPConnection(
                self.instance.address, port, timeout=timeout or self.timeout
            )
            try:
                connection.connect()
                connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError:
                raise Refused from None
            self._connection, self._port = connection, port
        self._connection.sock.settimeout(timeout or self.timeout)
        try:
            self._connection.request(method, path, body=body, headers=headers)
            answer = self._connection.getresponse()
            reply = Reply(answer.status, answer.headers, answer.read())
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Lost(f"{type(error).__name__}: {error}") from None
        if answer.will_close:
            self.close()
        if reply.status in (401, 503) and hasattr(self.instance, "forget_token"):
            self.instance.forget_token()
        return reply

    def close(self):
        """Closes the connection; the next request opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def read(self, path, seconds=30):
        """GETs a JSON document. Retries after a lost connection and 503; raises a Fault when it
        does not get 200 in time."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                reply = self.send("GET", path, timeout=max(1.0, deadline - time.monotonic()))
                if reply.status == 200:
                    return json.loads(reply.body)
                said = f"{reply.status} {reply.body[:200]!r}"
                if reply.status != 503:
                    raise Fault(f"GET {path} at {self.instance.name}: response {said}")
            except (Refused, Lost) as error:
                said = f"{type(error).__name__} {error}"
            if time.monotonic() > deadline:
                raise Fault(
                    f"GET {path} at {self.instance.name}: no response within {seconds} s, "
                    f"last {said}"
                )
            time.sleep(0.05)

    def pages(self, path, field):
        """Yields the rows of all pages of a list."""
        cursor = ""
        while cursor is not None:
            page = self.read(path + (f"&cursor={quote(cursor)}" if cursor else ""))
            yield from page[field]
            cursor = page["next_cursor"]


LEAKS = re.compile(
    r"\b(select|insert|update|delete|create)\b.*\b(into|from|set|table)\b|sqlite|postgres|diesel|sqlstate|/tmp/|/usr/|\.rs\b|\.db\b|panicked|backtrace"
    r"|no space|read-only file|127\.0\.0\.1",
    re.IGNORECASE,
)


def problem_of(reply):
    """Returns what is wrong with a problem document, or None."""
    if not (reply.headers.get("content-type") or "").startswith("application/problem+json"):
        return f"media type {reply.headers.get('content-type')}"
    try:
        problem = json.loads(reply.body)
    except ValueError:
        return "not JSON"
    if (
        not str(problem.get("type")).startswith("urn:egov-kpi:")
        or problem.get("status") != reply.status
    ):
        return f"not a problem document of the service: {reply.body[:300]!r}"
    if leak := LEAKS.search(reply.body.decode(errors="replace")):
        return f"it discloses {leak.group(0)!r}: {reply.body[:300]!r}"
    return None


# -- instances


def binary():
    """Returns the program under test."""
    path = Path(os.environ.get("EGOV_KPI") or ROOT / "target" / "release" / "egov-kpi")
    if not os.access(path, os.X_OK):
        raise Fault(
            "the program to test is missing: build it (cargo build --release) or name it in "
            "EGOV_KPI"
        )
    return str(path)


def environment():
    """Returns the environment of this process without settings of the service."""
    return {name: value for name, value in os.environ.items() if not name.startswith("EGOV_KPI")}


class Instance:
    """One process of the service with a ledger; its port changes with each start."""

    address = HOST  # where it listens
    key = None  # a key for all requests, if the ledger has one

    def __init__(self, name, database, folder, faults):
        self.name, self.database, self.faults = name, database, faults
        self._out, self._err = folder / f"{name}.out", folder / f"{name}.err"
        self._lock = threading.RLock()
        self.process, self._port, self.started_at = None, None, 0.0
        self.killed, self.was_ready, self._token = False, False, None
        at_end(self.kill)

    def start(self):
        """Starts the process without waiting until it is ready."""
        with self._lock, open(self._out, "wb") as out, open(self._err, "ab") as err:
            self._port, self.killed, self.was_ready, self.started_at = (
                None,
                False,
                False,
                time.monotonic(),
            )
            command = [
                binary(),
                "--log",
                "warn",
                "serve",
                "--listen",
                f"{self.address}:0",
                "--database",
                self.database,
            ]
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=environment(),
                start_new_session=True,
            )
        return self

    @property
    def port(self):
        """The port where it listens, or None."""
        if self._port is None and self.alive:
            with self._lock:
                first = self._out.read_text(errors="replace").partition("\n")
                if first[1]:
                    if not first[0].startswith("listening on http://"):
                        raise Fault(
                            f"{self.name}: the first line on standard output is {first[0]!r}"
                        )
                    self._port = int(first[0].rpartition(":")[2])
        return self._port

    @property
    def setup_token(self):
        """The one-time token that its process printed, or None if there was a key already."""
        if self._token is None or self._token[0] is not self.process:
            found = (
                re.findall(r"\bsetup_[A-Za-z0-9_-]+", self._err.read_text(errors="replace"))
                if self._err.exists()
                else []
            )
            self._token = (self.process, found[-1] if found else None)
        return self._token[1]

    def forget_token(self):
        """Forgets the token, because a new process may have printed another one."""
        self._token = None

    @property
    def alive(self):
        """Whether the process runs."""
        return self.process is not None and self.process.poll() is None

    @property
    def ended_by_itself(self):
        """Whether the process ended although nobody killed it. Under the lock: while `start` puts a
        new process in place of a killed one, the old one's end is not taken for the new one's."""
        with self._lock:
            return not self.alive and not self.killed

    def ready(self, timeout=2.0):
        """Whether the response of /readyz is 200."""
        client = Client(self, timeout)
        try:
            self.was_ready = client.send("GET", "/readyz").status == 200 or self.was_ready
            return self.was_ready
        except (Refused, Lost):
            return False
        finally:
            client.close()

    def wait_ready(self, seconds=30):
        """Waits until the response of /readyz is 200; raises a Fault when that takes too long."""
        deadline = time.monotonic() + seconds
        while not self.ready():
            if self.ended_by_itself:
                raise Fault(
                    f"{self.name} ended with code {self.process.returncode} instead of "
                    f"getting ready: {self.last_words()}"
                )
            if time.monotonic() > deadline:
                raise Fault(f"{self.name} was not ready within {seconds} s: {self.last_words()}")
            time.sleep(0.03)
        return self

    def kill(self):
        """Kills it with SIGKILL."""
        with self._lock:
            self.killed = True
            if self.process is not None:
                self.process.kill()
                self.process.wait()
                self._port = None

    def stop(self, seconds=35):
        """Sends SIGTERM and returns the exit code. Kills it if it does not stop, and adds a
        fault."""
        with self._lock:
            self.killed = True
            self.process.terminate()
            try:
                return self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.faults.add(f"{self.name} did not stop within {seconds} s after SIGTERM")
                self.kill()
                return None
            finally:
                self._port = None

    def last_words(self):
        """Returns the end of its log."""
        with contextlib.suppress(OSError):
            return " | ".join(self._err.read_text(errors="replace").splitlines()[-3:])
        return ""

    def check_log(self):
        """Adds a fault for each panic in the log."""
        with contextlib.suppress(OSError):
            for line in self._err.read_text(errors="replace").splitlines():
                if "panicked at" in line:
                    self.faults.add(f"{self.name} panicked", line[:300])


class Keeper:
    """Restarts instances that were killed. An instance that ends by itself is a fault, unless it
    was not ready yet, ended with code 3, and `excused(since)` says that its ledger was not
    available then."""

    def __init__(self, instances, faults, excused=lambda _since: False, seed=None):
        self._instances, self._faults, self._excused = instances, faults, excused
        self._dice, self._stopping = random.Random(f"keeper {seed}"), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        at_end(self.stop)

    def stop(self):
        """Ends the restarts."""
        self._stopping.set()
        self._thread.join(10)

    def _run(self):
        while not self._stopping.wait(0.03):
            for instance in self._instances:
                if instance.alive:
                    if not instance.was_ready:
                        instance.ready(0.5)
                    continue
                if not instance.killed:
                    self._judge(instance)
                    self._stopping.wait(0.2)
                self._stopping.wait(self._dice.uniform(0, 0.5))
                if not self._stopping.is_set():
                    instance.start()

    def _judge(self, instance):
        code, words = instance.process.returncode, instance.last_words()
        if instance.was_ready:
            self._faults.add(
                f"{instance.name} ended by itself after it had been ready", f"code {code}: {words}"
            )
        elif code != 3:
            self._faults.add(
                f"{instance.name} ended by itself at its start", f"code {code}: {words}"
            )
        elif not self._excused(instance.started_at):
            self._faults.add(
                f"{instance.name} gave up at its start although the ledger was available", words
            )


# -- writing


class Book:
    """Record of all submissions and responses. A submission has a number; its figures are number *
    100 + 0, 1, ..., so that the figures alone show whether a submission was recorded partly, mixed
    with another, or twice."""

    def __init__(self, writers, flows):
        self.writers, self.flows, self.lock = writers, flows, threading.Lock()
        self.run = uuid.uuid4().hex[:12]
        self.sent, self.answered = set(), {}  # with a response: number -> (submission, revision)
        self.counts, self.answers = (
            collections.Counter(),
            [],
        )  # (time, instance) of the first response to each submission

    def unit(self, number):
        """Returns the unit of a submission; each writer has its own unit."""
        return f"w{number % self.writers}"

    def month(self, number):
        """Returns the month of a submission."""
        year, month = divmod(number // self.writers % MONTHS, 12)
        return f"{1900 + year}-{month + 1:02}"

    def key(self, number):
        """Returns its Idempotency-Key, which is the same for each repetition."""
        return f"{self.run}-{number}"

    def body(self, number):
        """Returns the body of a submission."""
        unit, month = self.unit(number), self.month(number)
        figures = [
            {"indicator": flow, "unit": unit, "period": month, "value": number * 100 + nth}
            for nth, flow in enumerate(self.flows)
        ]
        return json.dumps(
            {"source": {"kind": "api", "reference": str(number)}, "observations": figures}
        ).encode()

    def units(self):
        """Returns the units of all writers."""
        return [self.unit(writer) for writer in range(self.writers)]

    def count(self, what):
        """Counts an event."""
        with self.lock:
            self.counts[what] += 1

    def total(self, what):
        """Returns how often an event happened."""
        with self.lock:
            return self.counts[what]

    def answers_since(self, moment):
        """Returns the first responses after a time: [(time, instance), ...]."""
        with self.lock:
            return [answer for answer in self.answers if answer[0] > moment]


def prepare(instances, writers):
    """Prepares a new ledger and returns its record: adds a unit for each writer, waits until all
    instances know them, and chooses twenty flows without dimensions and decimals."""

    def all_known(reader):
        return set(book.units()) <= {
            unit["code"] for unit in reader.read("/api/v1/units?limit=20000")["units"]
        }

    client = Client(instances[0])
    indicators = client.read("/api/v1/indicators")["indicators"]
    flows = [
        entry["code"] for entry in indicators if entry["kind"] == "flow" and entry["decimals"] == 0
    ][:FIGURES]
    if len(flows) < FIGURES:
        raise Fault(f"the catalogue has {len(flows)} flows without decimals; {FIGURES} are needed")
    book = Book(writers, flows)
    units = [
        {"code": unit, "kind": "agency", "name": {"vi": unit, "en": unit}, "parent": None}
        for unit in book.units()
    ]
    reply = client.send(
        "PUT", "/api/v1/units", json.dumps({"units": units}).encode(), BODY, timeout=30
    )
    if reply.status not in (200, 201):
        raise Fault(f"PUT /api/v1/units: response {reply.status} {reply.body[:300]!r}")
    readers = [Client(instance) for instance in instances]
    until(lambda: all(map(all_known, readers)), 10, "instances do not know the units")
    return book


class Writers:
    """Threads that post submissions, each one after the other, to random instances. A submission
    without the response 200 or 201 is sent again with the same key and body to any instance. `rate`
    limits the submissions per second of all writers together."""

    def __init__(self, book, instances, faults, seed, rate=160.0, old=False):
        self._book, self._instances, self._faults, self._old = book, instances, faults, old
        self._pause = book.writers / rate
        self._last, self._given_up = threading.Event(), threading.Event()
        self._threads = [
            threading.Thread(target=self._guarded, args=(writer, f"{seed}/{writer}"), daemon=True)
            for writer in range(book.writers)
        ]
        for thread in self._threads:
            thread.start()

    def finish(self, seconds=30):
        """Ends new submissions and waits until each writer has the response to its last one. A
        missing response is a fault; returns the number of those."""
        self._last.set()
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._given_up.set()
        for thread in self._threads:
            thread.join(10)
        unanswered = sorted(self._book.sent - set(self._book.answered))
        if unanswered:
            self._faults.add(
                f"submissions without a response for {seconds} s although everything was running",
                f"{len(unanswered)}, such as {unanswered[:3]}",
            )
        return len(unanswered)

    def _guarded(self, writer, seed):
        try:
            self._run(writer, random.Random(seed))
        except Exception as error:  # an error of the test itself must be visible
            self._faults.add(f"a writer ended: {type(error).__name__}", str(error))

    def _run(self, writer, dice):
        clients = [Client(instance) for instance in self._instances]
        for number in range(writer, sys.maxsize, self._book.writers):
            if self._last.is_set():
                break
            began = time.monotonic()
            self._submit(number, clients, dice)
            self._last.wait(
                max(0.0, self._pause * dice.uniform(0.5, 1.5) - (time.monotonic() - began))
            )
        for client in clients:
            client.close()

    def _submit(self, number, clients, dice):
        """Sends one submission until it gets a response."""
        book, body = self._book, self._book.body(number)
        with book.lock:
            book.sent.add(number)
        attempts = 0
        while not self._given_up.is_set():
            client = dice.choice(clients)
            try:
                attempts += 1
                reply = self._post(client, number, body)
            except Refused:
                attempts -= 1
                time.sleep(0.03)
                continue
            except Lost:
                book.count("lost")
                time.sleep(dice.uniform(0.01, 0.1))
                continue
            finally:
                if attempts == 2:
                    book.count("repeated submissions")
                if attempts > 1:
                    book.count("retries")
            if reply.status in (200, 201):
                self._answered(number, reply, client, clients, body, dice)
                return
            book.count(f"status {reply.status}")
            if reply.status == 401 and client.instance.setup_token:
                time.sleep(0.05)  # the instance was restarted and has another one-time token
                continue
            if reply.status != 503:
                self._faults.add(
                    f"response {reply.status} to a submission",
                    reply.body[:300].decode(errors="replace"),
                )
            elif wrong := problem_of(reply):
                self._faults.add("a 503 response has a wrong body", wrong)
            time.sleep(dice.uniform(0.05, 0.2))

    def _post(self, client, number, body):
        return client.send(
            "POST", "/api/v1/observations", body, BODY | {"Idempotency-Key": self._book.key(number)}
        )

    def _answered(self, number, reply, client, clients, body, dice):
        """Records a response; sometimes reads the figures back at once or sends the submission
        again."""
        book, receipt = self._book, json.loads(reply.body)
        with book.lock:
            book.answered[number] = (receipt["submission"], receipt["revision"])
            book.answers.append((time.monotonic(), client.instance.name))
            book.counts["answered"] += 1
        if receipt["submission"] is None:
            if self._old:
                book.count("reported as unchanged")
            else:
                self._faults.add(
                    "the response to new figures says that nothing changed",
                    f"number {number}: {reply.body[:300]!r}",
                )
            return
        if receipt["counts"]["created"] + receipt["counts"]["revised"] != FIGURES:
            self._faults.add(
                "the counts in a response are not 20", f"number {number}: {receipt['counts']}"
            )
        chance = dice.random()
        if chance < 0.1:
            self._read_back(receipt, client)
        elif chance < 0.15 and not self._old:
            self._repeat(number, receipt, dice.choice(clients), body)

    def _read_back(self, receipt, client):
        """Checks that figures can be read from the same instance as soon as the response has
        arrived."""
        with contextlib.suppress(Refused, Lost):
            reply = client.send(
                "GET",
                f"/api/v1/observations?history=true&limit=100&submission={receipt['submission']}",
            )
            if reply.status == 200:
                self._book.count("read back")
                found = json.loads(reply.body)
                if len(found["observations"]) != FIGURES or found["revision"] < receipt["revision"]:
                    at = f"revision {found['revision']}, in the receipt {receipt['revision']}"
                    self._faults.add(
                        (
                            "not all figures could be read from the instance that had just "
                            "confirmed them"
                        ),
                        f"{len(found['observations'])} at {at}",
                    )
            elif reply.status != 503:
                self._faults.add(
                    f"response {reply.status} to a read", reply.body[:300].decode(errors="replace")
                )

    def _repeat(self, number, receipt, client, body):
        """Checks that a submission that is sent again, to any instance, gets the first response
        again."""
        with contextlib.suppress(Refused, Lost):
            reply = self._post(client, number, body)
            if reply.status in (200, 201):
                self._book.count("repeated after the response")
                again = json.loads(reply.body)
                if again != receipt:
                    self._faults.add(
                        "a repeated submission got another response",
                        f"number {number}: {receipt}, then {again}",
                    )
            elif reply.status not in (
                401,
                503,
            ):  # 401: the instance was restarted and has another one-time token
                self._faults.add(
                    f"response {reply.status} to a repeated submission",
                    reply.body[:300].decode(errors="replace"),
                )


# -- the final check


class Recorded:
    """Compares the rows of the ledger with the record."""

    def __init__(self, book, faults):
        self._book, self._faults = book, faults
        self.rows = 0
        self._parts = collections.defaultdict(set)  # number -> {(submission, revision)}
        self._nths = collections.defaultdict(set)  # (submission, number) -> {nth}
        self._times = {}  # revision -> recorded_at

    def take(self, row):
        """Adds one row of the history."""
        number, nth = divmod(row["value"] if isinstance(row["value"], int) else -1, 100)
        told = (row["indicator"], row["unit"], row["period"], row["dimensions"])
        if (
            number < 0
            or nth >= FIGURES
            or told
            != (self._book.flows[nth], self._book.unit(number), self._book.month(number), {})
        ):
            self._faults.add("a recorded figure differs from all that were sent", json.dumps(row))
            return
        self.rows += 1
        self._parts[number].add((row["submission"], row["revision"]))
        if nth in self._nths[row["submission"], number]:
            self._faults.add("a figure is recorded twice in one submission", json.dumps(row))
        self._nths[row["submission"], number].add(nth)
        if self._times.setdefault(row["revision"], row["recorded_at"]) != row["recorded_at"]:
            self._faults.add(
                "one revision has two times",
                f"{row['revision']}: {row['recorded_at']} and {self._times[row['revision']]}",
            )

    def judge(self, answered, sent):
        """Checks that every confirmed submission is recorded completely and once, and that no
        submission is recorded partly, twice or without having been sent."""
        add = self._faults.add
        for number, (submission, revision) in sorted(answered.items()):
            found = self._parts.get(number)
            if not found:
                add(
                    "confirmed, but not recorded",
                    f"number {number}, submission {submission}, revision {revision}",
                )
            elif submission is not None and found != {(submission, revision)}:
                add(
                    "recorded differently than confirmed",
                    (
                        f"number {number}, confirmed {(submission, revision)}, recorded "
                        f"{sorted(found)}"
                    ),
                )
        for number, found in sorted(self._parts.items()):
            if len(found) > 1:
                add("recorded more than once", f"number {number}: {sorted(found)}")
            if number not in sent:
                add("recorded, but never sent", f"number {number}: {sorted(found)}")
        submissions = collections.Counter()
        for (submission, number), nths in self._nths.items():
            submissions[submission] += 1
            if len(nths) != FIGURES:
                add(
                    "a submission is not complete",
                    f"{submission}, number {number}: {len(nths)} figures",
                )
        if mixed := [submission for submission, numbers in submissions.items() if numbers > 1]:
            add("a submission has figures of several submissions", f"{mixed[:3]}")
        times = [
            (revision, datetime.fromisoformat(moment))
            for revision, moment in sorted(self._times.items())
        ]
        for (before, earlier), (after, later) in itertools.pairwise(times):
            if later < earlier:
                add(
                    "recorded_at decreases while the revision grows",
                    f"{before} {earlier}, {after} {later}",
                )

    @property
    def submissions(self):
        """Returns the number of recorded submissions."""
        return len(self._nths)


def check_answered(book, instances, faults):
    """Checks that these instances give everything confirmed so far as history; returns the number
    of recorded submissions."""
    with book.lock:
        answered = dict(book.answered)
    recorded = Recorded(book, faults)
    for nth, unit in enumerate(book.units()):
        client = Client(instances[nth % len(instances)])
        for row in client.pages(
            f"/api/v1/observations?history=true&unit={unit}&limit=10000", "observations"
        ):
            recorded.take(row)
        client.close()
    with book.lock:
        sent = set(book.sent)
    recorded.judge(answered, sent)
    return recorded.submissions


def ledger_of(instance):
    """Returns (revision, hash, digest, figures) of the state in the memory of an instance."""
    told = Client(instance).read("/api/v1/ledger?digest=true", 60)
    return told["revision"], told["hash"], told["digest"], told["figures"]


def check_revisions(instance, newest, faults):
    """Checks that revisions are numbered 1, 2, 3, ... up to the newest."""
    expected = 1
    for entry in Client(instance).pages("/api/v1/revisions?after=0&limit=1000", "revisions"):
        if entry["revision"] != expected:
            faults.add(
                "revisions have a gap or are out of order",
                f"{entry['revision']} where {expected} was expected",
            )
            return
        expected += 1
    if expected - 1 != newest:
        faults.add(
            "the list of revisions does not end with the newest",
            f"{expected - 1}, the newest is {newest}",
        )


def check_same(instances, faults, seconds=30):
    """Checks that the running instances reach the same revision and state. The last instance has
    just built its state from the ledger."""
    deadline = time.monotonic() + seconds
    while True:
        told = [ledger_of(instance) for instance in instances]
        if len({ledger[0] for ledger in told}) == 1 or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    if len(set(told)) != 1:
        held = [
            f"{instance.name} {ledger}" for instance, ledger in zip(instances, told, strict=True)
        ]
        faults.add("instances have different states", "; ".join(held))
    return told[-1][0]


def check_verify(database, faults, seconds=60):
    """Checks that `egov-kpi verify` finds no error."""
    try:
        done = subprocess.run(
            [binary(), "verify", "--database", database],
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            env=environment(),
        )
    except subprocess.TimeoutExpired:
        faults.add(f"verify took more than {seconds} s")
        return
    if done.returncode != 0:
        faults.add(
            f"verify ended with code {done.returncode}", (done.stdout + done.stderr).strip()[-600:]
        )


def final_check(book, instances, database, folder, faults, old=False):
    """Checks that the ledger agrees with the record exactly, and that all instances and a new one
    have the same state. Returns a summary."""
    try:
        return _final_check(book, instances, database, folder, faults, old)
    except Fault as fault:
        faults.add(str(fault))
        return "the final check did not finish"


def _final_check(book, instances, database, folder, faults, old):
    for instance in instances:
        instance.wait_ready(30)
    fresh = Instance("fresh", database, folder, faults).start().wait_ready(60)
    together = [*instances, fresh]
    if old:
        checked = "without revisions, digest and verify (--old)"
    else:
        newest = check_same(together, faults)
        check_revisions(fresh, newest, faults)
        checked = f"{newest} revisions"
    submissions = check_answered(book, together, faults)
    if not old:
        check_verify(database, faults)
    fresh.stop()
    for instance in together:
        instance.check_log()
    return f"{submissions} submissions recorded, {checked}"
