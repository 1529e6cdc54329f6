"""The ledger goes back to an older state: it is restored from a backup, fails over to a copy
without confirmed revisions, or is replaced under a running service. Clients that refer to lost
revisions are informed, and no instance continues to use those revisions.

A revision is named by number and hash, N-HASH: after the ledger went back, numbers are used
again."""

import json
import random
import re
import shutil
import sqlite3
import subprocess
import time

from common import Fault, Lost, Refused, own_cluster
from registry import Caller, attack
from sample import MONTH, OUTGOING, UNIT, expect, figure, fill

KIND = "restore and failover"
NOTICE = 5.0  # seconds within which a running instance notices
QUESTION = f"/api/v1/observations?indicator={OUTGOING}&unit={UNIT}&from={MONTH}&to={MONTH}"
LOST = re.compile(r"lost|gone|another history|other history|rolled back|no longer", re.IGNORECASE)


def post(caller, value, **headers):
    """Records a figure; returns the receipt."""
    return expect(
        caller.post(
            "/api/v1/observations",
            figure(value),
            {name.replace("_", "-"): text for name, text in headers.items()},
        ),
        200,
        201,
    )


def shown(caller):
    """Returns the current figure and the reply."""
    reply = caller.get(QUESTION)
    rows = expect(reply, 200)["observations"]
    return (rows[0]["value"] if rows else None), reply


def answered(caller, path, headers=None):
    """Sends a GET, and again after 503 for some seconds; returns the reply."""
    deadline = time.monotonic() + NOTICE
    while (reply := caller.get(path, headers)).status == 503 and time.monotonic() < deadline:
        time.sleep(0.1)
    return reply


