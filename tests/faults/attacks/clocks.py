"""Clocks that are wrong, jump, or differ between instances (libfaketime sets the clock of one
process)."""

import json
import signal
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from common import Fault, Lost, Refused, own_cluster
from registry import Caller, Served, attack

KIND = "clocks"
LIBRARY = "*/faketime/libfaketime.so.1"
HOUR, DAY = 3_600, 86_400
TO_2100 = 74 * 365 * DAY


def library():
    """Returns the library that sets the clock of a process; installs it when it is missing."""
    for again in (True, False):
        found = sorted(Path("/usr/lib").glob(LIBRARY))
        if found:
            return str(found[0])
        if again:
            subprocess.run(
                ["apt-get", "install", "-y", "-qq", "libfaketime"], capture_output=True, check=False
            )
    raise Fault("libfaketime is missing (Debian: apt-get install libfaketime)")


class SetClock:
    """The clock of one process, which can be set while it runs; it then continues at normal
    speed."""

    def __init__(self, place, name, ahead=0.0):
        self._file = place.folder / f"{name}.clock"
        self.set(ahead)

    def set(self, ahead):
        """Sets it to the right time plus `seconds`."""
        beside = self._file.with_suffix(".new")
        beside.write_text(f"{ahead:+.3f}\n")
        beside.replace(self._file)

    @property
    def env(self):
        """Returns the environment of the process."""
        return {
            "LD_PRELOAD": library(),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }


def figures(value, unit="travinh", period="2021-10"):
    """Returns a submission with one figure."""
    figure = {
        "indicator": "ioffice.documents.outgoing",
        "unit": unit,
        "period": period,
        "value": value,
    }
    return json.dumps({"observations": [figure]})


def moment(text):
    """Parses a time of the service."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def now():
    """Returns the right time."""
    return datetime.now(UTC)


def written(when):
    """Formats a time for a request."""
    return when.isoformat(timespec="microseconds").replace("+00:00", "Z")


def metric(caller, name):
    """Returns one number of /metrics."""
    for line in caller.get("/metrics").body.decode().splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    return None


def kind_of(reply):
    """Returns status and type of a problem document."""
    return reply.status, json.loads(reply.body).get("type") if reply.body[:1] == b"{" else None


def answer(reply, place, about, status=201):
    """Checks the status of a reply; returns its document."""
    if not place.check(
        reply.status == status,
        f"{about}: expected status {status}",
        f"{reply.status} {reply.body[:300]!r}",
    ):
        raise Fault(f"{about}: {reply.status} {reply.body[:300]!r}")
    return json.loads(reply.body)


def check_refused(place, reply, sentence):
    """Checks that a request was refused because of the clock."""
    refused = kind_of(reply) == (503, "urn:egov-kpi:clock")
    refused = refused and "đồng hồ" in json.loads(reply.body).get("detail_vi", "")
    place.check(refused, sentence, f"{reply.status} {reply.body[:200]!r}")


def eventually(holds, seconds=10):
    """Whether a condition becomes true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.05)
    return holds()


def dates(caller):
    """Returns the time of each revision."""
    rows = json.loads(caller.get("/api/v1/revisions", limit=1000).body)["revisions"]
    return [moment(row["recorded_at"]) for row in sorted(rows, key=lambda row: row["revision"])]


def check_dates(place, caller, latest=60):
    """Checks that times of revisions do not decrease and do not lie in the future."""
    found = dates(caller)
    place.check(found == sorted(found), "a revision is dated before its predecessor", found)
    far = [str(date) for date in found if date > now() + timedelta(seconds=latest)]
    place.check(not far, "a revision is dated in the future", far)
    return len(found)


