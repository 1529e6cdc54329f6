"""kill -9 at random moments of every command that writes. Afterwards the ledger is valid and has
everything that was confirmed; an interrupted change is complete or absent.

Each case measures an undisturbed run, then repeats and kills it at moments spread over that time,
each time with a new copy of the ledger. With PostgreSQL the copy is a database made from a
template."""

import contextlib
import json
import random
import re
import shutil
import sqlite3
import subprocess
import threading
import time
import zipfile

from common import ROOT, Fault, Lost, Refused, binary, environment
from registry import Caller, Place, attack
from sample import UNIT, expect, figure, fill

KIND = "kill -9 at a random moment"
SHORT, LONG = 10, 200  # kills in each case
FIRST_SCHEMA = ROOT / "tests" / "store" / "fixtures" / "schema-1.sql"


class Ledgers:
    """Makes copies of one ledger, in SQLite or PostgreSQL."""

    def __init__(self, place, backend):
        self.place, self.backend, self._count = place, backend, 0
        self.base = place.sqlite("base") if backend == "sqlite" else place.postgres()
        self._file = place.folder / "base.db"

    def fresh(self):
        """Makes a new copy of the base and removes the previous copy."""
        self._count += 1
        if self.backend == "sqlite":
            copy = self.place.folder / f"copy{self._count % 2}.db"
            for file in self.place.folder.glob(copy.name + "*"):
                file.unlink()
            if self._file.exists():
                shutil.copyfile(self._file, copy)
            return f"sqlite://{copy}"
        cluster, name = self.place.cluster(), self.base.rpartition("/")[2]
        if self._count > 1:
            cluster.psql(f'DROP DATABASE "{name}_copy" WITH (FORCE);')
        cluster.psql(f'CREATE DATABASE "{name}_copy" TEMPLATE "{name}";')
        return cluster.url(f"{name}_copy")


class Sound:
    """The result of `verify` for a valid ledger."""

    def __init__(self, said):
        self.hash = re.search(r"\bhash ([0-9a-f]{64})", said).group(1)
        self.revision = int(re.search(r"revisions (\d+)", said).group(1))
        self.rows = int(re.search(r"rows (\d+)", said).group(1))


def verified(place, database, what="the ledger"):
    """Returns the result of `verify`; None, and adds a fault, when the ledger is invalid."""
    done = place.run("verify", "--database", database)
    if not place.check(
        done.returncode == 0,
        f"after the kill {what} is not valid",
        f"exit code {done.returncode}: {(done.stdout + done.stderr)[-300:]}",
    ):
        return None
    return Sound(done.stdout)


