"""Attacks on the ledger that bypass the service: planted rows, removed files, frozen databases."""

import contextlib
import hashlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import threading
import time
from pathlib import Path

from common import Fault, binary, environment, own_cluster, until
from registry import Caller, Place, attack

FIGURES = (
    "indicator,unit,period,value\nioffice.documents.outgoing,travinh,2021-{month:02},{value}\n"
)
EVIL = "ek_evil000000_" + "A" * 43
KEY = {
    "name": "planted",
    "role": "admin",
    "unit": None,
    "holder": "evil000000",
    "created_at": 1,
    "expires_at": None,
    "revoked_at": None,
    "replaces": None,
    "hash": hashlib.sha256(EVIL.encode()).hexdigest(),
}
PLANTED = {
    "declarations": ("revision, kind, code, document", ("{r}", "'key'", "'evil000000'", "'{key}'")),
    "catalogue_versions": ("version, revision, document", ("99", "{r}", "'{{}}'")),
    "unit_versions": ("unit, revision, document", ("1", "{r}", "'{{}}'")),
    "unit_numbers": ("number, code, revision", ("9999", "'evil'", "{r}")),
    "measures": ("id, code, members, revision", ("9999", "'evil'", "''", "{r}")),
    "closings": ("revision, month, closed", ("{r}", "24262", "1")),
    "touched_units": ("unit, revision", ("3", "{r}")),
    "observations": (
        "revision, unit, measure, month, mantissa, scale",
        ("{r}", "1", "0", "24262", "666", "0"),
    ),
    "submissions": (
        "id, revision, source_kind, created, revised, unchanged, withdrawn, findings",
        ("'EVIL'", "{r}", "'api'", "1", "0", "0", "0", "'[]'"),
    ),
    "revisions": (
        "revision, recorded_at, kind, actor, hash",
        ("{r}", "1", "'keys'", "'nobody'", "'" + "0" * 64 + "'"),
    ),
}