@attack(KIND)
def one_submission_while_the_clock_says_2100(place):
    """The clock jumps to 2100, an hour ahead and an hour back, and is right again after each
    jump."""
    database = place.sqlite()
    key = place.key(database, "admin", "--expires", "30")
    clock = SetClock(place, "served")
    served = place.serve(database, env=clock.env)
    caller = Caller(served, key)
    answer(caller.post("/api/v1/observations", figures(1)), place, "a right clock")
    for number, ahead in enumerate((TO_2100, HOUR, -HOUR)):
        clock.set(ahead)
        reply = caller.post("/api/v1/observations", figures(100 + number))
        check_refused(place, reply, "a change was accepted while the clock was wrong")
        check_refused(place, caller.get("/readyz"), "/readyz does not say that the clock is wrong")
        place.check(
            caller.get("/livez").status == 200, "/livez fails while the clock is wrong", ahead
        )
        place.check(
            metric(caller, "egov_kpi_clock_jumps_total") == number + 1,
            "the jump is not counted",
            ahead,
        )
        me = caller.get("/api/v1/me")
        place.check(
            me.status == 200,
            "a key expired because the clock was wrong",
            f"{me.status} {me.body[:200]!r}",
        )
        month = json.loads(me.body).get("this_month") if me.status == 200 else None
        place.check(
            month == (now() + timedelta(hours=7)).strftime("%Y-%m"),
            "this month follows the wrong clock",
            month,
        )
        last = caller.get(
            "/api/v1/series", measure="ioffice.documents.outgoing", unit="travinh", last=1
        )
        place.check(last.status == 200, "reads fail while the clock is wrong", last.status)
        clock.set(0)
        answer(
            caller.post("/api/v1/observations", figures(200 + number)),
            place,
            "the clock is right again",
        )
        place.check(
            caller.get("/readyz").status == 200,
            "/readyz still fails when the clock is right again",
            ahead,
        )
    told = served.log().count("jumped by") + served.log().count("shows the year")
    place.check(told >= 3, "the log does not say that the clock jumped", served.log()[-500:])
    count = check_dates(place, caller)
    served.stop()
    verified = place.run("verify", "--database", database)
    place.check(verified.returncode == 0, "the ledger does not verify", verified.stdout)
    return f"{count} revisions"


@attack(KIND)
def started_while_the_clock_says_2100(place):
    """Programs that start when the clock says 2100 or 1970 record nothing; a service records when
    the clock is right."""
    database = place.sqlite()
    key = place.key(database, "admin")
    sheet = place.folder / "figures.csv"
    sheet.write_text("indicator,unit,period,value\nioffice.documents.outgoing,travinh,2021-10,7\n")
    for value, ahead in enumerate((TO_2100, -50 * 365 * DAY), 8):
        clock = SetClock(place, "command", ahead)
        imported = place.run("import", sheet, "--database", database, env=clock.env)
        said = f"{imported.returncode} {imported.stdout} {imported.stderr}"
        place.check(imported.returncode == 3, "import recorded while the clock was wrong", said)
        served = Served("served", database, place.folder, place.faults, env=clock.env).start()
        caller = Caller(served, key)
        if not eventually(lambda served=served: served.port is not None, 30):
            raise Fault(f"it does not listen: {served.last_words()}")

        def answers(caller=caller):
            try:
                return kind_of(caller.get("/readyz"))[1] != "urn:egov-kpi:loading"
            except (Refused, Lost):
                return False

        eventually(answers, 30)
        check_refused(place, caller.get("/readyz"), "/readyz does not say that the clock is wrong")
        reply = caller.post("/api/v1/observations", figures(value))
        check_refused(place, reply, "a change was accepted while the clock was wrong")
        clock.set(0)
        place.check(
            eventually(lambda caller=caller: caller.get("/readyz").status == 200),
            "/readyz still fails when the clock is right",
            ahead,
        )
        answer(caller.post("/api/v1/observations", figures(value)), place, "the clock is right")
        check_dates(place, caller)
        served.stop()
    return "2100 and long ago"


