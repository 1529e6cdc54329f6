#!/usr/bin/env -S python3 -B
"""Upgrades real ledgers from the program of an earlier release to this one, and takes the way back.

The earlier program is built from its commit, with its own migrations, and makes a ledger: invented
figures of a province, those of a real report, a report as text, a correction with a reason, a
closed month, keys. Then

- this program reads the ledger before the upgrade (`verify` and `witness` do not change it);
- it serves it, which upgrades it: all responses, all tables of the export and the newest hash are
  the same as before, `verify` passes, and it takes a further correction;
- the earlier program refuses the upgraded ledger with exit code 3, names both formats, and leaves
  it as it is (unless both have the same format: then it opens it);
- the way back: this program exports, the earlier one imports into an empty ledger and serves it:
  the newest hash and all responses are the same, `verify` passes;
- the backup that the earlier program made before the upgrade is still one that it restores.

  tests/deploy/upgrade.py [--before PROGRAM | --commit COMMIT]
      --before   the earlier program. Default: built below target/ from COMMIT
      --commit   default: the newest release's tag before this commit; before the first release,
                 the last commit before the newest format of the ledger

EGOV_KPI names this program (default target/release/egov-kpi). With EGOV_KPI_TEST_POSTGRES it does
the same over PostgreSQL. Prints each failed check and one line at the end; exit code 0, or 1."""

import argparse
import csv
import hashlib
import io
import os
import re
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# The last commit with the format 20261128000000, while no release has a tag.
COMMIT = "21622745c1fc1ba0277e0bc3e2135121b655901e"
FIGURES = ROOT / "catalogue" / "travinh-2021-10.csv"  # of a real report
REPORT = ROOT / "tests" / "reports" / "cases" / "a-travinh-2021-12.md"
# What both programs are asked for, as CSV.
QUESTIONS = [
    "/series?measure=ioffice.documents.outgoing&unit=gen.p01&from=2020-01&to=2023-12&format=csv",
    "/series?measure=ioffice.documents.signed_rate&unit=gen.p01&from=2020-01&to=2023-12&format=csv",
    "/series?measure=ioffice.documents.signed_rate&unit=travinh&from=2020-01&to=2023-12&format=csv",
    "/observations?unit=travinh&format=csv",
    "/findings?format=csv",
    "/units?format=csv",
]
# Columns that carry a figure or its identity; others may come with a new release.
COLUMNS = ["measure", "indicator", "unit", "period", "value", "coverage", "code", "rule", "detail"]
passed, failed = 0, 0


def check(what, holds, found=""):
    """Counts a check; prints `found` when it fails."""
    global passed, failed
    if holds:
        passed += 1
    else:
        failed += 1
        print(f"FAILED: {what}\n        {found}".rstrip())
    return holds


def same(what, found, expected):
    shown = f"found    {str(found)[:1000]}\n        expected {str(expected)[:1000]}"
    return check(what, found == expected, shown)


class Program:
    """A program and what it is asked to do with a ledger."""

    def __init__(self, path, name):
        self.path, self.name = str(path), name

    def run(self, *arguments, code=0):
        """Runs a command; returns its output. Another exit code is a failed check."""
        kept = ("PATH", "HOME", "TMPDIR", "LANG")
        done = subprocess.run(
            [self.path, *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            env={key: os.environ[key] for key in kept if key in os.environ},
        )
        what = f"{self.name} {' '.join(map(str, arguments))}: exit code {code}"
        check(what, done.returncode == code, f"{done.returncode} {done.stdout} {done.stderr}")
        return done.stdout if code == 0 else done.stderr

    def witness(self, address):
        return self.run("witness", "--database", address).strip()

    def verify(self, address):
        self.run("verify", "--database", address)

    def tables(self, address, folder):
        """Exports a ledger; returns the hash of each table, without sessions of the program."""
        archive = Path(folder) / f"{self.name}-{len(list(Path(folder).iterdir()))}.zip"
        self.run("export", archive, "--database", address)
        with zipfile.ZipFile(archive) as opened:
            found = {
                name: hashlib.sha256(opened.read(name)).hexdigest() for name in opened.namelist()
            }
        return archive, found

    def answers(self, address, key):
        """Serves a ledger; returns the rows of each response."""
        command = [self.path, "serve", "--listen", "127.0.0.1:0", "--database", address]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            noted, answers = [], {}
            reader = threading.Thread(target=lambda: noted.extend(process.stderr))
            reader.start()
            try:
                for line in process.stdout:
                    if found := re.match(r"listening on (http://\S+)", line):
                        until_ready(found[1])
                        for path in QUESTIONS:
                            answers[path] = rows(ask(f"{found[1]}/api/v1{path}", key))
                        break
            finally:
                process.terminate()
                reader.join()
        served = set(answers) == set(QUESTIONS)
        check(f"{self.name} serves {address}", served, "".join(noted))
        check(f"{self.name} ends", process.returncode == 0, f"{process.returncode} {noted}")
        return answers


def until_ready(address):
    """Waits until a service has loaded its ledger."""
    began = time.monotonic()
    while True:
        try:
            urllib.request.urlopen(f"{address}/readyz", timeout=10).close()
            return
        except urllib.error.HTTPError as error:
            if time.monotonic() - began > 120:
                raise SystemExit(f"not ready after 120 s: {error.read().decode()}") from error
            time.sleep(0.2)


def ask(url, key):
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {key}"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{url}: {error.code} {error.read().decode()}") from error


