#!/usr/bin/env -S python3 -B
"""Draws the province overview and the page of one system with real clients of the Prometheus API in
headless Chromium: the panels of Perses, which query the service themselves, and Grafana's time
series (@grafana/ui) with data of query_range; in light and dark.

The overview shows the sample province and its department of health, which has no figures of May and
June 2021; for the province also as a catalogue with 5 and one with 25 headline measures has it. The
checks: panels show data, values are those of /api/v1/series, missing months are
gaps. The pictures are for people.

    tests/dashboards/draw.py FOLDER    writes perses-*.png and grafana-*.png into FOLDER

EGOV_KPI names the program. Needs npm and Chromium (installed on Debian when missing). Prints the
errors and then one line; exit code 0, or 1."""

import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "prometheus"))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import run as pages
from common import ROOT, ask, free_port, run, running, service, text, until

PAGES = ROOT / "tests" / "dashboards" / "browser"
CACHE = (
    Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve() / "dashboards" / "browser"
)
TARGET = "Mục tiêu %"
SIGNED, WHOLE = "Tỷ lệ văn bản đi được ký số", "Giá trị %"
# Members of a dimension of igate, by their names.
MEMBERS = {"Trực tiếp", "Trực tuyến"}
# What is drawn: dashboard, unit, system, number of headline measures, themes.
DRAWN = (
    ("egov-overview", "sample", None, None, ("light", "dark")),
    ("egov-overview", "sample", None, 5, ("light", "dark")),
    ("egov-overview", "sample", None, 25, ("light", "dark")),
    ("egov-overview", "sample.health", None, None, ("light",)),
    ("egov-system", "sample", "igate", None, ("light", "dark")),
)

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
    for page in PAGES.iterdir():
        if page.name != "package.json":
            shutil.copy(page, CACHE)


def build():
    run(
        "node_modules/.bin/vite",
        "build",
        cwd=CACHE,
        env=os.environ | {"NODE_OPTIONS": "--max-old-space-size=6000"},
    )


def filled_board(path, unit, system, sources):
    """Returns title and panels of a dashboard: variables filled, panels repeated and placed."""
    board = json.loads(path.read_text())
    values = next(
        each
        for each in pages.resolve(board, {"unit": unit}, pages.NEWEST, sources)
        if system is None or each["system"] == system
    )
    sections = []
    for panel in board["panels"]:
        if panel["type"] == "row" or not sections:
            sections.append([])
        sections[-1].append(panel)
    placed, x, y, height = [], 0, 0, 0
    for section in sections:
        shown = list(pages.repeated(board | {"panels": section}, values))
        # A repeated row has all its panels for one value before those of the next.
        repeat = section[0].get("repeat") if section[0]["type"] == "row" else None
        if repeat:
            order = list(values["multiple"][repeat])
            shown.sort(key=lambda each: order.index(each[1][repeat]))
        for panel, scope in shown:
            width = 24 // panel["maxPerRow"] if panel.get("repeat") else panel["gridPos"]["w"]
            if x + width > 24:
                x, y, height = 0, y + height, 0
            shown_names = {
                name.removesuffix(":text"): text
                for name, text in scope.items()
                if name.endswith(":text")
            }
            title = pages.substitute("", panel["title"], scope | shown_names)
            if repeat and x == 0:
                title = f"{scope[repeat + ':text']}: {title}"
            targets = [
                target | {"expr": pages.substitute("", target["expr"], scope)}
                for target in panel["targets"]
            ]
            place = {"x": x, "y": y, "w": width, "h": panel["gridPos"]["h"]}
            placed.append(
                panel
                | {"title": title, "targets": targets, "gridPos": place, "id": len(placed) + 1}
            )
            x, height = x + width, max(height, place["h"])
    return {"title": board["title"], "panels": placed}


def with_headlines(base, document, count, source):
    """Returns a catalogue with this many headline measures: kpis always are, and those on which no
    figure or target depends are left out where there are too many; indicators with figures are
    added where there are too few."""

    def without(kpi):
        code = kpi["code"]
        targets = [
            each for each in changed["targets"] if each["measure"].split("{")[0].strip() != code
        ]
        kpis = [each for each in changed["kpis"] if each["code"] != code]
        return changed | {"kpis": kpis, "targets": targets}

    changed = json.loads(json.dumps(document))
    for indicator in changed["indicators"]:
        indicator["headline"] = False
    for kpi in reversed(changed["kpis"]):
        if len(changed["kpis"]) > count:
            try:
                pages.send(base, "PUT", "catalogue?dry_run=true", without(kpi))
            except urllib.error.HTTPError as error:
                if error.code != 409:
                    raise
                continue
            changed = without(kpi)
    ending = "_latest_period_timestamp_seconds"
    filled, _ = source.query(
        f'egov_measure_info and on (metric) label_replace({{__name__=~"egov_.+{ending}",'
        f'unit="sample"}}, "metric", "$1", "__name__", "(.+){ending}")',
        False,
    )
    figures = {each["metric"]["measure"] for each in filled}
    more = [each for each in changed["indicators"] if each["code"] in figures]
    for indicator in more[: count - sum(kpi["code"] in figures for kpi in changed["kpis"])]:
        indicator["headline"] = True
    return changed