@attack(KIND)
def a_jump_is_accepted_by_a_restart(place):
    """A clock was set two days ahead and stays there: changes are refused until the service is
    restarted. When the clock is right again, the operator is warned."""
    database = place.sqlite()
    key = place.key(database, "admin")
    clock = SetClock(place, "served")
    served = place.serve(database, env=clock.env)
    answer(Caller(served, key).post("/api/v1/observations", figures(1)), place, "a right clock")
    clock.set(2 * DAY)
    reply = Caller(served, key).post("/api/v1/observations", figures(2))
    check_refused(place, reply, "a change was accepted after a jump")
    served.stop()
    served.start().wait_ready()
    receipt = answer(
        Caller(served, key).post("/api/v1/observations", figures(2)), place, "after a restart"
    )
    ahead = (moment(receipt["recorded_at"]) - now()).total_seconds()
    place.check(abs(ahead - 2 * DAY) < 60, "the new time is not used after a restart", ahead)
    served.stop()

    # The clock is right again: the ledger is ahead of it.
    clock.set(0)
    before = len(served.log())
    served.start().wait_ready()
    caller = Caller(served, key)
    place.check(
        "dated in the future" in served.log()[before:],
        "the log does not say that the ledger is ahead",
        served.log()[before:],
    )
    ready = caller.get("/readyz")
    place.check(
        ready.status == 200 and b"in the future" in ready.body,
        "/readyz does not say that the ledger is ahead",
        ready.body,
    )
    found = metric(caller, "egov_kpi_ledger_ahead_seconds")
    place.check(
        found is not None and abs(found - 2 * DAY) < 60,
        "the metric does not show how far the ledger is ahead",
        found,
    )
    verified = place.run("verify", "--database", database)
    told = verified.returncode == 0 and "in the future" in verified.stdout
    place.check(told, "verify does not say that the ledger is ahead", verified.stdout)
    later = answer(
        caller.post("/api/v1/observations", figures(3)), place, "after a revision of the future"
    )
    place.check(
        later["recorded_at"] >= receipt["recorded_at"],
        "a revision is dated before its predecessor",
        later,
    )
    return "refused, restarted, warned"


@attack(KIND)
def answers_of_the_past_when_the_clock_is_set_back(place):
    """A client reads as of now, the clock is set back half a minute, and a change follows: the
    response must stay the same."""
    database = place.sqlite()
    key = place.key(database, "admin")
    clock = SetClock(place, "served")
    caller = Caller(place.serve(database, env=clock.env), key)
    asked = {}
    for number in range(6):
        answer(caller.post("/api/v1/observations", figures(number)), place, "a change")
        clock.set(-30 * (number % 2))
        for when in (now(), now() - timedelta(seconds=0.1), now() - timedelta(seconds=30)):
            asked[written(when)] = revision_at(caller, written(when))
    answer(caller.post("/api/v1/observations", figures(99)), place, "a change")
    answered = {when: was for when, was in asked.items() if was is not None}
    changed = {
        when: (was, revision_at(caller, when))
        for when, was in answered.items()
        if revision_at(caller, when) != was
    }
    place.check(not changed, "a response about the past changed", changed)
    place.check(len(answered) >= 12, "too few responses", asked)
    return f"{len(asked)} answers"


def revision_at(caller, when):
    """Returns the newest revision as of a time; None when the response is 503."""
    reply = caller.get("/api/v1/units", as_of=when, limit=1)
    if reply.status == 503:
        return None
    if reply.status != 200:
        raise Fault(f"as_of={when}: {reply.status} {reply.body[:200]!r}")
    return json.loads(reply.body)["revision"]


