"""Two instances with one PostgreSQL under kills, pauses, broken connections, a wrong clock and
failovers to an older copy. All responses to clients are recorded and checked afterwards
(checker.py).

    python3 -B tests/faults/history --seconds 45              short
    python3 -B tests/faults/history --seconds 600             at length
    python3 -B tests/faults/history --no-hashes --no-clocks   for an old program without
                                                              `revision_hash`, or without one
                                                              clock for all instances
    python3 -m unittest discover -s tests/faults/history      tests of the checker

Each instance connects to PostgreSQL through a proxy (proxy.py). The clock of instance b is 30 s
ahead (libfaketime, installed when it is missing). A failover to an older copy: PostgreSQL is killed
and its folder copied; later it is killed again and the folder replaced by the copy. At the end the
replaced folder is started once more, which shows the revisions that the database lost. Prints one
line; exit code 0, or 1 with the faults."""

import argparse
import contextlib
import itertools
import json
import math
import os
import random
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.parse
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [
    str(HERE),
    str(HERE.parent),
    str(HERE.parent / "attacks"),
    str(HERE.parents[1] / "postgres"),
]

from checker import NOTICE, Branch, History, Judge, Read, Write
from cluster import children_of
from common import (
    HOST,
    Fault,
    Faults,
    Keeper,
    Lost,
    Refused,
    add_options,
    at_end,
    begin,
    binary,
    environment,
    guarded,
    own_cluster,
    report,
    until,
    work_folder,
)
from registry import Caller, Served

UNITS, FLOWS = (
    [f"h{n}" for n in range(4)],
    ["ioffice.documents.outgoing", "ioffice.documents.signed"],
)
MONTHS = ["2024-01", "2024-02"]
WRITERS, READERS = 4, 4
SKEW = 30  # seconds by which the clock of instance b is ahead
LOST = re.compile(r"lost|gone|another history|other history|rolled back|no longer", re.IGNORECASE)
FAKETIME = "/usr/lib/*/faketime/libfaketime.so.1"


def registers(unit):
    """Returns all registers of a unit."""
    return [(unit, flow, month) for flow in FLOWS for month in MONTHS]


def faketime():
    """Returns the library that changes a clock; installs it when it is missing."""
    for _ in range(2):
        if found := sorted(Path("/").glob(FAKETIME[1:])):
            return str(found[0])
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "libfaketime"]
        subprocess.run(
            command,
            check=False,
            capture_output=True,
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
        )
    raise Fault("libfaketime is missing and cannot be installed")


class Proxy:
    """The connections between the instances and PostgreSQL."""

    def __init__(self, target, names):
        command = [sys.executable, "-B", str(HERE / "proxy.py"), str(target), *names]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        at_end(self._process.kill)
        self.ports = {name: int(self._process.stdout.readline()) for name in names}

    def tell(self, *words):
        """Sends a command to the proxy."""
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()


class Disturbances:
    """The times of disturbances of each instance, including pauses of this machine itself."""

    def __init__(self):
        self._lock, self.all, self.ending = threading.Lock(), [], threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    @contextlib.contextmanager
    def during(self, who, settle=3.0):
        """Marks a disturbance of an instance, or of all, which ends some seconds after the
        block."""
        entry = [time.monotonic(), math.inf, who]
        with self._lock:
            self.all.append(entry)
        try:
            yield
        finally:
            entry[1] = time.monotonic() + settle

    def touched(self, since):
        """Whether there was a disturbance since a time."""
        with self._lock:
            return any(ended > since for _, ended, _ in self.all)

    def _watch(self):
        while not self.ending.is_set():
            began = time.monotonic()
            time.sleep(0.05)
            if (now := time.monotonic()) - began > 0.4:
                with self._lock:
                    self.all.append([began, now + 1, None])


class Recorder:
    """The records of all clients."""

    def __init__(self):
        self.lock, self.writes, self.reads = threading.Lock(), [], []
        self._next, self.first = 0, 1  # the first revision that has the units
        self.began = 0.0  # when its response arrived, in seconds since 1970
        # instance -> (revision, hash) of its newest response, for min_revision and as_of
        self.newest = {}
        self.ending = threading.Event()

    def value(self):
        """Returns a value that was not sent before."""
        with self.lock:
            self._next += 1
            return self._next

    def saw(self, instance, revision, hash_):
        """Records a revision that an instance has shown."""
        with self.lock:
            self.newest[instance] = (revision, hash_)

    def some(self, dice):
        """Returns a revision that one of the instances has shown."""
        with self.lock:
            return dice.choice(list(self.newest.values())) if self.newest else None


