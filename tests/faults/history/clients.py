"""Clients of the instances for tests whose responses are checked afterwards (checker.py): they
write and read a few registers with all kinds of requests and record every response."""

import contextlib
import json
import math
import random
import subprocess
import threading
import time
import urllib.parse
from datetime import UTC, datetime

from checker import Read, Write
from common import Fault, Lost, Refused, binary, environment, until
from registry import Caller

UNITS, FLOWS = (
    [f"h{n}" for n in range(4)],
    ["ioffice.documents.outgoing", "ioffice.documents.signed"],
)
MONTHS = ["2024-01", "2024-02"]


def registers(unit):
    """Returns all registers of a unit."""
    return [(unit, flow, month) for flow in FLOWS for month in MONTHS]


def made_key(database):
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
        database,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
    if done.returncode:
        raise Fault(f"cannot create a key: {done.stderr[-300:]}")
    return done.stdout.strip()


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

    def prepare(self):
        """Adds the units and waits until both instances know them."""
        callers = self.callers()
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