@attack(KIND)
def two_instances_thirty_seconds_apart(place):
    """Two instances with one PostgreSQL have clocks half a minute apart: both use one clock for
    dates, and responses about the past do not change."""
    database = place.postgres()
    key = place.key(database, "admin")
    clocks = [SetClock(place, name, ahead) for name, ahead in (("ahead", 15), ("behind", -15))]
    services = [
        place.serve(database, name=name, env=clock.env)
        for name, clock in zip(("ahead", "behind"), clocks, strict=True)
    ]
    callers = [Caller(served, key) for served in services]
    seconds, stopping, asked, lock = (
        (30 if place.long else 6),
        threading.Event(),
        {},
        threading.Lock(),
    )
    faults = []

    def guarded(work):
        def run():
            try:
                while not stopping.is_set():
                    work()
            except (Fault, Refused, Lost) as fault:
                faults.append(str(fault))

        return run

    def write(number):
        caller, count = Caller(services[number], key), iter(range(1_000_000))

        def once():
            sent = now()
            body = figures(1 + next(count), period=f"20{20 - number}-10")
            receipt = answer(caller.post("/api/v1/observations", body), place, "a change")
            off = (moment(receipt["recorded_at"]) - sent).total_seconds()
            place.check(-1 < off < 10, "a revision is not dated by the database's clock", off)

        return guarded(once)

    def read(number):
        caller = Caller(services[number], key)

        def once():
            for back in (0.0, 0.02, 0.2, 1.0):
                when = written(now() - timedelta(seconds=back))
                found = revision_at(caller, when)
                with lock:
                    asked[(number, when)] = found

        return guarded(once)

    threads = [threading.Thread(target=work(number)) for number in (0, 1) for work in (write, read)]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    stopping.set()
    for thread in threads:
        thread.join(60)
    place.check(not faults, "a request failed", faults)
    answered = {
        place_and_time: found for place_and_time, found in asked.items() if found is not None
    }
    again = {asked_at: revision_at(callers[1 - asked_at[0]], asked_at[1]) for asked_at in answered}
    changed = [
        (asked_at, found, again[asked_at])
        for asked_at, found in answered.items()
        if again[asked_at] != found
    ]
    place.check(
        not changed,
        "a response about the past changed",
        f"{len(changed)} of {len(answered)}: {changed[:3]}",
    )
    place.check(
        len(answered) > 20 and len(set(answered.values())) > 5,
        "too few requests",
        f"{len(answered)} of {len(asked)}",
    )
    for caller, ahead in zip(callers, (15, -15), strict=True):
        found = metric(caller, "egov_kpi_clock_offset_seconds")
        told = found is not None and abs(found - ahead) < 2
        place.check(
            told, "the metric does not show how far the clock is off", f"{found} for {ahead}"
        )
    count = check_dates(place, callers[0])
    return f"{count} revisions, {len(answered)} of {len(asked)} answered"


@attack(KIND)
def an_instance_ahead_of_the_database(place):
    """The clock of an instance is two months ahead, then in 2100: dates, months and the expiry of
    keys follow the clock of the database."""
    database = place.postgres()
    key = place.key(database, "admin", "--expires", "20")
    clock = SetClock(place, "served", 61 * DAY)
    caller = Caller(place.serve(database, env=clock.env), key)
    today = now() + timedelta(hours=7)
    ahead = (today.replace(day=1) + timedelta(days=32)).strftime("%Y-%m")
    for value, seconds in enumerate((61 * DAY, TO_2100)):
        clock.set(seconds)
        time.sleep(1.5)
        me = caller.get("/api/v1/me")
        place.check(
            me.status == 200,
            "a key expired by the clock of an instance",
            f"{me.status} {me.body[:200]!r}",
        )
        month = json.loads(me.body).get("this_month") if me.status == 200 else None
        place.check(
            month == today.strftime("%Y-%m"), "this month follows the clock of an instance", month
        )
        reply = caller.post("/api/v1/observations", figures(5 + value, period=ahead))
        place.check(
            reply.status == 422,
            "a figure of a future month was accepted",
            f"{reply.status} {reply.body[:200]!r}",
        )
        answer(caller.post("/api/v1/observations", figures(5 + value)), place, "an instance ahead")
        place.check(
            caller.get("/readyz").status == 200,
            "/readyz fails although changes are dated correctly",
            seconds,
        )
    found = metric(caller, "egov_kpi_clock_offset_seconds")
    place.check(
        found is not None and found > TO_2100 - DAY,
        "the metric does not show how far the clock is off",
        found,
    )
    check_dates(place, caller)
    return "two months and 74 years"


