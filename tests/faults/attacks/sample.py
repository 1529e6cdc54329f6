"""A ledger with a sample province, used by several cases: invented figures of ten units, the
shipped report of October 2021, a report as text, targets, an annotation and a closed month."""

import json
import tempfile
from pathlib import Path

from common import ROOT, Fault
from registry import Caller

PROVINCE, UNIT = "gen.p01", "gen.p01.u003"  # of `generate`
MONTH = "2024-05"  # a month with figures of all units
OUTGOING, SIGNED, RATE = (
    "ioffice.documents.outgoing",
    "ioffice.documents.signed",
    "ioffice.documents.signed_rate",
)
REPORT = "Báo cáo tháng 10/2021. Văn bản đi: 23.517 văn bản."


def fill(place, database, size="1x10"):
    """Imports the sample figures with the command line; returns the key of an admin."""
    with tempfile.TemporaryDirectory(dir=place.folder) as folder:
        units, figures = Path(folder) / "units.json", Path(folder) / "figures.csv"
        done = place.run("generate", "--size", size, "--units", units)
        if done.returncode:
            raise Fault(f"generate ended with {done.returncode}: {done.stderr[-300:]}")
        figures.write_text(done.stdout)
        done = place.run(
            "import",
            units,
            figures,
            ROOT / "catalogue" / "travinh-2021-10.csv",
            "--database",
            database,
            timeout=300,
        )
        if done.returncode:
            raise Fault(f"import ended with {done.returncode}: {done.stderr[-300:]}")
    return place.key(database, "admin")


def figure(value, indicator=OUTGOING, unit=UNIT, period=MONTH):
    """Returns the body of a submission with one figure."""
    return json.dumps(
        {"observations": [{"indicator": indicator, "unit": unit, "period": period, "value": value}]}
    )


def expect(reply, *statuses):
    """Returns the JSON of a reply with one of the given statuses; raises a Fault otherwise."""
    if reply.status not in statuses:
        raise Fault(f"response {reply.status} instead of {statuses}: {reply.body[:300]!r}")
    return json.loads(reply.body)


def complete(served, key):
    """Adds what the command line cannot add; returns the ids of one submission and one report."""
    caller = Caller(served, key)
    submission = expect(caller.post("/api/v1/observations", figure(7)), 201)
    report = expect(
        caller.post(
            "/api/v1/reports?unit=travinh&period=2021-10&dry_run=false",
            REPORT,
            content="text/plain",
        ),
        200,
        201,
    )
    targets = {
        "targets": [
            {"code": "t1", "measure": RATE, "unit": PROVINCE, "from": "2021-01", "value": 90}
        ]
    }
    expect(
        caller.send(
            "PUT",
            "/api/v1/targets",
            json.dumps(targets).encode(),
            {"content-type": "application/json"},
        ),
        200,
        201,
    )
    expect(caller.post("/api/v1/periods/2021-02/close?force=true", "{}"), 200, 201)
    return {
        "submission": submission["submission"],
        "revision": submission["revision"],
        "report": report["submission"],
    }