class Subject:
    """The clients of both instances; all use the same key."""

    def __init__(self, options, instances, key, recorder, faults):
        self.hashes, self.clocks = not options.no_hashes, not options.no_clocks
        self.instances, self._key, self.recorder, self.faults = instances, key, recorder, faults

    def callers(self):
        """One connection to each instance, for one thread."""
        return [Caller(instance, self._key, timeout=20) for instance in self.instances]

    def write(self, caller, dice, retried):
        """Posts one to three figures of a unit. With an Idempotency-Key it is sent to any instance
        until there is a response."""
        chosen = dice.sample(registers(dice.choice(UNITS)), dice.choice([1, 2, 3]))
        values = {register: self.recorder.value() for register in chosen}
        figures = [
            {"indicator": flow, "unit": unit, "period": month, "value": value}
            for (unit, flow, month), value in values.items()
        ]
        body = json.dumps({"observations": figures})
        headers = {"Idempotency-Key": f"h-{min(values.values())}"} if retried else {}
        callers, note = caller if isinstance(caller, list) else [caller], None
        began = time.monotonic()
        while not self.recorder.ending.is_set() or note is None:
            asked = dice.choice(callers)
            instance = asked._client.instance.name
            note = Write(instance, began, math.inf, values)
            with contextlib.suppress(Refused, Lost):
                reply = asked.post("/api/v1/observations", body, headers)
                note.status, note.end = reply.status, time.monotonic()
                if reply.status in (200, 201):
                    self._receipt(note, json.loads(reply.body))
                elif reply.status != 503:
                    self.faults.add(
                        f"response {reply.status} to a write",
                        reply.body[:300].decode(errors="replace"),
                    )
            if note.status not in (None, 503) or not retried:
                break
            time.sleep(dice.uniform(0.05, 0.2))
        with self.recorder.lock:
            self.recorder.writes.append(note)
        return note

    def _receipt(self, note, receipt):
        note.revision, note.hash, note.submission = (
            receipt["revision"],
            receipt.get("revision_hash"),
            receipt["submission"],
        )
        if receipt.get("recorded_at"):  # by the clock of this test
            note.recorded_at = (
                datetime.fromisoformat(receipt["recorded_at"]).timestamp()
                - time.time()
                + time.monotonic()
            )
        self.recorder.saw(note.instance, note.revision, note.hash)

    def ask(self, caller, unit, kind="", *, at=None, as_of=None, as_of_time=None, tags=None):
        """Reads all registers of a unit, as figures or as series. `at` and `as_of` are (revision,
        hash)."""
        series = kind == "series"
        query = {"unit": unit, "from": MONTHS[0], "to": MONTHS[-1]}
        query |= {"measure": FLOWS} if series else {"limit": 100}
        note = Read(caller._client.instance.name, 0, math.inf)
        if at:
            note.at, note.at_hash = at
            query["min_revision"] = self._named(at)
        if as_of:
            note.as_of, note.as_of_hash = as_of
            query["as_of"] = self._named(as_of)
        if as_of_time:
            note.as_of_time = query["as_of"] = as_of_time
        path = "/api/v1/" + ("series" if series else "observations")
        note.question = path + "?" + urllib.parse.urlencode(query, doseq=True)
        before = tags.get(note.question) if tags is not None else None
        note.begin = time.monotonic()
        with contextlib.suppress(Refused, Lost):
            reply = caller.get(note.question, {"If-None-Match": before[0]} if before else None)
            note.status, note.end = reply.status, time.monotonic()
            if reply.status == 304 and before:
                note.status, note.not_modified = 200, True
                _, note.revision, note.hash, note.values = before
            elif reply.status == 200:
                self._answer(note, json.loads(reply.body), unit, series)
                if tags is not None and reply.headers.get("etag"):
                    tags[note.question] = (
                        reply.headers["etag"],
                        note.revision,
                        note.hash,
                        note.values,
                    )
            elif reply.status not in (409, 422, 503):
                self.faults.add(
                    f"response {reply.status} to a read", f"{note.question}: {reply.body[:200]!r}"
                )
        with self.recorder.lock:
            self.recorder.reads.append(note)
        return note

    def _named(self, revision):
        number, hash_ = revision
        return f"{number}-{hash_}" if hash_ else str(number)

    def _answer(self, note, answer, unit, series):
        note.revision, note.hash = answer["revision"], answer.get("revision_hash")
        note.values = dict.fromkeys(registers(unit))
        if series:
            for line in answer["series"]:
                for point in line["points"]:
                    if (
                        register := (unit, line["measure"], point["period"])
                    ) in note.values and point["value"] is not None:
                        note.values[register] = int(point["value"])
        else:
            for row in answer["observations"]:
                note.values[row["unit"], row["indicator"], row["period"]] = row["value"]
        if not note.of_the_past:
            self.recorder.saw(note.instance, note.revision, note.hash)

    # -- the threads

    def writer(self, seed):
        """Writes until the end."""
        dice, callers = random.Random(seed), self.callers()
        while not self.recorder.ending.is_set():
            retried = dice.random() < 0.5
            self.write(callers if retried else dice.choice(callers), dice, retried)
            self.recorder.ending.wait(dice.uniform(0.1, 0.4))

    def reader(self, seed):
        """Reads until the end, with all kinds of requests."""
        dice, callers, tags = random.Random(seed), self.callers(), [{}, {}]
        while not self.recorder.ending.is_set():
            which = dice.randrange(2)
            caller, unit, kind = (
                callers[which],
                dice.choice(UNITS),
                dice.choice(["series", "observations"]),
            )
            known, chance = self.recorder.some(dice), dice.random()
            if known and chance < 0.25:
                self.ask(
                    caller, unit, kind, at=(known[0], known[1] if dice.random() < 0.5 else None)
                )
            elif known and chance < 0.4:
                back = dice.choice([0, 0, 1, 5])
                self.ask(
                    caller,
                    unit,
                    kind,
                    as_of=(known[0], known[1])
                    if back == 0
                    else (max(self.recorder.first, known[0] - back), None),
                )
            elif self.clocks and chance < 0.5:
                # Only times after the units were added: before them the correct response is 404.
                moment = datetime.fromtimestamp(
                    max(self.recorder.began, time.time() - dice.uniform(0, 3)), UTC
                )
                self.ask(caller, unit, kind, as_of_time=moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
            else:
                self.ask(caller, unit, kind, tags=tags[which] if dice.random() < 0.5 else None)
            self.recorder.ending.wait(dice.uniform(0.02, 0.1))


class Nemesis:
    """Causes one disturbance after the other."""

    KINDS = ("kill", "pause", "reset", "cut", "delay", "server kill", "server pause", "quiet")

    def __init__(self, cluster, instances, proxy, seed, failovers):
        self.cluster, self.instances, self.proxy, self.failovers = (
            cluster,
            instances,
            proxy,
            failovers,
        )
        self.dice, self.broken = random.Random(f"nemesis {seed}"), Disturbances()
        self.done, self.lives = (
            {},
            [[time.monotonic(), math.inf, None]],
        )  # since, until and folder of each history of the database
        self.copy, self.deadline = cluster.folder / "copy", 0.0
        ways = (
            self.kill,
            self.pause,
            self.reset,
            self.cut,
            self.delay,
            self.server_kill,
            self.server_pause,
            self.quiet,
        )
        self.breaks = {
            way.__name__.replace("_", " "): way for way in (*ways, self.take_copy, self.put_back)
        }

    def run(self, seconds):
        """Runs until the time is up. A short run has each disturbance once; a longer one puts the
        database back about every minute."""
        self.deadline, bag = time.monotonic() + seconds, []
        while time.monotonic() < self.deadline:
            if not bag:
                bag = list(self.KINDS)
                self.dice.shuffle(bag)
                if not self.failovers:
                    continue
                third = len(bag) // 3
                bag[third:third], bag[-1:-1] = (
                    ["put back"],
                    ["take copy"],
                )  # used from the end: first the copy, later putting it back
            kind = bag.pop()
            self.done[kind] = self.done.get(kind, 0) + 1
            self.breaks[kind]()
            time.sleep(self.dice.uniform(0.2, 1.0))

    def some(self):
        """Returns one of the instances."""
        return self.dice.choice(self.instances)

    def quiet(self):
        """Waits some seconds without a disturbance; staleness is checked only in such times."""
        time.sleep(min(8, max(0.0, self.deadline - time.monotonic())))

    def kill(self):
        """Kills an instance with SIGKILL; the keeper restarts it."""
        victim = self.some()
        with self.broken.during(victim.name, settle=4):
            victim.kill()
            until(victim.ready, 40, "the killed instance is not ready again")

    def pause(self):
        """Stops an instance for some seconds (SIGSTOP)."""
        victim = self.some()
        with self.broken.during(victim.name), contextlib.suppress(ProcessLookupError):
            pid = victim.process.pid
            os.kill(pid, 19)
            time.sleep(self.dice.uniform(0.5, 3))
            os.kill(pid, 18)

    def reset(self):
        """Resets all connections between an instance and the database."""
        victim = self.some().name
        with self.broken.during(victim):
            self.proxy.tell(victim, "reset")

    def cut(self):
        """Interrupts the traffic between an instance and the database."""
        victim = self.some().name
        with self.broken.during(victim):
            self.proxy.tell(victim, "cut")
            time.sleep(self.dice.uniform(0.5, 4))
            if self.dice.random() < 0.5:
                self.proxy.tell(victim, "reset")
            self.proxy.tell(victim, "heal")

    def delay(self):
        """Delays the traffic between an instance and the database."""
        victim = self.some().name
        with self.broken.during(victim):
            self.proxy.tell(victim, "delay", self.dice.uniform(0.02, 0.2))
            time.sleep(self.dice.uniform(1, 3))
            self.proxy.tell(victim, "heal")

    def server_kill(self):
        """Kills PostgreSQL with SIGKILL and restarts it."""
        with self.broken.during(None):
            self.cluster.kill9()
            time.sleep(self.dice.uniform(0, 1))
            self.cluster.start()

    def server_pause(self):
        """Stops PostgreSQL for some seconds (SIGSTOP)."""
        with self.broken.during(None):
            all_of_it = [self.cluster.pid, *children_of(self.cluster.pid)]
            for signal in (19, 18):
                for pid in all_of_it:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal)
                if signal == 19:
                    time.sleep(self.dice.uniform(0.5, 3))

    def take_copy(self):
        """Copies the folder of PostgreSQL while the server is down."""
        with self.broken.during(None):
            self.cluster.kill9()
            shutil.rmtree(self.copy, ignore_errors=True)
            subprocess.run(["cp", "-a", self.cluster.data, self.copy], check=True)
            (self.copy / "postmaster.pid").unlink(missing_ok=True)
            self.cluster.start()

    def put_back(self):
        """Kills PostgreSQL and restarts it with the older copy, which lacks confirmed revisions."""
        if not self.copy.exists():
            self.take_copy()
        time.sleep(self.dice.uniform(1, 3))
        with self.broken.during(None, settle=NOTICE):
            self.cluster.kill9()
            self.lives[-1][1] = time.monotonic()
            gone = self.cluster.folder.parent / f"lost{len(self.lives)}"
            gone.mkdir(mode=0o755)
            os.chown(gone, *self.cluster.owner)
            shutil.move(self.cluster.data, gone / "data")
            self.lives[-1][2] = gone
            subprocess.run(["cp", "-a", self.copy, self.cluster.data], check=True)
            self.lives.append([time.monotonic(), math.inf, None])
            self.cluster.start()


