#!/usr/bin/env -S python3 -B
"""Recomputes the hash chain of an archive that `egov-kpi export` wrote, from the description in
docs/archive.md alone.

chain.py ARCHIVE      exit code 0: every revision is unchanged; 1: prints the first that is not
"""

import csv
import hashlib
import io
import json
import sys
import zipfile

csv.field_size_limit(1 << 30)  # a catalogue is one cell


def number(value):
    """Encodes a number in 8 bytes, big-endian; a missing mantissa is -2^63."""
    return (-(2**63) if value == "" else int(value)).to_bytes(8, "big", signed=True)


def text(cell):
    """Encodes a text: its length in bytes as a number, then its bytes."""
    return number(len(cell.encode())) + cell.encode()


def maybe(cell):
    """Encodes a text that may be missing: an empty cell is missing; a leading backslash is
    removed."""
    return number(-1) if cell == "" else text(cell.removeprefix("\\"))


def flag(cell):
    """Encodes a flag as 1 or 0."""
    return number({"true": 1, "false": 0}[cell])


# The tables in the order in which they are hashed: their columns with the encoding of each, and the
# column that orders the rows. Each table begins with the number of its rows, also submissions and
# catalogue versions, of which a revision has at most one. Declarations and origins were added
# later: without rows they contribute nothing, not even a count; before an origin comes -2 instead
# of a count. Archives of version 1 have neither table, those of version 2 have no origins.
SINCE = {"declarations.csv": 2, "origins.csv": 3}
TABLES = {
    "submissions.csv": (
        dict(
            id=text,
            source_kind=text,
            reference=maybe,
            created=number,
            revised=number,
            unchanged=number,
            withdrawn=number,
            findings=text,
            withdraws=maybe,
        ),
        ["id"],
    ),
    "measures.csv": (dict(id=number, code=text, members=text), ["id"]),
    "unit_numbers.csv": (dict(number=number, code=text), ["number"]),
    "unit_versions.csv": (dict(unit=number, document=text), ["unit"]),
    "catalogue_versions.csv": (dict(version=number, document=text), ["version"]),
    "closings.csv": (dict(month=number, closed=flag), ["month"]),
    "declarations.csv": (dict(kind=text, code=text, document=maybe), ["kind", "code"]),
    "origins.csv": (dict(document=text), ["document"]),
    "observations.csv": (
        dict(unit=number, measure=number, month=number, mantissa=number, scale=number),
        ["unit", "measure", "month"],
    ),
}


def rows(archive, name):
    """Yields the rows of a table as dicts."""
    return csv.DictReader(io.TextIOWrapper(archive.open(name), "utf-8", newline=""))


def by_revision(archive, name):
    """Returns a function that gives the rows of a revision; call it with ascending revisions."""
    source = rows(archive, name)
    ahead = next(source, None)

    def of(revision):
        nonlocal ahead
        found = []
        while ahead and (revision is None or int(ahead["revision"]) == revision):
            found.append(ahead)
            ahead = next(source, None)
        return found

    return of


def check(archive):
    """Returns a sentence about the first difference, or None."""
    said = json.loads(archive.read("ledger.json"))
    if said["format"] != "egov-kpi ledger" or said["version"] not in (1, 2, 3):
        return f"this is version {said['version']} of the format {said['format']}"
    tables = {
        name: by_revision(archive, name) for name in TABLES if said["version"] >= SINCE.get(name, 1)
    }
    last, recorded_at, before = 0, 0, hashlib.sha256(b"egov-kpi ledger 1").digest()
    for line in rows(archive, "revisions.csv"):
        revision = int(line["revision"])
        link = hashlib.sha256(
            before
            + number(revision)
            + number(line["recorded_at"])
            + text(line["kind"])
            + text(line["actor"])
            + maybe(line["reason"])
        )
        for name, of in tables.items():
            columns, order = TABLES[name]
            found = of(revision)
            if name in SINCE and not found:
                continue
            found.sort(
                key=lambda row: [
                    row[column] if columns[column] is text else int(row[column]) for column in order
                ]
            )
            link.update(number(-2 if name == "origins.csv" else len(found)))
            for row in found:
                link.update(b"".join(written(row[column]) for column, written in columns.items()))
        before = link.digest()
        if revision != last + 1 or before.hex() != line["hash"]:
            return f"revision {revision} is not as it was written"
        last, recorded_at = revision, int(line["recorded_at"])
    for name, of in tables.items():
        if left := of(None):
            return f"{name}: there is no revision {left[0]['revision']}"
    if (last, recorded_at, before.hex()) != (said["revision"], said["recorded_at"], said["hash"]):
        return (
            f"ledger.json says that revision {said['revision']} is the newest, with the hash "
            f"{said['hash']}"
        )
    return None


def main():
    with zipfile.ZipFile(sys.argv[1]) as archive:
        if difference := check(archive):
            sys.exit(difference)  # on standard error, with exit code 1
        print(
            "every revision is as it was written; the newest hash is "
            f"{json.loads(archive.read('ledger.json'))['hash']}"
        )


if __name__ == "__main__":
    main()
