"""The ledger is put back under running instances: their messages, their behaviour while the ledger
cannot be used, and random removal of revisions under two instances with PostgreSQL."""

import json
import random
import re
import sqlite3
import time

from common import Lost, Refused
from registry import Caller, attack
from restore import KIND, NOTICE, QUESTION, check_told, eventually, named, post, shown, sqlite_copy
from sample import MONTH, OUTGOING, UNIT, expect, figure, fill

SERIES = f"/api/v1/series?measure={OUTGOING}&unit={UNIT}&from={MONTH}&to={MONTH}"


def metric(served, key, name):
    """Returns a number of /metrics, 0 when it is missing."""
    text = Caller(served, key).get("/metrics").body.decode()
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    return float(found.group(1)) if found else 0.0


def computed(caller):
    """Returns the figure computed from memory, and the whole response."""
    page = expect(caller.get(SERIES), 200)
    return page["series"][0]["points"][0]["value"], page


def noticed(served, key, before):
    """Whether an instance has noticed another change of history since `before`."""
    return eventually(
        lambda: (
            metric(served, key, "egov_kpi_history_changes_total") > before
            and Caller(served).get("/readyz").status == 200
        )
    )


@attack(KIND)
def what_a_running_instance_says_of_lost_revisions(place):
    """Log, /readyz and /metrics report the lost revisions. A repeated request whose submission was
    lost is recorded again with its key."""
    database, copy, file = place.sqlite(), place.folder / "copy.db", place.folder / "ledger.db"
    key = fill(place, database)
    served = place.serve(database)
    caller = Caller(served, key)
    post(caller, 1)
    sqlite_copy(file, copy)
    headers = {"Idempotency-Key": "lost"}
    lost = [
        expect(caller.post("/api/v1/observations", figure(2), headers), 201),
        post(caller, 3),
        post(caller, 4),
    ]
    before = metric(served, key, "egov_kpi_history_changes_total")
    sqlite_copy(copy, file)
    place.check(
        eventually(lambda: computed(caller)[0] == 1),
        "the figure in memory differs from the ledger",
        computed(caller),
    )
    log = served.log()
    for receipt in (lost[0], lost[-1]):
        place.check(
            named(place, receipt) in log,
            "the log does not name the first and the last lost revision",
            log[-400:],
        )
    place.check(
        re.search(r'"count":"?3\b', log),
        "the log does not say how many revisions are lost",
        log[-400:],
    )
    place.check(
        metric(served, key, "egov_kpi_history_changes_total") == before + 1,
        "the change of history is not counted once",
    )
    place.check(
        metric(served, key, "egov_kpi_lost_revisions_total") == 3,
        "the lost revisions are not counted",
    )
    place.check(
        b"3 known revision(s) were lost" in Caller(served).get("/readyz").body,
        "/readyz does not report it",
        Caller(served).get("/readyz").body,
    )
    for receipt in lost:
        check_told(place, caller, receipt, "the running instance")
    again = expect(caller.post("/api/v1/observations", figure(2), headers), 201)
    place.check(
        again["submission"] != lost[0]["submission"] and again.get("recorded"),
        "a lost response is repeated for its key",
        again,
    )
    place.check(
        computed(caller)[0] == 2, "a figure recorded again is not shown", computed(caller)[0]
    )


@attack(KIND)
def a_ledger_that_cannot_be_used_is_not_answered_from(place):
    """The ledger is emptied, then put back with a broken chain, then unchanged. Until then the
    instance responds with 503 and does not serve its old state."""
    database, copy, file = place.sqlite(), place.folder / "copy.db", place.folder / "ledger.db"
    key = fill(place, database)
    served = place.serve(database)
    caller = Caller(served, key)
    receipt = post(caller, 1)
    sqlite_copy(file, copy)
    post(caller, 2)
    tables = ["revisions", "submissions", "observations", "touched_units", "declarations"]

    def emptied(sentences):
        with sqlite3.connect(file, timeout=30) as ledger:
            ledger.execute("PRAGMA foreign_keys = OFF")
            for (name,) in ledger.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'trigger'"
            ).fetchall():
                ledger.execute(f"DROP TRIGGER {name}")
            for sentence in sentences:
                ledger.execute(sentence)
        ledger.close()

    def refused():
        return (
            caller.get(SERIES).status == 503
            and caller.post("/api/v1/observations", figure(2)).status == 503
        )

    emptied([f"DELETE FROM {table}" for table in tables])
    place.check(
        eventually(refused), "an emptied ledger is served from memory", caller.get(SERIES).status
    )
    place.check(
        Caller(served).get("/readyz").status == 503,
        "/readyz reports no error while the ledger is empty",
    )
    time.sleep(0.5)
    place.check(refused(), "an emptied ledger is served after some time")
    sqlite_copy(copy, file)
    with sqlite3.connect(file, timeout=30) as ledger:
        last = ledger.execute("SELECT max(revision) FROM revisions").fetchone()[0]
    ledger.close()
    emptied([f"UPDATE observations SET mantissa = 999 WHERE revision = {last}"])
    time.sleep(6)
    value = (
        json.loads(caller.get(SERIES).body)
        .get("series", [{}])[0]
        .get("points", [{}])[0]
        .get("value")
    )
    place.check(value != 999, "a figure that contradicts the hash chain is served", value)
    sqlite_copy(copy, file)
    place.check(
        eventually(lambda: computed(caller)[0] == 1, 15),
        "the ledger is right again, but is not served",
    )
    reply = caller.get(QUESTION + f"&min_revision={named(place, receipt)}")
    place.check(reply.status == 200, "an existing revision is refused", reply.status)
    post(caller, 5)
    place.check(computed(caller)[0] == 5, "a figure recorded afterwards is not shown")