@attack(KIND)
def the_databases_clock_jumps(place):
    """The clock of the database server jumps an hour ahead, an hour back, and to 2100: nothing is
    recorded until it is right."""
    clock = SetClock(place, "server")
    cluster = own_cluster(place.folder / "postgresql", keep=False, environment=clock.env).start()
    cluster.create_database("ledger")
    database = cluster.url("ledger")
    key = place.key(database, "admin", "--expires", "20")
    caller = Caller(place.serve(database), key)
    answer(caller.post("/api/v1/observations", figures(1)), place, "a right clock")
    for value, ahead in enumerate((HOUR, -HOUR, TO_2100), 2):
        clock.set(ahead)
        time.sleep(1.5)
        reply = caller.post("/api/v1/observations", figures(value))
        check_refused(place, reply, "a change was accepted while the clock was wrong")
        check_refused(place, caller.get("/readyz"), "/readyz does not say that the clock is wrong")
        place.check(
            caller.get("/api/v1/me").status == 200,
            "a key expired because the clock was wrong",
            ahead,
        )
        clock.set(0)
        answer(
            caller.post("/api/v1/observations", figures(value)), place, "the clock is right again"
        )
        place.check(
            caller.get("/readyz").status == 200,
            "/readyz still fails when the clock is right again",
            ahead,
        )
    clock.set(-60)
    before = {
        when: revision_at(caller, when)
        for when in (written(now() - timedelta(seconds=back)) for back in (61, 62, 90))
    }
    answer(caller.post("/api/v1/observations", figures(99)), place, "a small step")
    place.check(
        before == {when: revision_at(caller, when) for when in before},
        "a response about the past changed",
        before,
    )
    return f"{check_dates(place, caller)} revisions"


@attack(KIND)
def a_writer_stands_still_before_its_commit(place):
    """One instance is stopped during a write; a read of that time at the other gets 503, or a
    response that stays the same."""
    database = place.postgres()
    key = place.key(database, "admin")
    writer, other = (place.serve(database, name=name) for name in ("writer", "other"))
    asking, stopping, faults = Caller(other, key), threading.Event(), []

    def post():
        caller, value = Caller(writer, key), 0
        while not stopping.is_set():
            value += 1
            months = [f"{year}-{month:02}" for year in range(1960, 2021) for month in range(1, 13)]
            rows = "".join(
                f"ioffice.documents.outgoing,travinh,{month},{value}\n" for month in months
            )
            try:
                reply = caller.post(
                    "/api/v1/observations",
                    "indicator,unit,period,value\n" + rows,
                    content="text/csv",
                )
                if reply.status not in (201, 503):
                    faults.append(f"{reply.status} {reply.body[:200]!r}")
            except (Refused, Lost) as fault:
                faults.append(str(fault))

    thread = threading.Thread(target=post)
    thread.start()
    asked, refused = {}, 0
    for number in range(24 if place.long else 4):
        time.sleep(0.2 + number * 0.013)
        writer.process.send_signal(signal.SIGSTOP)
        try:
            when, began = written(now()), time.monotonic()
            found = revision_at(asking, when)
            place.check(
                time.monotonic() - began < 8,
                "a response about the past did not arrive in time",
                time.monotonic() - began,
            )
        finally:
            writer.process.send_signal(signal.SIGCONT)
        refused += found is None
        if found is not None:
            asked[when] = found
    stopping.set()
    thread.join(60)
    changed = {
        when: (found, revision_at(asking, when))
        for when, found in asked.items()
        if revision_at(asking, when) != found
    }
    place.check(not changed, "a response about the past changed", changed)
    place.check(not faults, "a change failed", faults[:3])
    return f"{len(asked)} answered, {refused} refused"