def eventually(call, seconds=NOTICE):
    """Whether `call()` becomes true within a time; a request without a response counts as false."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if call():
                return True
        except (Fault, Lost, Refused):
            pass
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)


def named(place, receipt):
    """Returns N-HASH of a receipt; N, and adds a fault, when it has no hash."""
    if place.check(receipt.get("revision_hash"), "a receipt has no revision_hash"):
        return f"{receipt['revision']}-{receipt['revision_hash']}"
    return str(receipt["revision"])


def check_told(place, caller, receipt, who):
    """Checks that requests get 409 when they name a lost revision whose number was used again."""
    name = named(place, receipt)
    for parameter in ("min_revision", "as_of"):
        reply = answered(caller, QUESTION + f"&{parameter}={name}")
        place.check(
            reply.status == 409,
            f"{parameter}=N-HASH of a lost revision does not get 409 from {who}",
            f"{reply.status} {reply.body[:150]!r}",
        )
        if reply.status == 409:
            told = reply.body.decode()
            place.check(
                str(receipt["revision"]) in told, "the 409 does not name the revision", told[:200]
            )


def last_page(caller):
    """Returns a cursor of a long list in its current state."""
    return expect(caller.get("/api/v1/observations", limit=2), 200)["next_cursor"]


@attack(KIND)
def restored_from_a_backup(place):
    """Tags, cursors, revisions and idempotency keys from before a restore do not give wrong
    results."""
    database, backup = place.sqlite(), place.folder / "backup.db"
    key = fill(place, database)
    served = place.serve(database)
    post(Caller(served, key), 1)
    done = place.run("backup", backup, "--database", database)
    if done.returncode:
        raise Fault(f"backup ended with {done.returncode}: {done.stderr[-300:]}")
    caller = Caller(served, key)
    receipt = post(caller, 444, idempotency_key="kept-by-the-client")
    _, reply = shown(caller)
    tag, cursor = reply.headers["etag"], last_page(caller)
    served.stop()
    for ending in ("", "-wal", "-shm"):
        (place.folder / f"ledger.db{ending}").unlink(missing_ok=True)
    shutil.copyfile(backup, place.folder / "ledger.db")
    caller = Caller(served.start().wait_ready(), key)
    again = post(caller, 555)
    place.check(
        again["revision"] == receipt["revision"],
        "the test did not reach the same revision number again",
        f"{receipt['revision']} {again['revision']}",
    )
    reply = answered(caller, QUESTION, {"If-None-Match": tag})
    place.check(
        reply.status == 200,
        "a tag from before the restore matches the present state",
        reply.status,
    )
    reply = caller.get(QUESTION, {"If-Match": tag})
    place.check(
        reply.status == 412,
        "If-Match with a tag from before the restore does not get 412",
        reply.status,
    )
    check_told(place, caller, receipt, "the restored service")
    reply = caller.get("/api/v1/observations", limit=2, cursor=cursor)
    place.check(
        reply.status == 409, "a cursor from before the restore does not get 409", reply.status
    )
    retried = post(caller, 444, idempotency_key="kept-by-the-client")
    value, _ = shown(caller)
    place.check(
        (retried["submission"] is not None, value) == (True, 444),
        "a submission that the restore removed is not recorded when repeated",
        f"{retried} {value}",
    )
    same = caller.get(QUESTION + f"&min_revision={named(place, retried)}")
    place.check(
        same.status == 200,
        "min_revision=N-HASH of an existing revision is refused",
        same.status,
    )


class Rolled:
    """A running instance whose ledger can be put back."""

    def __init__(self, place, database, key, served, dice):
        self.place, self.database, self.key, self.served, self.dice = (
            place,
            database,
            key,
            served,
            dice,
        )
        self.value = 1000

    def posts(self, caller, count):
        """Records figures; returns the receipts."""
        receipts = []
        for _ in range(count):
            self.value += 1
            receipts.append(post(caller, self.value))
        return receipts

    def round(self, save, put_back):
        """Runs one round: figures, a copy, figures that will be lost, the copy put in place, and
        optionally figures at another instance. Then the running instance must show the state of the
        ledger, accept and record figures, and refuse lost revisions."""
        place, dice, logged = self.place, self.dice, len(self.served.log())
        caller = Caller(self.served, self.key)
        self.posts(caller, dice.randrange(1, 3))
        save()
        kept = self.value
        lost = self.posts(caller, dice.randrange(1, 5))
        _, reply = shown(caller)
        tag, gone = reply.headers["etag"], self.value
        time.sleep(dice.choice([0, 0, 0.3]))
        put_back()
        other = place.serve(self.database, name="other")
        between = Caller(other, self.key)
        self.posts(between, dice.choice([0, 1, len(lost), len(lost) + 1]))
        truth = kept if self.value == gone else self.value
        caller = Caller(self.served, self.key, timeout=10)
        if not place.check(
            eventually(lambda: shown(caller)[0] == truth),
            f"a running instance does not show the state of the ledger after {NOTICE} s",
            truth,
        ):
            other.kill()
            return False
        reply = answered(caller, QUESTION, {"If-None-Match": tag})
        place.check(reply.status != 304, "a tag of a lost revision matches the present state")
        place.check(
            reply.status in (200, 304),
            f"response {reply.status} to a read after the ledger was put back",
            reply.body[:200],
        )
        # The lost value is sent again: it is new to the ledger.
        receipts = []
        self.value = gone - 1

        def recorded():
            receipts.append(self.posts(caller, 1)[0])
            return True

        place.check(
            eventually(recorded, 15),
            "a running instance accepts no figures after its ledger was put back",
        )
        self.value = max(self.value, truth, gone)
        if receipts:
            place.check(
                receipts[0]["submission"],
                "a lost figure is reported as unchanged",
                receipts[0],
            )
        while receipts and receipts[-1]["revision"] < lost[-1]["revision"]:
            receipts += self.posts(caller, 1)
        want = shown(caller)[0]
        place.check(
            eventually(lambda: shown(between)[0] == want, 3),
            "a confirmed figure is not in the ledger",
            want,
        )
        check_told(place, caller, lost[-1], "the running instance")
        log = self.served.log()[logged:]
        told = [line for line in log.splitlines() if "revision" in line and LOST.search(line)]
        place.check(told, "the log does not say that revisions are lost", log[-300:])
        other.kill()
        return True

    def rounds(self, count, save, put_back):
        """Runs `count` rounds and checks that each was noticed."""
        noticed = 0
        for _ in range(count):
            before = str(self.place.faults)
            if not self.round(save, put_back):
                self.served.kill()  # the next round begins with an instance in the right state
                self.served.start().wait_ready()
            noticed += str(self.place.faults) == before
        self.place.check(noticed == count, "not every round was noticed", f"{noticed} of {count}")
        return f"{noticed} of {count} noticed and reported"


def sqlite_copy(source, target):
    """Copies a ledger page by page in one transaction, as `.restore` of sqlite3 does, also while in
    use."""
    with sqlite3.connect(source, timeout=30) as one, sqlite3.connect(target, timeout=30) as other:
        one.backup(other)
    one.close()
    other.close()


@attack(KIND)
def sqlite_restored_under_a_running_service(place):
    """An older state is written into the file of the ledger while it is in use (`.restore` of
    sqlite3)."""
    database, copy = place.sqlite(), place.folder / "copy.db"
    key = fill(place, database)
    rolled = Rolled(
        place,
        database,
        key,
        place.serve(database, "--rate-limit", "off"),
        random.Random(time.time()),
    )
    file = place.folder / "ledger.db"

    def save():
        copy.unlink(missing_ok=True)
        sqlite_copy(file, copy)

    return rolled.rounds(50 if place.long else 5, save, lambda: sqlite_copy(copy, file))


def check_no_write_into_nowhere(place, served, key, database, value):
    """After the file was removed from its place: a confirmed write is in the file that is there
    now; otherwise the response is 503, and /readyz reports it."""
    caller, receipts, deadline, refused = (
        Caller(served, key, timeout=10),
        [],
        time.monotonic() + NOTICE,
        0,
    )
    while time.monotonic() < deadline and refused < 3:
        value += 1
        try:
            reply = caller.post("/api/v1/observations", figure(value))
        except (Lost, Refused):
            refused += 1
            time.sleep(0.2)
            continue
        if reply.status in (200, 201):
            receipts.append((value, json.loads(reply.body)["submission"]))
        elif place.check(
            reply.status == 503,
            "a write with a missing file does not get 503",
            f"{reply.status} {reply.body[:200]!r}",
        ):
            refused += 1
        time.sleep(0.05)
    ready = True
    if served.alive:
        ready = not eventually(lambda: Caller(served).get("/readyz").status == 503, 3)
    there = set()
    if (place.folder / "ledger.db").exists():
        other = place.serve(database, name="other")
        rows = expect(Caller(other, key).get(QUESTION + "&history=true&limit=1000"), 200)[
            "observations"
        ]
        there = {row["submission"] for row in rows}
        other.kill()
    missing = [value for value, submission in receipts if submission not in there]
    place.check(
        not missing,
        "figures were confirmed although the file was missing",
        f"{len(missing)} of {len(receipts)}",
    )
    place.check(
        refused or not ready,
        "a service without its file neither refuses writes nor reports that it is not ready",
    )
    place.check(
        "gone" in served.log().lower() or "replaced" in served.log().lower(),
        "the log does not say that the file is missing or replaced",
    )


@attack(KIND)
def sqlite_file_replaced_under_a_running_service(place):
    """The file of the ledger is removed, moved, or replaced by another while it is in use."""
    source = place.sqlite("source")
    key = fill(place, source)
    ways = ["rename over", "remove", "move away", "remove and copy"]
    dice, said = random.Random(time.time()), []
    for nth in range(50 if place.long else 5):
        file, copy = place.folder / "ledger.db", place.folder / "copy.db"
        for left in (*place.folder.glob("ledger.db*"), *place.folder.glob("copy.db*")):
            left.unlink()
        shutil.copyfile(place.folder / "source.db", file)
        served = place.serve(place.sqlite(), "--rate-limit", "off", name=f"served{nth}")
        caller, value = Caller(served, key), 2000
        for value in range(2000, 2000 + dice.randrange(1, 4)):
            post(caller, value)
        sqlite_copy(file, copy)
        for value in range(3000, 3000 + dice.randrange(1, 4)):
            post(caller, value)
        way = ways[nth % len(ways)]
        if way == "rename over":
            copy.rename(file)
        elif way == "move away":
            file.rename(place.folder / "moved.db")
        else:
            for ending in ("", "-wal", "-shm"):
                (place.folder / f"ledger.db{ending}").unlink(missing_ok=True)
            if way == "remove and copy":
                shutil.copyfile(copy, file)
        said.append(way)
        check_no_write_into_nowhere(place, served, key, place.sqlite(), value)
        served.kill()
    return ", ".join(said[:4])


class PutBack:
    """A PostgreSQL server whose folder can be copied and put back."""

    def __init__(self, place, name):
        # fsync is not needed: killing the server loses nothing that the operating system already
        # has.
        self.cluster = own_cluster(place.folder / name, False, settings={"fsync": "off"}).start()
        self.database, self._copy = (
            self.cluster.create_database("ledger"),
            place.folder / f"{name}.copy",
        )

    def save(self):
        """Kills the server and copies its folder, so that there are no writes during the copy."""
        self.cluster.kill9()
        shutil.rmtree(self._copy, ignore_errors=True)
        subprocess.run(["cp", "-a", self.cluster.data, self._copy], check=True)
        (self._copy / "postmaster.pid").unlink(missing_ok=True)
        self.cluster.start()

    def put_back(self):
        """Kills the server and restarts it with the copy."""
        self.cluster.kill9()
        shutil.rmtree(self.cluster.data)
        subprocess.run(["cp", "-a", self._copy, self.cluster.data], check=True)
        self.cluster.start()


def settle(served, key):
    """Waits until an instance accepts figures again after its server was restarted."""
    if not eventually(
        lambda: expect(
            Caller(served, key).post("/api/v1/observations?dry_run=true", figure(1)), 200
        ),
        30,
    ):
        raise Fault("an instance accepts no figures 30 s after its database was restarted")


@attack(KIND)
def postgres_put_back_under_a_running_service(place):
    """PostgreSQL is restarted with an older copy of its folder while an instance runs."""
    server = PutBack(place, "postgresql")
    key = fill(place, server.database)
    rolled = Rolled(
        place,
        server.database,
        key,
        place.serve(server.database, "--rate-limit", "off"),
        random.Random(time.time()),
    )

    def save():
        server.save()
        settle(rolled.served, key)

    return rolled.rounds(50 if place.long else 5, save, server.put_back)


@attack(KIND)
def failover_to_a_copy_that_lacks_revisions(place):
    """Two instances run. PostgreSQL is restarted with a copy that lacks confirmed figures, and a
    new instance accepts other figures."""
    server = PutBack(place, "postgresql")
    key = fill(place, server.database)
    old = [place.serve(server.database, name=name) for name in ("first", "second")]
    callers = [Caller(served, key) for served in old]
    post(callers[0], 100)
    server.save()
    for served in old:
        settle(served, key)
    lost = [post(callers[0], value) for value in (201, 202, 203)]
    place.check(
        eventually(lambda: shown(callers[1])[0] == 203),
        "the other instance does not show the figures before the failover",
    )
    tags = [shown(caller)[1].headers["etag"] for caller in callers]
    server.put_back()
    fresh = place.serve(server.database, name="fresh")
    for value in (301, 302, 303):
        post(Caller(fresh, key), value)
    for served, tag in zip(old, tags, strict=True):
        caller, who = Caller(served, key), f"the {served.name} instance"
        place.check(
            eventually(lambda caller=caller: shown(caller)[0] == 303),
            f"{who} still uses figures that the ledger does not have",
        )
        reply = answered(caller, QUESTION, {"If-None-Match": tag})
        place.check(
            reply.status == 200,
            f"{who}: a tag of a lost revision matches the present state",
            reply.status,
        )
        for receipt in lost:
            check_told(place, caller, receipt, who)
        lines = [
            line for line in served.log().splitlines() if "revision" in line and LOST.search(line)
        ]
        place.check(lines, f"{who} does not log which revisions are lost")
    check_told(place, Caller(fresh, key), lost[-1], "a new instance")
    # The last lost value is sent again to an old instance: it is new to this ledger, and then every
    # instance shows it.
    receipts = []

    def recorded():
        receipts.append(post(callers[0], 203))
        return True

    if place.check(eventually(recorded, 15), "an old instance accepts no figures"):
        place.check(
            receipts[0]["submission"],
            "a lost figure is reported as unchanged",
            receipts[0],
        )
        for served in (*old, fresh):
            place.check(
                eventually(lambda served=served: shown(Caller(served, key))[0] == 203),
                f"{served.name} does not show a confirmed figure",
            )