class Tables:
    """The tables of the ledger, for an attacker with access to the file or the database."""

    def __init__(self, place, database):
        self._place, self._database = place, database
        self.file = database.removeprefix("sqlite://") if database.startswith("sqlite://") else None

    def run(self, statement, *, past_triggers=False):
        """Runs statements; returns the error message, or None."""
        if self.file is None:
            replica = "SET session_replication_role = replica; " if past_triggers else ""
            done = subprocess.run(
                [
                    *(self._psql(), "-X", "-q", "-v", "ON_ERROR_STOP=1"),
                    *("-d", self._database, "-c", replica + statement),
                ],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            return done.stderr or "refused" if done.returncode else None
        with contextlib.closing(sqlite3.connect(self.file, timeout=30)) as db:
            try:
                triggers = []
                if past_triggers:  # they are put back, because verify reports a missing one
                    triggers = db.execute(
                        "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
                    ).fetchall()
                for name, _ in triggers:
                    db.execute(f"DROP TRIGGER {name}")
                try:
                    db.executescript(statement)
                finally:
                    for _, made in triggers:
                        db.execute(made)
                    db.commit()
            except sqlite3.Error as error:
                return str(error)
        return None

    def one(self, query):
        """Returns the first column of the first row as text."""
        if self.file is None:
            done = subprocess.run(
                [self._psql(), "-X", "-qtA", "-d", self._database, "-c", query],
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
            )
            return done.stdout.strip()
        with contextlib.closing(sqlite3.connect(self.file, timeout=30)) as db:
            return str(db.execute(query).fetchone()[0])

    @staticmethod
    def _psql():
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/psql"))
        return str(found[-1]) if found else "psql"

    def plant(self, table, revision, **how):
        """Adds one row; returns the error message, or None."""
        columns, values = PLANTED[table]
        texts = ", ".join(value.format(r=revision, key=json.dumps(KEY)) for value in values)
        return self.run(f"INSERT INTO {table} ({columns}) VALUES ({texts})", **how)


def databases(place):
    """Yields a ledger address of each kind of database."""
    return [("SQLite", place.sqlite()), ("PostgreSQL", place.postgres())]


def filled(place, database, rounds=3):
    """Makes a ledger with some figures; returns the key of an admin."""
    key = place.key(database, "admin")
    for month in range(1, rounds + 1):
        file = place.folder / f"{month}.csv"
        file.write_text(FIGURES.format(month=month, value=100 + month))
        done = place.run("import", file, "--database", database)
        if done.returncode:
            raise Fault(f"import: {done.stderr}")
    return key


def refuses(place, served, sentence, seconds=10):
    """Whether /readyz of a service reports an error within some seconds."""
    caller, deadline = Caller(served), time.monotonic() + seconds
    while caller.get("/readyz").status != 503:
        if time.monotonic() > deadline:
            return place.check(False, f"{sentence}: /readyz does not report it")
        time.sleep(0.1)
    return True


@attack("rows added behind the service")
def a_planted_key_signs_nobody_in(place):
    """Inserts a key row with revisions of all kinds, before the start and while the service
    runs."""
    for kind, database in databases(place):
        admin = filled(place, database)
        tables = Tables(place, database)
        newest = int(tables.one("SELECT max(revision) FROM revisions"))
        served = place.serve(database, name=kind)
        for revision in (0, -7, 1_000_000, newest, 1):
            refused = tables.plant("declarations", revision)
            if refused is None and tables.file is None:
                place.check(False, f"{kind}: the database accepts a row of revision {revision}")
            if refused:
                tables.plant("declarations", revision, past_triggers=True)
            time.sleep(0.6)
            place.check(
                Caller(served, EVIL).get("/api/v1/me").status == 401,
                f"{kind}: a key planted at revision {revision} signs in",
            )
            verified = place.run("verify", "--database", database)
            place.check(
                verified.returncode == 1 and "declarations" in verified.stdout,
                f"{kind}: verify does not name a row at {revision}",
                verified.stdout,
            )
            if revision in (newest, 1):
                again = place.run(
                    "serve", "--listen", "127.0.0.1:0", "--database", database, timeout=30
                )
                place.check(
                    again.returncode == 1 and f"Revision {revision} " in again.stderr,
                    f"{kind}: serve accepts revision {revision}",
                    again.stderr,
                )
            tables.run(
                f"DELETE FROM declarations WHERE revision = {revision} AND code = 'evil000000'",
                past_triggers=True,
            )
        place.check(
            Caller(served, admin).get("/api/v1/me").status == 200,
            f"{kind}: the valid key no longer signs in",
        )
        served.stop()


@attack("rows added behind the service")
def a_row_of_the_future_does_not_stop_the_watch_for_keys(place):
    """The running service refuses keys that the command line has revoked, within about a second,
    although there is a row of revision 1000000."""
    for kind, database in databases(place):
        filled(place, database)
        reader = place.key(database, "reader")
        served = place.serve(database, name=kind)
        place.check(
            Caller(served, reader).get("/api/v1/me").status == 200,
            f"{kind}: the key does not sign in at first",
        )
        Tables(place, database).plant("declarations", 1_000_000, past_triggers=True)
        time.sleep(0.8)  # time for the service to notice the row
        revoked = place.run("keys", "revoke", reader.split("_")[1], "--database", database)
        began = time.monotonic()
        while Caller(served, reader).get("/api/v1/me").status != 401:
            if time.monotonic() - began > 2:
                place.check(False, f"{kind}: a revoked key is accepted 2 s later", revoked.stderr)
                break
            time.sleep(0.05)
        served.stop()


@attack("rows added behind the service")
def a_revision_that_does_not_fit_is_not_taken_in(place):
    """A complete revision with a wrong hash is added while the service runs: reads use the verified
    state, and writes are refused."""
    for kind, database in databases(place):
        admin = filled(place, database)
        served = place.serve(database, name=kind)
        tables = Tables(place, database)
        newest = int(tables.one("SELECT max(revision) FROM revisions"))
        if tables.plant("revisions", newest + 1):
            tables.plant("revisions", newest + 1, past_triggers=True)
        tables.plant("observations", newest + 1, past_triggers=True)
        refuses(place, served, f"{kind}: a revision with a wrong hash")
        caller = Caller(served, admin)
        ledger = json.loads(caller.get("/api/v1/ledger").body)
        place.check(ledger["revision"] == newest, f"{kind}: the revision was applied", ledger)
        reply = caller.post(
            "/api/v1/observations", FIGURES.format(month=9, value=1), content="text/csv"
        )
        place.check(reply.status == 503, f"{kind}: response {reply.status} to a write", reply.body)
        place.check(
            f"Revision {newest + 1} " in served.log(), f"{kind}: the log does not name the revision"
        )
        served.stop()
        again = place.run("serve", "--listen", "127.0.0.1:0", "--database", database, timeout=30)
        place.check(again.returncode == 1, f"{kind}: serve starts with it", again.stderr)


@attack("rows added behind the service")
def rows_that_block_the_next_revision_are_reported_before_a_write(place):
    """Rows far ahead keep the next revision from being written: /readyz says so without a write,
    reads continue, and everything works again once the row is gone."""
    for kind, database in databases(place):
        admin = filled(place, database)
        served, tables = place.serve(database, name=kind), Tables(place, database)
        caller, month = Caller(served, admin), 8
        # PostgreSQL's figures of a revision to come do not keep it from being written.
        for table in ("revisions", "observations") if tables.file else ("revisions",):
            month += 1
            what = f"{kind}: a future row of {table}"
            tables.plant(table, 1_000_000, past_triggers=True)
            refuses(place, served, what, seconds=3)
            place.check(f"table {table}" in served.log().lower(), f"{what} is not in the log")
            place.check(
                caller.get("/api/v1/units?limit=1").status == 200, f"{what}: reads do not continue"
            )
            figures = FIGURES.format(month=month, value=1)
            reply = caller.post("/api/v1/observations", figures, content="text/csv")
            place.check(reply.status == 503, f"{what}: {reply.status} to a write", reply.body)
            tables.run(f"DELETE FROM {table} WHERE revision = 1000000", past_triggers=True)
            until(lambda caller=caller: caller.get("/readyz").status == 200, 3, "ready again")
            reply = caller.post("/api/v1/observations", figures, content="text/csv")
            place.check(reply.status == 201, f"{what}: {reply.status} without it", reply.body)
        served.stop()


@attack("rows added behind the service")
def triggers_that_are_gone_are_reported_at_the_start(place):
    """A trigger is dropped behind the service: verify and the log of the next start name it."""
    for kind, database in databases(place):
        filled(place, database)
        tables, (trigger, table) = Tables(place, database), ("closings_stay", "")
        if tables.file is None:
            trigger, table = "append_only", " ON closings"
        place.check(
            tables.run(f"DROP TRIGGER {trigger}{table}") is None, f"{kind}: it cannot be dropped"
        )
        verified = place.run("verify", "--database", database)
        named = f"closings.{trigger} is missing"
        place.check(
            verified.returncode == 1 and named in verified.stdout,
            f"{kind}: verify does not name it",
            verified.stdout,
        )
        served = place.serve(database, name=f"{kind}-without")
        served.stop()
        place.check(named in served.log(), f"{kind}: the log does not name it", served.log()[-500:])


@attack("rows added behind the service")
def rows_planted_anywhere_are_noticed(place):
    """A row with a random table, revision and moment is planted: the database refuses it, or the
    service (at its start or later) or verify names it."""
    dice = random.Random(place.long)
    rounds, refused = 200 if place.long else 20, 0
    for kind, database in databases(place):
        admin = filled(place, database)
        tables = Tables(place, database)
        served = None
        for number in range(rounds // 2):
            table = dice.choice(sorted(PLANTED))
            newest = int(tables.one("SELECT max(revision) FROM revisions"))
            revision = dice.choice([0, -7, 1_000_000, newest + 1, *range(1, newest + 1)])
            if dice.random() < 0.5 and served is None:
                served = place.serve(database, name=f"{kind}{number}")
            if tables.plant(table, revision):
                refused += 1
                if tables.plant(table, revision, past_triggers=True):
                    continue  # the same row exists already
            verified = place.run("verify", "--database", database)
            named = table in verified.stdout and str(revision) in verified.stdout
            place.check(
                verified.returncode == 1 and named,
                f"{kind}: a row of {table} at {revision} is not named by verify",
                verified.stdout,
            )
            if served:
                place.check(
                    Caller(served, EVIL).get("/api/v1/me").status == 401,
                    f"{kind}: planted {table} at {revision} signs in",
                )
                place.check(
                    Caller(served, admin).get("/api/v1/me").status == 200,
                    f"{kind}: planted {table} at {revision} stops the service",
                )
                served.stop()
                served = None
            else:
                # Not applied: it refuses to start, or starts and shows nothing of the row.
                started = place.run("keys", "list", "--database", database)
                place.check(
                    "evil" not in started.stdout and "planted" not in started.stdout,
                    f"{kind}: {table} at {revision} is loaded",
                    started.stdout,
                )
            condition = (
                "number = 9999"
                if table == "unit_numbers"
                else "id = 9999"
                if table == "measures"
                else "version = 99"
                if table == "catalogue_versions"
                else ""
            )
            conditions = {
                "submissions": "id = 'EVIL'",
                "declarations": "code = 'evil000000'",
                "revisions": "actor = 'nobody'",
                "observations": "mantissa = 666",
                "unit_versions": "document = '{}'",
                "touched_units": "unit = 3",
                "closings": "month = 24262",
            }
            condition = condition or conditions[table]
            tables.run(
                f"DELETE FROM {table} WHERE {condition} AND revision = {revision}",
                past_triggers=True,
            )
            sound = place.run("verify", "--database", database)
            if not place.check(
                sound.returncode == 0,
                f"{kind}: the ledger is not restored without the row",
                sound.stdout,
            ):
                break
    return f"{rounds} rows, {refused} refused by triggers"


@attack("backup killed")
def what_is_no_ledger_is_refused(place):
    """An empty file, tables without a revision, other spellings of hashes; verify changes
    nothing."""
    empty = place.folder / "empty.db"
    empty.touch()
    done = place.run("verify", "--database", f"sqlite://{empty}")
    place.check(
        done.returncode == 1 and empty.stat().st_size == 0,
        "verify accepts an empty file as a ledger",
        done.stdout + done.stderr,
    )
    database = place.sqlite()
    filled(place, database)
    hollow = place.folder / "hollow.db"
    with contextlib.closing(sqlite3.connect(database.removeprefix("sqlite://"))) as db:
        db.execute("VACUUM INTO ?", (str(hollow),))
    tables = Tables(place, f"sqlite://{hollow}")
    everything = "; ".join(f"DELETE FROM {table}" for table in PLANTED)
    tables.run(everything, past_triggers=True)
    before = hollow.read_bytes()
    for command in (("verify",), ("serve", "--listen", "127.0.0.1:0"), ("keys", "list")):
        done = place.run(*command, "--database", f"sqlite://{hollow}", timeout=30)
        place.check(
            done.returncode == 1,
            f"{command[0]} accepts tables without a first revision",
            done.stdout + done.stderr,
        )
        if command == ("verify",):
            place.check(hollow.read_bytes() == before, "verify changes the file that it reads")
    sound = place.run("verify", "--database", database).stdout
    digest = sound.split("hash ")[1].split()[0]
    for hash_ in (digest.upper(), f"  {digest} ", f"{digest}\n"):
        done = place.run("verify", "--database", database, "--hash", hash_)
        place.check(done.returncode == 0, f"verify --hash does not accept {hash_!r}", done.stdout)
    # A file that is missing or has 0 bytes becomes a new ledger.
    place.serve(f"sqlite://{empty}").stop()
    place.check(
        place.run("verify", "--database", f"sqlite://{empty}").returncode == 0,
        "an empty file does not become a ledger",
    )


@attack("backup killed")
def a_copy_that_was_killed_is_no_copy(place):
    """`backup` and `export` are killed: under the final name there is a complete file or none, and
    leftovers can be recognised by their names."""
    database = place.sqlite()
    filled(place, database)
    names = {"backup": "copy.db", "export": "copy.zip"}
    for command, name in names.items():
        for number in range(40 if place.long else 8):
            file = place.folder / f"{number}-{name}"
            process = subprocess.Popen(
                [binary(), command, str(file), "--database", database],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment(),
            )
            time.sleep(random.Random(number).uniform(0.0, 0.25))
            process.send_signal(signal.SIGKILL)
            process.wait()
            if file.exists():
                mode = file.stat().st_mode & 0o777
                place.check(mode == 0o600, f"{command}: other users can read the file", oct(mode))
                target = (
                    f"sqlite://{file}"
                    if command == "backup"
                    else f"sqlite://{place.folder}/{number}-back.db"
                )
                if command == "export":
                    place.check(
                        place.run("import", file, "--database", target).returncode == 0,
                        "an archive is not complete",
                    )
                place.check(
                    place.run("verify", "--database", target).returncode == 0,
                    f"{command}: a file under the final name is not complete",
                    str(file),
                )
    left = [path for path in place.folder.iterdir() if ".partial" in path.name]
    others = [
        path for path in place.folder.iterdir() if path.name.startswith(".") and path not in left
    ]
    place.check(not others, "a leftover file cannot be recognised by its name", str(others))
    for path in left[:3]:
        for command in (("verify",), ("serve", "--listen", "127.0.0.1:0")):
            done = place.run(*command, "--database", f"sqlite://{path}", timeout=30)
            place.check(done.returncode != 0, f"{command[0]} accepts {path.name}", done.stdout)
    return f"{len(left)} leftover files"


@attack("the ledger's file removed or replaced under a running service")
def no_write_is_answered_into_a_file_that_is_gone(place):
    """After `rm`, `mv` or another file in its place no write is confirmed, /readyz and the log say
    why, and reads still work."""
    for act in ("rm", "mv", "replace"):
        database = place.sqlite(act)
        admin = filled(place, database, rounds=1)
        served = place.serve(database, name=act)
        caller, file = Caller(served, admin), Path(database.removeprefix("sqlite://"))
        if act == "rm":
            file.unlink()
        else:
            file.rename(file.with_suffix(".moved"))
        if act == "replace":
            place.run("import", place.folder / "1.csv", "--database", database)
        reply = caller.post(
            "/api/v1/observations", FIGURES.format(month=9, value=1), content="text/csv"
        )
        place.check(reply.status == 503, f"{act}: response {reply.status} to a write", reply.body)
        refuses(place, served, f"{act}: the file is missing", seconds=3)
        place.check(
            caller.get(
                "/api/v1/series?measure=ioffice.documents.outgoing&unit=travinh&last=1"
            ).status
            == 200,
            f"{act}: reads do not work",
        )
        place.check("removed or replaced" in served.log(), f"{act}: the log does not report it")
        served.stop()


@attack("another role on the database")
def a_role_that_may_only_connect_does_not_block_writes(place):
    """Another role takes the advisory lock that the service used earlier; then a role with the
    permission locks the table, and the log names it."""
    database = place.postgres()
    admin = filled(place, database, rounds=1)
    served = place.serve(database)
    caller = Caller(served, admin)
    tables = Tables(place, database)
    tables.run("CREATE ROLE passer_by LOGIN")
    for other, statement, status in (
        ("passer_by", f"SELECT pg_advisory_lock({0x65676F7600000001})", 201),
        ("passer_by", "BEGIN; LOCK TABLE writer_lock IN ACCESS SHARE MODE", 201),
        ("postgres", "BEGIN; LOCK TABLE writer_lock IN SHARE ROW EXCLUSIVE MODE", 503),
    ):
        address = database.replace("postgres@", f"{other}@", 1)
        holder = subprocess.Popen(
            [Tables._psql(), "-X", "-q", "-d", address],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        holder.stdin.write(statement + ";\n")
        holder.stdin.flush()
        time.sleep(0.5)
        began = time.monotonic()
        reply = caller.post(
            "/api/v1/observations",
            FIGURES.format(month=8, value=time.time_ns() % 1_000_000),
            content="text/csv",
        )
        place.check(
            reply.status == status,
            f"{other}, {statement}: {reply.status} instead of {status}",
            reply.body,
        )
        place.check(
            time.monotonic() - began < 21,
            f"{statement}: the response took {time.monotonic() - began:.1f} s",
        )
        holder.kill()
        holder.wait()
    place.check(
        "writer_lock" in served.log() and "postgres" in served.log(),
        "the log does not name the holder of the lock",
    )
    reply = caller.post(
        "/api/v1/observations", FIGURES.format(month=8, value=7), content="text/csv"
    )
    place.check(reply.status in (200, 201), f"afterwards: {reply.status}", reply.body)
    served.stop()


@attack("PostgreSQL frozen")
def a_database_that_stands_still_holds_up_no_answer(place):
    """The server is stopped (SIGSTOP) for 37 s: a write gets 503 within 20 s and reads from memory
    work; afterwards everything works."""
    cluster = own_cluster(place.folder / "frozen", False).start()
    cluster.create_database("frozen")
    database = cluster.url("frozen")
    admin = filled(place, database, rounds=1)
    served = place.serve(database)
    caller = Caller(served, admin, timeout=60)
    place.check(
        caller.post(
            "/api/v1/observations", FIGURES.format(month=7, value=1), content="text/csv"
        ).status
        == 201,
        "the first write",
    )
    pids = [
        int(pid)
        for pid in subprocess.run(
            ["pgrep", "-f", str(place.folder / "frozen")],
            capture_output=True,
            text=True,
            check=False,
        ).stdout.split()
    ]
    children = {
        int(pid)
        for parent in pids
        for pid in subprocess.run(
            ["pgrep", "-P", str(parent)], capture_output=True, text=True, check=False
        ).stdout.split()
    }
    frozen = [pid for pid in {*pids, *children} if pid != os.getpid()]
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    seconds = 37 if place.long else 24
    thaw = threading.Timer(seconds, lambda: [os.kill(pid, signal.SIGCONT) for pid in frozen])
    thaw.start()
    began, slow, reads = time.monotonic(), [], []

    def write(headers):
        started = time.monotonic()
        reply = Caller(served, admin, timeout=60).post(
            "/api/v1/observations",
            FIGURES.format(month=7, value=int(started * 1000) % 1_000_000),
            headers=headers,
            content="text/csv",
        )
        slow.append((time.monotonic() - started, reply.status, reply.body[:200]))

    writers = [
        threading.Thread(target=write, args=({"Idempotency-Key": f"k{n}"} if n % 2 else {},))
        for n in range(4)
    ]
    for writer in writers:
        writer.start()
        time.sleep(0.2)
    while any(writer.is_alive() for writer in writers):
        started = time.monotonic()
        place.check(
            caller.get(
                "/api/v1/series?measure=ioffice.documents.outgoing&unit=travinh&last=1"
            ).status
            == 200,
            "a read got no response",
        )
        reads.append(time.monotonic() - started)
        time.sleep(0.2)
    for took, status, body in slow:
        place.check(status == 503, f"response {status} to a write", body)
        place.check(took < 21, f"a write took {took:.1f} s", body)
    place.check(max(reads) < 2, f"a read took {max(reads):.1f} s")
    thaw.join()
    deadline = time.monotonic() + 30
    while caller.post(
        "/api/v1/observations", FIGURES.format(month=7, value=2), content="text/csv"
    ).status not in (200, 201):
        if not place.check(time.monotonic() < deadline, "30 s later a write is not accepted"):
            break
        time.sleep(0.5)
    served.stop()
    place.check(
        place.run("verify", "--database", database).returncode == 0,
        "the ledger does not verify afterwards",
    )
    return (
        f"writes {max(took for took, *_ in slow):.1f} s, reads {max(reads):.2f} s, all after "
        f"{time.monotonic() - began:.0f} s"
    )


@attack("rows added behind the service")
def a_witness_shows_a_ledger_that_was_cut_off(place):
    """Lines written by `witness` and by `serve` are compared with the ledger unchanged, cut off and
    rewritten."""
    for kind, database in databases(place):
        admin = filled(place, database)
        file = place.folder / f"{kind}.witness"
        served = place.serve(database, "--witness-file", str(file), name=kind)
        reply = Caller(served, admin).post(
            "/api/v1/observations", FIGURES.format(month=9, value=1), content="text/csv"
        )
        place.check(reply.status == 201, f"{kind}: response {reply.status} to a write", reply.body)
        served.stop()
        line = place.run("witness", "--database", database).stdout.strip()
        place.check(
            file.read_text().splitlines()[-1] == line,
            f"{kind}: the last line of the file differs from the ledger",
            file.read_text()[-300:],
        )
        place.check(
            place.run("witness", "--check", line, "--database", database).returncode == 0,
            f"{kind}: the line of the unchanged ledger does not agree",
        )
        newest = int(line.split()[2])
        tables = Tables(place, database)
        order = [
            "observations",
            "touched_units",
            "declarations",
            "closings",
            "submissions",
            "unit_versions",
            "catalogue_versions",
            "measures",
            "unit_numbers",
            "revisions",
        ]
        dropped = "; ".join(f"DELETE FROM {table} WHERE revision = {newest}" for table in order)
        refused = tables.run(dropped, past_triggers=True)
        place.check(refused is None, f"{kind}: rows cannot be removed from the ledger", refused)
        place.check(
            place.run("verify", "--database", database).returncode == 0,
            f"{kind}: a cut-off ledger is detected without a witness",
        )
        for wrong in (line, line.replace(f"revision {newest} ", f"revision {newest - 1} ")):
            done = place.run("witness", "--check", wrong, "--database", database)
            place.check(
                done.returncode == 1 and done.stdout,
                f"{kind}: the line agrees with another ledger",
                done.stdout + done.stderr,
            )


@attack("idempotency answers")
def a_forged_answer_is_not_given_as_the_services_own(place):
    """Planted rows in `idempotency_keys` claim that a request was recorded, with an existing
    revision or a missing one."""
    for kind, database in databases(place):
        admin = filled(place, database)
        served = place.serve(database, name=kind)
        caller, tables = Caller(served, admin), Tables(place, database)
        path, body = "/api/v1/observations", FIGURES.format(month=9, value=4321)
        first = caller.post(path, body, headers={"Idempotency-Key": "right"}, content="text/csv")
        again = caller.post(path, body, headers={"Idempotency-Key": "right"}, content="text/csv")
        place.check(
            first.status == again.status == 201
            and json.loads(first.body) == json.loads(again.body),
            f"{kind}: a response is not repeated",
            again.body,
        )
        tables.run(
            "INSERT INTO idempotency_keys SELECT holder, target, 'forged', body_hash, "
            "recorded_at, answer FROM idempotency_keys WHERE key = 'right'"
        )
        forged = caller.post(path, body, headers={"Idempotency-Key": "forged"}, content="text/csv")
        place.check(forged.status == 409, f"{kind}: a copied response is repeated", forged.body)
        digest = hashlib.sha256(FIGURES.format(month=9, value=5555).encode()).hexdigest()
        tables.run(
            f"INSERT INTO idempotency_keys SELECT holder, target, 'other', '{digest}', "
            "recorded_at, replace(answer, '\"revision\":', '\"revision\":9000') "
            "FROM idempotency_keys WHERE key = 'right'"
        )
        other = caller.post(
            path,
            FIGURES.format(month=9, value=5555),
            headers={"Idempotency-Key": "other"},
            content="text/csv",
        )
        place.check(
            other.status == 409,
            f"{kind}: a response of a missing revision is repeated",
            other.body,
        )
        fresh = caller.post(
            path,
            FIGURES.format(month=9, value=5555),
            headers={"Idempotency-Key": "new"},
            content="text/csv",
        )
        place.check(
            fresh.status == 201, f"{kind}: a request with a new key is not recorded", fresh.body
        )
        served.stop()


@attack("rows added behind the service")
def a_key_in_a_revision_with_a_right_hash_signs_nobody_in(place: Place):
    """An attacker with write access appends a complete revision with a key and a correct hash; with
    --key-secret-file that key does not sign in."""
    secret = place.folder / "secret"
    secret.write_text("0123456789abcdef0123456789abcdef\n")
    secret.chmod(0o600)
    database, with_secret = place.sqlite(), ("--key-secret-file", str(secret))
    old = place.key(database, "admin")  # made before the secret is used
    # With the program and write access an attacker can make a revision with a correct hash, but
    # without the secret.
    planted = place.key(database, "admin")
    served = place.serve(database, *with_secret)
    for name, key in (("made before the secret", old), ("planted", planted)):
        status = Caller(served, key).get("/api/v1/me").status
        place.check(
            status == 401, f"a key {name} signs in although it was not made with the secret", status
        )
    served.stop()
    told = place.run("verify", "--database", database, *with_secret)
    place.check(
        told.returncode == 1 and told.stdout.count("was not written by an instance") == 2,
        "verify does not name the keys",
        told.stdout,
    )
    listed = place.run("keys", "list", "--database", database, *with_secret).stdout
    place.check(listed.count("unauthenticated") == 2, "the list does not report it", listed)
    # The operator revokes unknown keys and adopts the others.
    place.run("keys", "revoke", planted.split("_")[1], "--database", database, *with_secret)
    adopted = place.run("keys", "authenticate", "--database", database, *with_secret)
    place.check(adopted.returncode == 0, "the keys cannot be adopted", adopted.stderr)
    served = place.serve(database, *with_secret)
    place.check(
        Caller(served, old).get("/api/v1/me").status == 200, "an adopted key does not sign in"
    )
    place.check(Caller(served, planted).get("/api/v1/me").status == 401, "a revoked key signs in")
    made = Caller(served, old).post("/api/v1/keys", '{"name": "new", "role": "reader"}')
    place.check(made.status == 201, "a key cannot be created", made.body)
    fresh = json.loads(made.body)["key"]
    place.check(
        Caller(served, fresh).get("/api/v1/me").status == 200,
        "a key created by an instance does not sign in",
    )
    # A revision that is appended while the service runs is applied, but its key is not trusted.
    late = place.key(database, "admin")
    time.sleep(1.5)
    place.check(
        Caller(served, late).get("/api/v1/me").status == 401,
        "a key that was appended while the service ran signs in",
    )
    served.stop()
    told = place.run("verify", "--database", database, *with_secret)
    place.check(
        told.stdout.count("was not written by an instance") == 1,
        "verify does not name exactly the late key",
        told.stdout,
    )