def roll_back(cluster, database, to):
    """Removes all rows after a revision from a ledger in PostgreSQL, as the owner of the database
    can."""
    name = database.rpartition("/")[2].partition("?")[0]
    found = cluster.psql(
        (
            "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' AND "
            "column_name = 'revision';"
        ),
        name,
    )
    tables = str(found).split()
    deletes = "".join(f"DELETE FROM {table} WHERE revision > {to};" for table in tables)
    cluster.psql(
        (
            f"BEGIN; SET LOCAL session_replication_role = replica; {deletes} DELETE FROM "
            "idempotency_keys; COMMIT"
        ),
        name,
    )


@attack(KIND)
def postgres_rows_rolled_back_under_two_instances(place):
    """The newest revisions are removed from the database at random points while two instances run,
    with and without new figures afterwards."""
    database, dice = place.postgres(), random.Random(time.time())
    key = fill(place, database)
    pair = [place.serve(database, "--rate-limit", "off", name=name) for name in ("first", "second")]
    rounds, value = (50 if place.long else 5), 1000
    for nth in range(rounds):
        callers = [Caller(served, key, timeout=10) for served in pair]
        kept = post(dice.choice(callers), value := value + 1)
        truth = value
        # First one revision that is added and removed between two checks of the database.
        time.sleep(0.5 if nth == 0 else dice.choice([0, 0.5]))
        lost = [
            post(dice.choice(callers), value := value + 1)
            for _ in range(1 if nth == 0 else dice.randrange(1, 5))
        ]
        for caller in callers if nth else ():
            expect(caller.get(SERIES + f"&min_revision={named(place, lost[-1])}"), 200)
        before = [metric(served, key, "egov_kpi_history_changes_total") for served in pair]
        time.sleep(dice.choice([0, 0, 0.1, 0.3]) if nth else 0)
        roll_back(place.cluster(), database, kept["revision"])
        if nth and dice.random() < 0.5:
            # At once, so that the number is used again before an instance has checked.
            fresh, chosen = [], dice.choice(callers)

            def recorded(caller=chosen, fresh=fresh, value=value + 1):
                fresh.append(post(caller, value))
                return True

            place.check(eventually(recorded, 10), "no figure is accepted after the removal")
            truth = value = value + 1
        for served, caller, changes in zip(pair, callers, before, strict=True):
            if nth:  # in the first round the other instance may not know that revision
                place.check(
                    noticed(served, key, changes),
                    f"the {served.name} instance has not noticed after {NOTICE} s",
                )
            held = eventually(
                lambda caller=caller, truth=truth: (
                    computed(caller)[0] == truth and shown(caller)[0] == truth
                )
            )
            place.check(
                held,
                f"the {served.name} instance does not show the state of the ledger",
                f"{computed(caller)[0]} {truth}",
            )
            if nth:
                reply = caller.get(QUESTION + f"&min_revision={named(place, lost[-1])}")
                place.check(
                    reply.status == 409,
                    f"the {served.name} instance does not refuse a lost revision",
                    reply.status,
                )
            reply = caller.get(QUESTION + f"&min_revision={named(place, kept)}")
            place.check(reply.status == 200, "a kept revision is refused", reply.status)
        if place.faults:
            break
    for served in pair:
        lines = [line for line in served.log().splitlines() if "revisions are missing" in line]
        place.check(
            len(lines) >= rounds - 1 or place.faults,
            f"the {served.name} instance does not log every loss",
            f"{len(lines)} of {rounds}",
        )
    return f"both noticed all {rounds} changes"


@attack(KIND)
def no_read_mixes_two_histories(place):
    """While the ledger changes between two states, every response belongs to one of them: figure
    and hash agree."""
    database, copies, file = (
        place.sqlite(),
        [place.folder / name for name in ("one.db", "two.db")],
        place.folder / "ledger.db",
    )
    key = fill(place, database)
    served = place.serve(database, "--rate-limit", "off")
    caller = Caller(served, key)
    sqlite_copy(file, place.folder / "base.db")
    truth = {}
    for value, copy in enumerate(copies, 71):
        receipt = post(caller, value)
        truth[receipt.get("revision_hash")] = value
        sqlite_copy(file, copy)
        sqlite_copy(place.folder / "base.db", file)
        before = receipt["revision"] - 1
        eventually(lambda before=before: computed(caller)[1]["revision"] == before)
    until, answers, switched = time.monotonic() + (30 if place.long else 4), 0, 0.0
    while time.monotonic() < until:
        if time.monotonic() > switched:
            sqlite_copy(random.choice(copies), file)
            switched = time.monotonic() + random.uniform(0.05, 0.6)
        for path in (SERIES, QUESTION):
            try:
                reply = caller.get(path)
            except (Lost, Refused):
                continue
            if reply.status != 200:
                place.check(
                    reply.status == 503,
                    "a response other than 200 and 503",
                    f"{reply.status} {reply.body[:200]!r}",
                )
                continue
            page, answers = json.loads(reply.body), answers + 1
            value = (
                page["series"][0]["points"][0]["value"]
                if path == SERIES
                else page["observations"][0]["value"]
            )
            expected = truth.get(page.get("revision_hash"))
            if expected is not None:
                place.check(
                    value == expected,
                    "a response mixes two histories",
                    f"{path}: {value} at {page['revision_hash']}",
                )
    place.check(answers > 20, "too few responses for a result", answers)
    return f"{answers} answers"