def started(place, *command):
    """A process of the program with its standard output in a file."""
    out = open(place.folder / "killed.out", "wb")  # noqa: SIM115 - the process keeps it
    with out:
        return subprocess.Popen(
            [binary(), *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.DEVNULL,
            env=environment(),
        )


def kill_often(place, ledgers, command, check, rounds=None):
    """Runs and kills a command many times. `command(database)` returns its arguments;
    `check(database, killed)` checks the ledger afterwards, where `killed` is false when the command
    had ended before. Returns a summary."""
    dice, rounds = (
        random.Random(f"{place.folder.name} {time.time()}"),
        rounds or (LONG if place.long else SHORT),
    )
    whole, killed = float("inf"), 0
    for _ in range(2):
        database, began = ledgers.fresh(), time.monotonic()
        code = started(place, *command(database)).wait(120)
        whole = min(whole, time.monotonic() - began)
        if code:
            raise Fault(f"without a kill the command ends with {code}")
        check(database, False)
    for nth in range(rounds):
        database = ledgers.fresh()
        process = started(place, *command(database))
        time.sleep(
            whole * (nth + dice.random()) / rounds
        )  # one moment in each part of the duration
        done = process.poll() is not None
        process.kill()
        process.wait()
        killed += not done
        check(database, not done)
        if str(place.faults).count("times") > 3:
            break
    place.check(
        killed >= rounds // 3, "too few kills hit the command for a result", f"{killed} of {rounds}"
    )
    return f"{killed} of {rounds} kills within {whole:.2f} s"


def base(place, backend):
    """Prepares copies of a ledger with the sample province; returns (ledgers, key of an admin)."""
    ledgers = Ledgers(place, backend)
    return ledgers, fill(place, ledgers.base)


def on_both(*, long_on_postgres=False):
    """Registers a case for SQLite and one for PostgreSQL, the latter optionally only with
    --long."""

    def register(function):
        for backend in ("sqlite", "postgres"):

            def case(place, backend=backend):
                return function(place, backend)

            case.__name__ = f"{function.__name__}_{backend}"
            case.__doc__ = function.__doc__
            attack(KIND, long=long_on_postgres and backend == "postgres")(case)
        return function

    return register


@attack(KIND)
def kill_backup(place: Place):
    """A backup is complete or does not exist under its name, and leftovers do not prevent the next
    one."""
    ledgers, _ = base(place, "sqlite")
    source = verified(place, ledgers.base)
    seen = {True: 0, False: 0}

    def file():
        return place.folder / "backup.db"

    def command(database):
        for left in place.folder.glob("backup.db*"):
            left.unlink()
        return "backup", file(), "--database", database

    def check(database, _killed):
        seen[file().exists()] += 1
        if file().exists():
            copy = verified(place, f"sqlite://{file()}", "a backup under its final name")
            place.check(
                copy is None or copy.hash == source.hash,
                "a backup under its final name is not complete",
                copy and copy.revision,
            )
        else:
            again = place.run("backup", file(), "--database", database)
            place.check(
                again.returncode == 0,
                "after a killed backup the next one fails",
                again.stderr[-300:],
            )
            copy = (
                verified(place, f"sqlite://{file()}", "the next backup")
                if again.returncode == 0
                else None
            )
            place.check(
                copy is None or copy.hash == source.hash,
                "the backup after a killed one is not complete",
            )
        now = verified(place, database)
        place.check(now is None or now.hash == source.hash, "a killed backup changed the ledger")

    said = kill_often(place, ledgers, command, check)
    return f"{said}; {seen[False]} times no file, {seen[True]} times a complete one"


@attack(KIND)
def kill_export(place: Place):
    """An export is complete or does not exist under its name."""
    ledgers, _ = base(place, "sqlite")
    source = verified(place, ledgers.base)
    file = place.folder / "export.zip"
    seen = {True: 0, False: 0}

    def command(database):
        for left in place.folder.glob("export.zip*"):
            left.unlink()
        return "export", file, "--database", database

    def check(database, _killed):
        seen[file.exists()] += 1
        if file.exists():
            try:
                with zipfile.ZipFile(file) as archive:
                    place.check(
                        archive.testzip() is None, "an export under its final name is broken"
                    )
            except zipfile.BadZipFile as error:
                place.check(False, "an export under its final name is not a ZIP file", error)
            into = place.folder / "imported.db"
            for left in place.folder.glob("imported.db*"):
                left.unlink()
            done = place.run("import", file, "--database", f"sqlite://{into}")
            place.check(
                done.returncode == 0,
                "an export under its final name cannot be imported",
                done.stderr[-300:],
            )
            copy = (
                verified(place, f"sqlite://{into}", "the imported export")
                if done.returncode == 0
                else None
            )
            place.check(
                copy is None or copy.hash == source.hash,
                "an export under its final name is not complete",
            )
        else:
            again = place.run("export", file, "--database", database)
            place.check(
                again.returncode == 0,
                "after a killed export the next one fails",
                again.stderr[-300:],
            )
        now = verified(place, database)
        place.check(now is None or now.hash == source.hash, "a killed export changed the ledger")

    said = kill_often(place, ledgers, command, check)
    return f"{said}; {seen[False]} times no file, {seen[True]} times a complete one"


@on_both(long_on_postgres=True)
def kill_import(place: Place, backend):
    """A killed import is run again, and then every figure is recorded exactly once."""
    ledgers = Ledgers(place, backend)
    units, figures = place.folder / "units.json", place.folder / "figures.csv"
    figures.write_text(place.run("generate", "--size", "1x44", "--units", units).stdout)
    lines = figures.read_text().count("\n") - 1
    done = place.run("import", units, "--database", ledgers.base)
    if done.returncode:
        raise Fault(f"the units cannot be imported: {done.stderr[-300:]}")
    parts = set()

    def command(database):
        return "import", figures, "--database", database

    def check(database, killed):
        before = verified(place, database)
        if before is None:
            return
        if killed:
            parts.add(before.rows)
            again = place.run(*command(database))
            place.check(
                again.returncode == 0, "a killed import cannot be resumed", again.stderr[-300:]
            )
        after = verified(place, database)
        place.check(
            after is None or after.rows == lines,
            "not every figure is recorded exactly once",
            f"{after and after.rows} rows of {lines}",
        )

    return (
        f"{kill_often(place, ledgers, command, check, None if place.long else 6)}; "
        f"{sorted(parts)} of {lines} figures existed after a kill"
    )


@on_both(long_on_postgres=True)
def kill_import_of_an_archive(place: Place, backend):
    """A killed import of a whole ledger is run again, and then the ledger is the same."""
    source = f"sqlite://{place.folder / 'source.db'}"
    fill(place, source)
    known, file = verified(place, source), place.folder / "export.zip"
    done = place.run("export", file, "--database", source)
    if done.returncode:
        raise Fault(f"export ends with {done.returncode}: {done.stderr[-300:]}")
    ledgers = Ledgers(place, backend)  # an empty ledger

    def command(database):
        return "import", file, "--database", database

    def check(database, killed):
        if killed:
            again = place.run(*command(database))
            place.check(
                again.returncode == 0,
                "a killed import of an archive cannot be resumed",
                again.stderr[-300:],
            )
        now = verified(place, database)
        place.check(
            now is None or now.hash == known.hash,
            "the imported ledger is not the one that was exported",
        )

    return kill_often(place, ledgers, command, check)


@on_both()
def kill_catalogue_apply(place: Place, backend):
    """A catalogue is applied completely or not at all, and it can be applied again."""
    ledgers, key = base(place, backend)
    served = place.serve(ledgers.base)
    document = expect(Caller(served, key).get("/api/v1/catalogue"), 200)
    served.kill()
    time.sleep(0.2)
    document["indicators"][0]["name"]["en"] += " (renamed)"
    file = place.folder / "catalogue.json"
    file.write_text(
        json.dumps(
            {
                name: value
                for name, value in document.items()
                if name not in ("revision", "revision_hash", "version")
            }
        )
    )
    before, seen = verified(place, ledgers.base), {}

    def command(database):
        return "catalogue", "apply", file, "--database", database

    def check(database, killed):
        now = verified(place, database)
        if now is None:
            return
        step = now.revision - before.revision
        seen[step] = seen.get(step, 0) + 1
        place.check(
            step in (0, 1),
            "a killed catalogue apply left an incomplete change",
            f"{step} revisions",
        )
        place.check(
            step or now.hash == before.hash,
            "the ledger has another hash although it has no new revision",
        )
        place.check(killed or step == 1, "catalogue apply ended without a revision")
        again = place.run(*command(database))
        place.check(
            again.returncode == 0,
            "after a kill the catalogue cannot be applied again",
            again.stderr[-300:],
        )
        after = verified(place, database)
        place.check(
            after is None or after.revision == before.revision + 1,
            "after applying it again the catalogue exists twice or not at all",
        )

    said = kill_often(place, ledgers, command, check)
    return f"{said}; {seen.get(0, 0)} times absent, {seen.get(1, 0)} times complete"


def keys_of(place, database):
    """Returns id -> words of its line in `keys list`."""
    done = place.run("keys", "list", "--database", database)
    if done.returncode:
        raise Fault(f"keys list ends with {done.returncode}: {done.stderr[-300:]}")
    return {line.split()[0]: line.split() for line in done.stdout.splitlines()[1:] if line.strip()}


def printed_key(place):
    """Returns what the killed command had printed."""
    return (place.folder / "killed.out").read_text().strip()


def works(place, database, key):
    """Whether a service that is started with the ledger accepts a key."""
    served = place.serve(database, name="asked")
    try:
        return Caller(served, key).get("/api/v1/me").status == 200
    finally:
        served.kill()


@on_both(long_on_postgres=True)
def kill_keys_add(place: Place, backend):
    """A printed key is in the ledger and works; there is never a second one."""
    ledgers, _ = base(place, backend)
    before, seen = keys_of(place, ledgers.base), {"absent": 0, "whole": 0, "printed": 0}

    def command(database):
        return "keys", "add", "--name", "new", "--role", "reader", "--database", database

    def check(database, killed):
        verified(place, database)
        new = set(keys_of(place, database)) - set(before)
        key = printed_key(place)
        seen["whole" if new else "absent"] += 1
        seen["printed"] += bool(key)
        place.check(len(new) <= 1, "a killed keys add created more than one key", new)
        place.check(not key or new, "a printed key is not in the ledger")
        place.check(killed or key, "keys add ended without a key")
        if key and new and (seen["printed"] < 5 or place.long):
            place.check(works(place, database, key), "a printed key does not work")

    return f"{kill_often(place, ledgers, command, check)}; {seen}"


@on_both()
def kill_keys_rotate(place: Place, backend):
    """Either only the old key exists, without an end, or there are two: the new one, and the old
    one with an end."""
    ledgers, old = base(place, backend)
    [identifier], seen = keys_of(place, ledgers.base), {"old alone": 0, "both": 0, "printed": 0}

    def command(database):
        return "keys", "rotate", identifier, "--database", database

    def check(database, killed):
        verified(place, database)
        now, key = keys_of(place, database), printed_key(place)
        new = [words for name, words in now.items() if name != identifier]
        ends = any(re.match(r"\d{4}-\d\d-\d\d", word) for word in now[identifier][4:5])
        seen["both" if new else "old alone"] += 1
        seen["printed"] += bool(key)
        place.check(len(new) <= 1, "a killed keys rotate created more than one key", now)
        place.check(bool(new) == ends, "a key was rotated incompletely", now)
        place.check(
            now[identifier][1] in ("active", "rotated", "ending"), "the old key was changed", now
        )
        place.check(not key or new, "a printed key is not in the ledger")
        place.check(killed or (key and new), "keys rotate ended without a key")
        if seen["both"] + seen["old alone"] < 4 or place.long:
            place.check(
                works(place, database, old), "the old key does not work after a killed rotation"
            )
            if key and new:
                place.check(works(place, database, key), "a printed new key does not work")

    return f"{kill_often(place, ledgers, command, check)}; {seen}"


@on_both(long_on_postgres=True)
def kill_keys_revoke(place: Place, backend):
    """A key is revoked or not; it is revoked when the command had confirmed it."""
    ledgers, _ = base(place, backend)
    victim = place.key(ledgers.base, "reader")
    identifier = next(
        name for name, words in keys_of(place, ledgers.base).items() if words[2] == "reader"
    )
    seen = {}

    def command(database):
        return "keys", "revoke", identifier, "--database", database

    def check(database, killed):
        verified(place, database)
        state = keys_of(place, database)[identifier][1]
        seen[state] = seen.get(state, 0) + 1
        place.check(
            killed or state == "revoked", "keys revoke succeeded, but the key is not revoked", state
        )
        if sum(seen.values()) < 4 or place.long:
            place.check(
                works(place, database, victim) == (state != "revoked"),
                "a revoked key works, or a valid key does not",
                state,
            )

    return f"{kill_often(place, ledgers, command, check)}; {seen}"


@on_both()
def kill_closing(place: Place, backend):
    """The service is killed while a month is being closed and gets figures. The month is closed if
    that was confirmed, and no figure without a reason is recorded after the closing."""
    ledgers, key = base(place, backend)
    rounds = LONG if place.long else SHORT
    dice, seen = random.Random(time.time()), {"answered": 0, "closed unanswered": 0, "open": 0}
    months = [f"{2004 + n // 12}-{n % 12 + 1:02}" for n in range(rounds)]
    served = place.serve(ledgers.base, "--rate-limit", "off")
    began = time.monotonic()
    Caller(served, key).post("/api/v1/periods/2003-01/close?force=true", "{}")
    whole = 3 * (time.monotonic() - began)
    for month in months:
        caller, poster, answered = Caller(served, key), Caller(served, key), []
        expect(poster.post("/api/v1/observations", figure(1, period=month)), 200, 201)

        def close(caller=caller, month=month, answered=answered):
            with contextlib.suppress(Lost, Refused):
                answered.append(
                    caller.post(f"/api/v1/periods/{month}/close?force=true", "{}").status
                )

        def post(poster=poster, month=month):
            for value in range(2, 50):
                try:
                    poster.post("/api/v1/observations", figure(value, period=month))
                except (Lost, Refused):
                    return

        threads = [threading.Thread(target=post), threading.Thread(target=close)]
        for thread in threads:
            thread.start()
        time.sleep(dice.uniform(0, whole))
        served.kill()
        for thread in threads:
            thread.join(20)
        served.start().wait_ready()
        caller = Caller(served, key)
        closings = [
            row
            for row in expect(caller.get("/api/v1/revisions", limit=1000, after=0), 200)[
                "revisions"
            ]
            if month in row["periods"]
        ]
        closed = any(
            row["period"] == month and row.get("closed", True)
            for row in expect(caller.get("/api/v1/periods"), 200)["periods"]
        )
        said = bool(answered) and answered[0] == 200
        seen["answered" if said else "closed unanswered" if closed else "open"] += 1
        place.check(closed or not said, "a month whose closing was confirmed is open", month)
        place.check(len(closings) <= 1, "a month is closed twice", closings)
        if closed and closings:
            rows = expect(
                caller.get(
                    "/api/v1/observations",
                    history="true",
                    unit=UNIT,
                    **{"from": month, "to": month, "limit": 100},
                ),
                200,
            )["observations"]
            late = [
                row["revision"]
                for row in rows
                if row["revision"] > closings[0]["revision"] and not row["reason"]
            ]
            place.check(
                not late, "a closed month accepted a figure without a reason", f"{month}: {late}"
            )
    served.kill()
    verified(place, ledgers.base)
    return f"{rounds} kills within {whole:.2f} s; {seen}"


@attack(KIND)
def kill_migration(place: Place):
    """A ledger of the first release is migrated completely or not at all."""
    ledgers = Ledgers(place, "sqlite")
    connection = sqlite3.connect(place.folder / "base.db")
    connection.executescript(FIRST_SCHEMA.read_text())
    connection.commit()
    connection.close()
    original = place.run("keys", "list", "--database", ledgers.fresh())
    if original.returncode:
        raise Fault(f"the old ledger cannot be opened: {original.stderr[-300:]}")
    database = ledgers.fresh()
    place.run("keys", "list", "--database", database)
    known = verified(place, database)

    def command(database):
        return "keys", "add", "--name", "first", "--role", "admin", "--database", database

    def check(database, _killed):
        done = place.run("keys", "list", "--database", database)
        place.check(
            done.returncode == 0,
            "after a killed migration the ledger cannot be opened",
            done.stderr[-300:],
        )
        now = verified(place, database)
        place.check(
            now is None or now.revision in (known.revision, known.revision + 1),
            "a killed migration changed the revisions",
        )
        held = place.run("verify", "--hash", known.hash, "--database", database)
        place.check(
            held.returncode == 0, "a killed migration changed the hashes", held.stdout[-300:]
        )

    return kill_often(place, ledgers, command, check)