def with_sizes(base, sources):
    """Yields each drawing of DRAWN with its name and its filled dashboard. A catalogue with another
    number of headline measures is put into the service while the variables are filled."""
    document = json.loads(text(f"{base}/api/v1/catalogue"))
    del document["version"]
    for board, unit, system, headlines, themes in DRAWN:
        path = ROOT / "dashboards" / "vi" / f"{board}.json"
        if headlines:
            other = with_headlines(base, document, headlines, sources["egov-kpi"])
            pages.send(base, "PUT", "catalogue", other)
        filled = filled_board(path, unit, system, sources)
        if headlines:
            trends = [each for each in filled["panels"] if each.get("repeat") == "headline"]
            if len(trends) != headlines:
                faults.append(f"{board}: {len(trends)} trends of {headlines} headline measures")
            pages.send(base, "PUT", "catalogue", document)
        yield f"{board}-{headlines}" if headlines else board, unit, themes, filled


def check_gap(where, series):
    """Checks that May and June 2021 have no values, the months beside them have, and no line spans
    them."""
    points = {True: [], False: []}
    for time, value in series["points"]:
        points[moment(2021, 5) <= time < moment(2021, 7)].append((time, value))
    before = [value for time, value in points[False] if moment(2021, 4) <= time < moment(2021, 5)]
    # A change against the month before is there again in August.
    after = [value for time, value in points[False] if moment(2021, 8) <= time < moment(2021, 9)]
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


def check(client, board, unit, drawn, told, base):
    where = f"{client}, {board}, {unit}"
    faults.extend(f"{where}: {line}" for line in told)
    lines = 0
    for panel in drawn:
        here = f"{where}, “{panel['panel']}”"
        if panel["type"] != "timeseries":
            continue
        filled = [
            series
            for series in panel["series"]
            if any(isinstance(value, (int, float)) for _, value in series["points"])
        ]
        lines += len(filled)
        for series in filled:
            if unit == "sample.health" and series["name"].startswith("Giá trị"):
                check_gap(here, series)
            if panel["panel"].endswith(" " + SIGNED) and series["name"] == WHOLE:
                check_values(here, series, base, unit)
    names = {
        panel["panel"].split(" ", 1)[1]: {series["name"] for series in panel["series"]}
        for panel in drawn
    }
    if board == "egov-system" and not set().union(*names.values()) >= MEMBERS:
        faults.append(f"{where}: no line has the name of a member: {names}")
    if board.startswith("egov-overview") and not names.get(SIGNED, set()) >= {WHOLE, TARGET}:
        faults.append(f"{where}: lines are missing: {names}")
    return len(drawn), lines


def main():
    pictures = Path(sys.argv[1]).resolve()
    pictures.mkdir(parents=True, exist_ok=True)
    install()
    panels = lines = count = 0
    with service("demo") as base:
        prometheus = f"{base}/prometheus"
        known = ask(f"{prometheus}/api/v1/label/__name__/values")[1]["data"]
        times = (pages.START, pages.END, pages.NOW, 86_400)
        sources = {"egov-kpi": pages.Source(prometheus, set(known), *times)}
        drawn = list(with_sizes(base, sources))
        boards = {f"{board} {unit}": filled for board, unit, _, filled in drawn}
        (CACHE / "boards.json").write_text(json.dumps(boards, ensure_ascii=False))
        build()
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
                for board, unit, theme in (
                    (board, unit, theme) for board, unit, themes, _ in drawn for theme in themes
                ):
                    count += 1
                    asked = f"board={board}&unit={unit}&theme={theme}"
                    answer = run(
                        "node",
                        "look.js",
                        f"http://127.0.0.1:{port}/{client}.html?{asked}",
                        pictures / f"{client}-{board}-{unit}-{theme}.png",
                        cwd=CACHE,
                    )
                    more = check(client, board, unit, **json.loads(answer), base=base)
                    panels, lines = panels + more[0], lines + more[1]
    print(*faults, sep="\n", end="\n" if faults else "")
    if faults:
        raise SystemExit(f"FAILED: {len(faults)} errors in {panels} panels")
    print(
        f"Perses and Grafana drew {panels} panels with {lines} lines with the gaps and values "
        f"of /series; {count} pictures in {pictures}"
    )


main()