def rows(text):
    """Returns the rows of a CSV response, with the columns that every release has."""
    found = [
        tuple((name, row[name]) for name in COLUMNS if name in row)
        for row in csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    ]
    return sorted(found)


class Sqlite:
    """Ledgers in files."""

    name = "SQLite"

    def __init__(self, folder):
        self.folder = Path(folder)

    def address(self, name):
        return f"sqlite://{self.folder / name}.db"

    def format(self, name):
        """Returns the format of a ledger: its newest migration."""
        with sqlite3.connect(f"file:{self.folder / name}.db?mode=ro", uri=True) as ledger:
            (newest,) = ledger.execute("SELECT max(version) FROM __diesel_schema_migrations")
        ledger.close()
        return newest[0]

    def state(self, name):
        """Returns the content of the file, to see whether it was changed."""
        return hashlib.sha256((self.folder / f"{name}.db").read_bytes()).hexdigest()


class Postgres:
    """Ledgers in databases of a server."""

    name = "PostgreSQL"

    def __init__(self, server):
        self.server = server

    def psql(self, address, command):
        done = ["psql", "--no-psqlrc", "--tuples-only", "--no-align", "--command", command, address]
        return subprocess.run(done, check=True, capture_output=True, text=True).stdout.strip()

    def database(self, name):
        return f"upgrade_{name}_{os.getpid()}"

    def address(self, name):
        """Returns the address of a database, which it creates if it does not exist."""
        base = self.database(name)
        known = f"SELECT count(*) FROM pg_database WHERE datname = '{base}'"
        if self.psql(self.server, known) == "0":
            self.psql(self.server, f"CREATE DATABASE {base}")
        return urllib.parse.urlsplit(self.server)._replace(path=f"/{base}").geturl()

    def format(self, name):
        newest = "SELECT max(version) FROM __diesel_schema_migrations"
        return self.psql(self.address(name), newest)

    def state(self, name):
        """Returns the number of rows written by all transactions so far."""
        tables = "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_stat_user_tables"
        revisions = "SELECT count(*) FROM revisions"
        address = self.address(name)
        return self.psql(address, tables), self.psql(address, revisions), self.format(name)

    def remove(self, *names):
        for name in names:
            self.psql(self.server, f"DROP DATABASE IF EXISTS {self.database(name)} WITH (FORCE)")


