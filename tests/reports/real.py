#!/usr/bin/env python3
"""Reads a real report with known figures. All of them must be found, no others, and the report's
own contradictions.

  tests/reports/real.py FOLDER     FOLDER has report-YYYY-MM.md and figures.csv (code, dimensions,
                                   period, value)

The authors of a report own its text, so it is not part of this repository. EGOV_KPI names the
program."""

import csv
import os
import pathlib
import subprocess
import sys
import tempfile

# Entries in the column `dimensions` that are notes and not members of dimensions. Some mark rows
# whose number the report does not print, or prints with another meaning.
NOTES = {"provenance", "context_only", "precision", "basis", "position", "measure", "denominator"}
EXPECTED = {
    ("parts_total", "pki.certificates.total"),
    ("stated_rate", "ioffice.documents.signed_rate"),
    ("stated_rate", "igate.dossiers.online_rate{service_level=4}"),
}


def main(folder):
    report = next(folder.glob("report-*.md"))
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        (work / report.name).write_bytes(report.read_bytes())
        rows = list(csv.DictReader((folder / "figures.csv").open(encoding="utf-8")))
        with (work / report.with_suffix(".csv").name).open("w", encoding="utf-8") as out:
            truth = csv.writer(out)
            truth.writerow(
                [
                    "indicator",
                    "dimensions",
                    "unit",
                    "period",
                    "value",
                    "printed",
                    "approximate",
                    "role",
                ]
            )
            for row in rows:
                members = dict(pair.split("=") for pair in row["dimensions"].split(";") if pair)
                if members.get("provenance") == "counted" or "context_only" in members:
                    continue
                unit = members.pop("unit", "travinh")
                named = ";".join(f"{d}={m}" for d, m in sorted(members.items()) if d not in NOTES)
                truth.writerow(
                    [
                        row["code"],
                        named,
                        unit,
                        row["period"],
                        row["value"],
                        "",
                        "precision" in members,
                        "figure",
                    ]
                )
        settings = dict(
            os.environ,
            EGOV_KPI_REPORTS=str(work),
            EGOV_KPI_RECALL="100",
            EGOV_KPI_PRECISION="100",
            EGOV_KPI_DETAIL="1",
        )
        subprocess.run(
            ["cargo", "test", "--quiet", "--test", "reports", "reports_are", "--", "--nocapture"],
            env=settings,
            check=True,
        )
    told = subprocess.run(
        [
            os.environ.get("EGOV_KPI", "target/debug/egov-kpi"),
            "--log",
            "error",
            "check",
            "--lang",
            "en",
            str(report),
        ],
        capture_output=True,
        text=True,
    )
    lines = [line for line in told.stdout.splitlines() if line.startswith("warning ")]
    print(*lines, sep="\n")
    found = {(line.rsplit("(", 1)[1].rstrip(")"), line.split(" ")[3].rstrip(":")) for line in lines}
    assert found == EXPECTED, f"found {sorted(found)}, expected {sorted(EXPECTED)}"
    assert told.returncode == 1, told.returncode
    print("all figures of the real report are found, no others, and its three contradictions")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
