#!/usr/bin/env -S python3 -B
"""Draws the province overview with real clients of the Prometheus API in headless Chromium: the
panels of Perses, which query the service themselves, and Grafana's time series (@grafana/ui) with
data of query_range.

Both draw the sample province and its department of health, which has no figures of May and June
2021. The checks: every panel shows data, values are those of /api/v1/series, missing months are
gaps. The pictures are for people.

    tests/dashboards/draw.py FOLDER    writes perses-*.png and grafana-*.png into FOLDER

EGOV_KPI names the program. Needs npm and Chromium (installed on Debian when missing). Prints the
errors and then one line; exit code 0, or 1."""

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "prometheus"))
from common import ROOT, ask, free_port, run, running, service, until

PAGES = ROOT / "tests" / "dashboards" / "browser"
CACHE = (
    Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve() / "dashboards" / "browser"
)
HEALTH, CHILDREN, TARGET = "Sở Y tế (mẫu)", "Tỷ lệ ký số của các đơn vị trực thuộc", "Mục tiêu"
SIGNED, WHOLE = "Tỷ lệ văn bản đi được ký số", "Toàn đơn vị"

faults = []


def moment(year, month, day=1):
    return datetime(year, month, day, tzinfo=UTC).timestamp() * 1000


def install():
    for command in ("npm", "chromium"):
        if not shutil.which(command):
            run("apt-get", "update", "-qq")
            run(
                "env",
                "DEBIAN_FRONTEND=noninteractive",
                "apt-get",
                "install",
                "-y",
                "-qq",
                "--no-install-recommends",
                command,
            )
    CACHE.mkdir(parents=True, exist_ok=True)
    wanted, there = (PAGES / "package.json").read_text(), CACHE / "package.json"
    if not (CACHE / "node_modules" / ".package-lock.json").exists() or there.read_text() != wanted:
        there.write_text(wanted)
        # The packages of Perses state peer versions that exclude each other, but they work
        # together.
        run(
            "npm",
            "install",
            "--legacy-peer-deps",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--no-package-lock",
            "--silent",
            cwd=CACHE,
        )
    for page in [each for each in PAGES.iterdir() if each.name != "package.json"] + [
        ROOT / "dashboards" / "egov-overview.json"
    ]:
        shutil.copy(page, CACHE)
    run(
        "node_modules/.bin/vite",
        "build",
        cwd=CACHE,
        env=os.environ | {"NODE_OPTIONS": "--max-old-space-size=6000"},
    )


def check_gap(where, series):
    """Checks that May and June 2021 have no values, the months beside them have, and no line spans
    them."""
    points = {True: [], False: []}
    for time, value in series["points"]:
        points[moment(2021, 5) <= time < moment(2021, 7)].append((time, value))
    before = [value for time, value in points[False] if moment(2021, 4) <= time < moment(2021, 5)]
    after = [value for time, value in points[False] if moment(2021, 7) <= time < moment(2021, 8)]
    if (
        not points[True]
        or any(value is not None for _, value in points[True])
        or None in before + after
        or not before
        or not after
        or series["spans"]
    ):
        faults.append(f"{where}: {series['name']} has no gap in May and June 2021")


def check_values(where, series, base, unit):
    """Checks that in the middle of each month the line has the value that the service's API
    gives."""
    _, answer = ask(
        f"{base}/api/v1/series",
        [
            ("measure", "ioffice.documents.signed_rate"),
            ("unit", unit),
            ("from", "2019-01"),
            ("to", "2021-12"),
            ("layout", "rows"),
        ],
    )
    drawn = {time: value for time, value in series["points"]}
    for row in answer["rows"]:
        value = drawn.get(moment(*map(int, row["period"].split("-")), 15), "nothing")
        if value != row["value"]:
            faults.append(
                f"{where}: {series['name']} in {row['period']} is {value} instead of {row['value']}"
            )


def check(client, unit, drawn, told, base):
    where = f"{client}, {unit}"
    faults.extend(f"{where}: {line}" for line in told)
    lines = 0
    for panel in drawn:
        here = f"{where}, “{panel['panel']}”"
        if panel["type"] != "timeseries":
            # The department of health has no finding in any month.
            if not re.search(r"\d", panel["text"]) and (unit, panel["panel"]) != (
                "sample.health",
                "Mâu thuẫn số liệu",
            ):
                faults.append(f"{here}: no number is shown: {panel['text']}")
            continue
        filled = [
            series
            for series in panel["series"]
            if any(isinstance(value, (int, float)) for _, value in series["points"])
        ]
        lines += len(filled)
        if len(filled) != len(panel["series"]) or bool(filled) == (
            unit != "sample" and panel["panel"] == CHILDREN
        ):
            faults.append(f"{here}: {len(filled)} of {len(panel['series'])} lines have points")
        for series in filled:
            if unit == "sample.health" and series["name"] != TARGET or series["name"] == HEALTH:
                check_gap(here, series)
            if (panel["panel"], series["name"]) == (SIGNED, WHOLE):
                check_values(here, series, base, unit)
    names = {panel["panel"]: {series["name"] for series in panel["series"]} for panel in drawn}
    if (
        not names.get(SIGNED, set()) >= {WHOLE, TARGET}
        or unit == "sample"
        and HEALTH not in names.get(CHILDREN, set())
    ):
        faults.append(f"{where}: lines are missing: {names}")
    return len(drawn), lines


def main():
    pictures = Path(sys.argv[1]).resolve()
    pictures.mkdir(parents=True, exist_ok=True)
    install()
    panels = lines = 0
    with service("demo") as base:
        port = free_port()
        with running(
            "node",
            "node_modules/vite/bin/vite.js",
            "preview",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--strictPort",
            cwd=CACHE,
            env=os.environ | {"SERVICE": base},
            stdout=subprocess.DEVNULL,
        ):

            def up():
                try:
                    return (
                        urllib.request.urlopen(
                            f"http://127.0.0.1:{port}/perses.html", timeout=5
                        ).status
                        == 200
                    )
                except OSError:
                    return False

            until("pages served", up)
            for client in ("perses", "grafana"):
                for unit in ("sample", "sample.health"):
                    answer = run(
                        "node",
                        "look.js",
                        f"http://127.0.0.1:{port}/{client}.html?unit={unit}",
                        pictures / f"{client}-{unit}.png",
                        cwd=CACHE,
                    )
                    more = check(client, unit, **json.loads(answer), base=base)
                    panels, lines = panels + more[0], lines + more[1]
    print(*faults, sep="\n", end="\n" if faults else "")
    if faults:
        raise SystemExit(f"FAILED: {len(faults)} errors in {panels} panels")
    print(
        f"Perses and Grafana drew {panels} panels with {lines} lines with the gaps and values "
        f"of /series; 4 pictures in {pictures}"
    )


main()