def earlier_commit():
    """Returns the newest tag of a release before the checked-out commit, or COMMIT."""
    found = subprocess.run(
        ["git", "describe", "--tags", "--abbrev=0", "--match", "v*", "HEAD^"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() if found.returncode == 0 else COMMIT


def built(commit):
    """Builds the program of a commit below target/, unless it is there; returns its path."""
    asked = ["git", "rev-parse", "--verify", f"{commit}^{{commit}}"]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(
            f"{commit} is not in this repository; a shallow clone needs `git fetch --unshallow`"
        )
    target = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").absolute()
    folder = target / "before" / done.stdout.strip()
    program = folder / "target" / "debug" / "egov-kpi"
    if not program.exists():
        source = folder / "source"
        source.mkdir(parents=True, exist_ok=True)
        packed = subprocess.run(
            ["git", "archive", commit], cwd=ROOT, check=True, stdout=subprocess.PIPE
        ).stdout
        with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
            tar.extractall(source, filter="data")
        subprocess.run(
            ["cargo", "build", "--quiet", "--locked", "--bin", "egov-kpi"],
            cwd=source,
            check=True,
            env={**os.environ, "CARGO_TARGET_DIR": str(folder / "target")},
        )
    return program


def fill(program, address, folder):
    """Makes a ledger with an earlier program; returns the key of an admin."""
    units, figures = Path(folder) / "units.json", Path(folder) / "figures.csv"
    figures.write_text(program.run("generate", "--size", "1x12", "--units", units))
    place = ("--database", address)
    program.run("import", units, figures, FIGURES, *place)
    program.run("import", REPORT, "--unit", "travinh", "--period", "2021-12", *place)
    correction = Path(folder) / "correction.csv"
    first = next(csv.DictReader(figures.open()))
    text = f"{','.join(first)}\n{','.join((first | {'value': '7'}).values())}\n"
    correction.write_text(text)
    program.run("import", correction, "--reason", "đính chính", *place)
    program.run("periods", "close", "2021-12", "--reason", "đã chốt", *place)
    program.run(
        "keys", "add", "--name", "Finance", "--role", "reporter", "--unit", "gen.p01", *place
    )
    return program.run("keys", "add", "--name", "Admin", "--role", "admin", *place).strip()


def upgrade(before, after, place, folder):
    """Upgrades a ledger and takes the way back."""
    address = place.address("ledger")
    key = fill(before, address, folder)
    line, answers = before.witness(address), before.answers(address, key)
    for path, found in answers.items():
        check(f"{path} has rows", len(found) > 2, found)
    archive, tables = before.tables(address, folder)
    before.verify(address)
    old = place.format("ledger")
    if isinstance(place, Sqlite):
        before.run("backup", place.folder / "backup.db", "--database", address)

    # Reading does not upgrade.
    same("the witness before the upgrade", after.witness(address), line)
    after.verify(address)
    same("reading leaves the format", place.format("ledger"), old)

    # The upgrade.
    for path, found in after.answers(address, key).items():
        same(f"{path} after the upgrade", found, answers.get(path))
    new = place.format("ledger")
    same("the witness after the upgrade", after.witness(address), line)
    after.verify(address)
    _, upgraded = after.tables(address, folder)
    for name, found in tables.items():
        if name.endswith(".csv"):
            same(f"{name} after the upgrade", upgraded.get(name), found)
    correction = Path(folder) / "correction.csv"
    correction.write_text(correction.read_text().replace(",7", ",8"))
    after.run("import", correction, "--reason", "lần hai", "--database", address)
    line = after.witness(address)
    answers = after.answers(address, key)

    # The earlier program and the upgraded ledger.
    state = place.state("ledger")
    if new == old:
        same("the earlier program reads the same format", before.witness(address), line)
    else:
        for command in (
            ["serve", "--listen", "127.0.0.1:0"],
            ["import", correction],
            ["export", Path(folder) / "never.zip"],
        ):
            told = before.run(*command, "--database", address, code=3)
            is_clear = new in told and old in told and "newer" in told
            check(f"{command[0]} of the earlier program says why", is_clear, told)
        check("it writes no file", not (Path(folder) / "never.zip").exists())
        same("and leaves the ledger", place.state("ledger"), state)
        same("this program still reads it", after.witness(address), line)

    # The way back.
    back = place.address("back")
    archive, _ = after.tables(address, folder)
    before.run("import", archive, "--database", back)
    same("the format of the way back", place.format("back"), old)
    same("the witness on the way back", before.witness(back), line)
    before.verify(back)
    for path, found in before.answers(back, key).items():
        same(f"{path} on the way back", found, answers.get(path))
    if isinstance(place, Sqlite):
        before.run("drill", place.folder / "backup.db") if has(before, "drill") else None
        before.verify(place.address("backup"))
    return old, new


def has(program, command):
    return re.search(rf"(?m)^  {command} ", program.run("--help")) is not None


def main():
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--before", type=Path, metavar="PROGRAM")
    arguments.add_argument("--commit")
    asked = arguments.parse_args()
    commit = asked.commit or earlier_commit()
    before = Program(asked.before.absolute() if asked.before else built(commit), "before")
    after = Program(
        Path(os.environ.get("EGOV_KPI") or ROOT / "target" / "release" / "egov-kpi").absolute(),
        "after",
    )
    done = []
    with tempfile.TemporaryDirectory(prefix="egov-kpi-upgrade-") as folder:
        old, new = upgrade(before, after, Sqlite(folder), folder)
        done.append(f"SQLite {old} to {new}")
    if server := os.environ.get("EGOV_KPI_TEST_POSTGRES"):
        place = Postgres(server)
        with tempfile.TemporaryDirectory(prefix="egov-kpi-upgrade-") as folder:
            try:
                old, new = upgrade(before, after, place, folder)
            finally:
                place.remove("ledger", "back")
        done.append(f"PostgreSQL {old} to {new}")
    shown = asked.before or commit
    print(f"{passed} checks passed, {failed} failed: upgrade from {shown} and back, {done}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