def ledger_of(served, key):
    """Reads the ledger through an instance: (revision -> hash, rows, revision -> seconds)."""
    caller, hashes, recorded, rows = Caller(served, key, timeout=60), {}, {}, []
    for path, field in (
        ("/api/v1/revisions?limit=1000", "revisions"),
        ("/api/v1/observations?history=true&limit=10000", "observations"),
    ):
        cursor = ""
        while cursor is not None:
            reply = caller.get(path + (f"&cursor={urllib.parse.quote(cursor)}" if cursor else ""))
            if reply.status != 200:
                raise Fault(
                    f"{path} at {served.name}: response {reply.status}: {reply.body[:200]!r}"
                )
            page = json.loads(reply.body)
            for row in page[field]:
                if field == "revisions":
                    hashes[row["revision"]] = row["hash"]
                    recorded[row["revision"]] = datetime.fromisoformat(
                        row["recorded_at"]
                    ).timestamp()
                elif row["unit"] in UNITS:
                    rows.append(
                        (
                            (row["unit"], row["indicator"], row["period"]),
                            row["revision"],
                            row["value"],
                            row["submission"],
                        )
                    )
            cursor = page["next_cursor"]
    return hashes, rows, recorded


class Run:
    """One run from the start to the result."""

    def __init__(self, options):
        self.options, self.faults, self.folder = options, Faults(), work_folder(options.keep)
        # fsync is not needed: killing PostgreSQL loses nothing that the operating system already
        # has.
        self.cluster = own_cluster(
            self.folder / "postgresql", options.keep, settings={"fsync": "off"}
        ).start()
        self.direct = self.cluster.create_database("ledger")
        self.proxy = Proxy(self.cluster.port, ["a", "b"])
        self.key = self.made_key()
        skew = (
            {}
            if options.no_clocks
            else {
                "LD_PRELOAD": faketime(),
                "FAKETIME": f"+{SKEW}s",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }
        )
        self.instances = [self.instance("a", {}), self.instance("b", skew)]
        self.recorder = Recorder()
        self.subject = Subject(options, self.instances, self.key, self.recorder, self.faults)

    def made_key(self):
        """Creates the key of an admin."""
        command = [
            binary(),
            "keys",
            "add",
            "--name",
            "test",
            "--role",
            "admin",
            "--database",
            self.direct,
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment()
        )
        if done.returncode:
            raise Fault(f"cannot create a key: {done.stderr[-300:]}")
        return done.stdout.strip()

    def instance(self, name, env):
        """Starts one instance behind its proxy and waits until it is ready."""
        url = f"postgres://postgres@{HOST}:{self.proxy.ports[name]}/ledger"
        return (
            Served(
                name, url, self.folder, self.faults, "--rate-limit", "off", "--log", "warn", env=env
            )
            .start()
            .wait_ready(60)
        )

    def prepare(self):
        """Adds the units and waits until both instances know them."""
        callers = self.subject.callers()
        units = [
            {"code": unit, "kind": "agency", "name": {"vi": unit, "en": unit}, "parent": None}
            for unit in UNITS
        ]
        reply = callers[0].send(
            "PUT",
            "/api/v1/units",
            json.dumps({"units": units}).encode(),
            {"content-type": "application/json"},
        )
        if reply.status not in (200, 201):
            raise Fault(f"PUT /api/v1/units: response {reply.status}: {reply.body[:300]!r}")
        self.recorder.first, self.recorder.began = json.loads(reply.body)["revision"], time.time()
        until(
            lambda: all(
                all(caller.get("/api/v1/units", code=unit).status == 200 for unit in UNITS)
                for caller in callers
            ),
            10,
            "units known",
        )
        time.sleep(2)

    def run(self):
        """Runs everything; returns the exit code."""
        self.prepare()
        nemesis = Nemesis(
            self.cluster,
            self.instances,
            self.proxy,
            self.options.seed,
            not self.options.no_failovers,
        )
        keeper = Keeper(
            self.instances,
            self.faults,
            lambda since: nemesis.broken.touched(since - 1),
            self.options.seed,
        )
        calls = [*((self.subject.writer, f"w{self.options.seed}/{n}") for n in range(WRITERS))]
        calls += [(self.subject.reader, f"r{self.options.seed}/{n}") for n in range(READERS)]
        threads = [threading.Thread(target=self.guarded, args=call, daemon=True) for call in calls]
        for thread in threads:
            thread.start()
        try:
            nemesis.run(self.options.seconds)
            time.sleep(4)
        finally:
            self.recorder.ending.set()
        for thread in threads:
            thread.join(40)
        nemesis.broken.ending.set()
        self.finish(nemesis)
        keeper.stop()
        for instance in self.instances:
            instance.check_log()
        return self.judge(nemesis)

    def guarded(self, call, seed):
        """Starts a thread whose own errors are reported as faults."""
        try:
            call(seed)
        except Exception as error:
            self.faults.add(f"a client ended: {type(error).__name__}", str(error))

    def finish(self, nemesis):
        """Ends all disturbances. Then both instances must accept writes, repeat responses about the
        past, and report lost revisions."""
        dice, callers = random.Random(self.options.seed), self.subject.callers()
        for instance, caller in zip(self.instances, callers, strict=True):
            deadline = time.monotonic() + 30
            while self.subject.write(caller, dice, retried=False).status not in (200, 201):
                if time.monotonic() > deadline:
                    self.faults.add(
                        (
                            "an instance accepts no write within 30 s after the end of all "
                            "disturbances"
                        ),
                        instance.name,
                    )
                    break
                time.sleep(0.2)
        time.sleep(2.5)
        self.ask_again(callers, dice)
        self.ask_of_the_lost(callers, nemesis)

    def ask_again(self, callers, dice):
        """Repeats the requests about the past at both instances."""
        past = {
            read.question: read
            for read in self.recorder.reads
            if read.status == 200 and read.of_the_past
        }
        chosen = dice.sample(list(past.values()), min(len(past), 30 + self.options.seconds))

        until_then = time.monotonic() + 10 + self.options.seconds / 10

        def ask_all(caller):
            for read in chosen:
                if time.monotonic() > until_then:
                    return
                unit = next(iter(read.values))[0]
                kind = "series" if "/series?" in read.question else "observations"
                as_of = (read.as_of, read.as_of_hash) if read.as_of is not None else None
                self.subject.ask(caller, unit, kind, as_of=as_of, as_of_time=read.as_of_time)

        threads = [threading.Thread(target=ask_all, args=(caller,)) for caller in callers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def ask_of_the_lost(self, callers, nemesis):
        """Names the last revision of a lost database at both instances, which must respond with
        409."""
        if not self.subject.hashes:
            return
        for since, killed, gone in nemesis.lives:
            if gone is None:
                continue
            answered = [
                write
                for write in self.recorder.writes
                if write.hash and since <= write.end <= killed
            ]
            if answered:
                last = max(answered, key=lambda write: write.revision)
                for caller in callers:
                    self.subject.ask(caller, UNITS[0], at=(last.revision, last.hash))
                    self.subject.ask(caller, UNITS[0], as_of=(last.revision, last.hash))

    def branches(self, nemesis):
        """Reads the ledger and, after starting them once more, each lost database."""
        found = []
        for since, killed, gone in nemesis.lives:
            served, cluster = self.instances[0], None
            if gone is not None:
                cluster = own_cluster(gone, self.options.keep, settings={"fsync": "off"})
                (gone / "made").write_text("copied\n")
                (gone / "data" / "postmaster.pid").unlink(missing_ok=True)
                cluster.start()
                served = (
                    Served(
                        gone.name,
                        cluster.url("ledger"),
                        self.folder,
                        self.faults,
                        "--rate-limit",
                        "off",
                    )
                    .start()
                    .wait_ready(60)
                )
            found.append(Branch(since, killed, *ledger_of(served, self.key)))
            if cluster:
                served.kill()
                cluster.stop("immediate")
        return found

    def judge(self, nemesis):
        """Checks the record and prints the line."""
        branches = self.branches(nemesis)
        told = 0
        for before, after in itertools.pairwise(branches):
            lost = [
                revision
                for revision, hash_ in before.hashes.items()
                if after.hashes.get(revision) != hash_
            ]
            told += len(lost)
        history = History(
            branches,
            self.recorder.writes,
            self.recorder.reads,
            nemesis.broken.all,
            self.subject.hashes,
            self.subject.clocks,
        )
        judge = Judge(history)
        for rule, example in judge.run():
            self.faults.add(rule, example)
        if (
            self.subject.hashes
            and told
            and not any(LOST.search(line) and "revision" in line for line in self.logs())
        ):
            self.faults.add("no instance logs that revisions are lost", f"{told} revisions were")
        self.verify()
        answered = judge.counts["writes answered"]
        if answered < self.options.seconds:
            self.faults.add(f"too few writes for a result: {answered} confirmed")
        if self.options.keep:
            lines = [
                json.dumps(
                    {"type": type(note).__name__} | vars(note) | {"values": str(note.values)}
                )
                for note in history.writes + history.reads
            ]
            (self.folder / "history.jsonl").write_text("\n".join(lines))
        counts = ", ".join(f"{count} {what}" for what, count in sorted(judge.counts.items()))
        faults = ", ".join(f"{kind} {count}" for kind, count in sorted(nemesis.done.items()))
        return (
            f"history {self.options.seconds} s, seed {self.options.seed}: {faults}; {counts};"
            f" {told} revisions lost by the database in {len(branches) - 1} failovers"
        )

    def logs(self):
        """Returns all log lines of the instances."""
        return [line for instance in self.instances for line in instance.log().splitlines()]

    def verify(self):
        """Checks the ledger with `egov-kpi verify`."""
        done = subprocess.run(
            [binary(), "verify", "--database", self.direct],
            capture_output=True,
            text=True,
            check=False,
            env=environment(),
        )
        if done.returncode:
            self.faults.add("verify finds errors", (done.stdout + done.stderr)[-300:])


def main():
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=45)
    parser.add_argument(
        "--no-hashes", action="store_true", help="for a program without revision_hash"
    )
    parser.add_argument(
        "--no-clocks",
        action="store_true",
        help="for a program without one clock for all instances: no clock is changed",
    )
    parser.add_argument(
        "--no-failovers",
        action="store_true",
        help="never put the database back to an older copy",
    )
    add_options(parser)
    options = parser.parse_args()
    begin(options.seconds * 2 + 240)
    run = Run(options)
    return report(run.run(), run.faults)


if __name__ == "__main__":
    guarded(main)
