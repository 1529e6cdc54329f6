#!/usr/bin/env -S python3 -B
"""Compares the service with a real Prometheus: the same history, the same generated queries.

The history is exported as OpenMetrics and backfilled by promtool; Prometheus has a look-back of one
month (31 days). Differences by design, which are checked too:

- A value holds exactly until its month ends. The look-back of Prometheus has one length for all
  months, so it shows a value up to three days longer if the next month is missing and the month had
  fewer than 31 days (and at the first instant after a month of 31 days). Therefore results are
  compared from the fifth day of a month, and the first days are compared series by series.
- `delta` does not extrapolate: it is compared with the last sample minus the first.

    tests/prometheus/differential.py [--queries 400] [--seed 1]

EGOV_KPI names the program. Prints one line; exit code 0, or 1 with the queries whose results
differ."""

import argparse
import calendar
import csv
import datetime
import json
import math
import random
import sys
import tempfile
import time
from pathlib import Path

from common import ask, binary, prometheus, run, service

DAY = 86_400
FLOWS = [
    "egov_ioffice_documents_outgoing",
    "egov_ioffice_documents_signed",
    "egov_igate_dossiers_received",
    "egov_petitions_received",
]
STOCKS = ["egov_ioffice_users_total_figure", "egov_igate_dossiers_backlog"]
RATES = ["egov_ioffice_documents_signed_rate", "egov_igate_dossiers_clearance_rate"]
ALL = FLOWS + STOCKS + RATES
UTC = datetime.UTC


def month_start(number):
    """Returns the first instant of a month, which is counted from January of the year 0."""
    return int(datetime.datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC).timestamp())


FIRST, LAST = 2021 * 12, 2025 * 12 + 11


def history(folder, dice, seed):
    """Makes a ledger with missing months: single ones, pairs, and others in each unit."""
    units, figures = folder / "units.json", folder / "figures.csv"
    (folder / "all.csv").write_text(
        run(binary(), "generate", "--size", "2x6", "--seed", str(seed), "--units", str(units))
    )
    gone = {}
    with (folder / "all.csv").open() as source, figures.open("w") as target:
        reader, writer = csv.reader(source), csv.writer(target, lineterminator="\n")
        writer.writerow(next(reader))
        for row in reader:
            unit, month = row[1], row[2]
            if unit not in gone:
                gone[unit] = {
                    f"{dice.randint(2021, 2025)}-{dice.randint(1, 12):02}" for _ in range(12)
                } | {"2022-03", "2024-05"}
                if unit.endswith("3"):
                    gone[unit] |= {f"2023-{m:02}" for m in range(3, 9)}
            # Some units never report one of the indicators.
            if month not in gone[unit] and not (
                unit.endswith("5") and row[0] == "petitions.received"
            ):
                writer.writerow(row)
    database = f"sqlite://{folder}/ledger.db"
    run(binary(), "import", str(units), str(figures), "--database", database)
    return database


class Queries:
    """Random queries in the part of PromQL that the service supports."""

    def __init__(self, dice, units):
        self.dice, self.units = dice, units

    def pick(self, *choices):
        return self.dice.choice(choices)

    def matcher(self):
        unit = self.dice.choice(self.units)
        return self.pick(
            f'unit="{unit}"',
            f'unit!="{unit}"',
            'unit=~".*u00[1-4]"',
            'unit!~".*u00[1-4]"',
            'parent="gen.p01"',
            'parent=""',
            'level="1"',
            'level!="0"',
            'unit_kind=~"district|commune"',
            'unit_kind="department"',
            'nothing=""',
            'nothing!="x"',
            'unit=~"gen.*"',
        )

    def selector(self, names=ALL):
        matchers = ", ".join(self.matcher() for _ in range(self.dice.randint(0, 2)))
        name = self.dice.choice(names)
        if self.dice.random() < 0.1:
            matchers = f", {matchers}" if matchers else ""
            return f'{{__name__=~"{name}|{self.dice.choice(names)}"{matchers}}}'
        return f"{name}{{{matchers}}}" if matchers else name

    def moved(self):
        if self.dice.random() < 0.25:
            return self.pick(
                " offset 30d",
                " offset 1y",
                " offset -31d",
                " offset 17h",
                f" @ {month_start(self.dice.randint(FIRST, LAST)) + 9 * DAY}",
                " @ end()",
                " @ start()",
            )
        return ""

    def over_time(self):
        function = self.pick(
            "avg",
            "min",
            "max",
            "sum",
            "count",
            "last",
            "present",
            "stddev",
            "stdvar",
            "changes",
            "quantile",
            "absent",
        )
        duration = self.pick("31d", "62d", "92d", "1y", "400d", "3w", "1h")
        window = f"{self.selector()}[{duration}]{self.moved()}"
        if function == "changes":
            return f"changes({window})"
        if function == "quantile":
            return f"quantile_over_time({self.pick('0.5', '0.9', '0', '1', '-1', '2')}, {window})"
        return f"{function}_over_time({window})"

    def vector(self, depth, over_time_only):
        if depth <= 0:
            return (
                self.over_time()
                if over_time_only or self.dice.random() < 0.25
                else self.selector() + self.moved()
            )
        inner = self.vector(depth - 1, over_time_only)
        kind = self.dice.choice([0, 2, 3, 4, 5, 6, 7, 8])
        if kind == 0:
            grouping = self.pick(
                "",
                " by (parent)",
                " by (unit_kind, level)",
                " without (unit, unit_name)",
                " without (level)",
                " by (unit)",
            )
            return f"{self.pick('sum', 'avg', 'min', 'max', 'count')}{grouping} ({inner})"
        if kind == 2:
            call = self.pick(
                "abs({})",
                "round({})",
                "round({}, 10)",
                "round({}, 0.1)",
                "clamp_min({}, 50)",
                "clamp_max({}, 80)",
                "clamp({}, 10, 200)",
                "ceil({})",
                "floor({})",
                "sort({})",
                "sort_desc({})",
            )
            return call.format(inner)
        if kind == 3:
            operator = self.pick("+", "-", "*", "/", "%", "^")
            scalar = f"scalar({self.vector(0, over_time_only)})"
            return f"{inner} {operator} {self.pick('2', '0', '0.5', '-3', 'time()', scalar)}"
        if kind == 4:
            return f"{self.pick('100', '1', '-2')} {self.pick('+', '-', '*', '/')} {inner}"
        if kind == 5:
            other = self.vector(depth - 1, over_time_only)
            matching = self.pick(
                "",
                "on (unit) ",
                "ignoring (unit_kind) ",
                "on (unit, level) ",
                "on (parent) group_left () ",
                "on (parent) group_left (unit_kind) ",
                "on (level) group_right () ",
            )
            return f"({inner}) {self.pick('+', '-', '*', '/')} {matching}({other})"
        if kind == 6:
            comparison = self.pick("==", "!=", ">", "<", ">=", "<=")
            if self.dice.random() < 0.5:
                return f"{inner} {comparison} {self.pick('', 'bool ')}{self.pick('70', '100', '0')}"
            matching = self.pick("", "bool ") + self.pick("", "on (unit) ")
            other = self.vector(depth - 1, over_time_only)
            return f"({inner}) {comparison} {matching}({other})"
        if kind == 7:
            operator = self.pick("and", "or", "unless")
            matching = self.pick("", "on (unit) ", "ignoring (unit_name) ", "on (parent) ")
            other = self.vector(depth - 1, over_time_only)
            return f"({inner}) {operator} {matching}({other})"
        return self.pick(
            f'label_replace({inner}, "short", "$1", "unit", "gen[.](.*)")',
            f'label_replace({inner}, "unit", "", "unit", ".*")',
            f"absent({inner})",
            f"-({inner})",
            f"vector(scalar({inner}))",
            f'label_replace({inner}, "kind", "x-$2-$1", "unit", "(.*)[.](.*)")',
        )

    def query(self):
        over_time_only = self.dice.random() < 0.3
        query = self.vector(self.dice.randint(0, 3), over_time_only)
        if self.dice.random() < 0.1:
            # Only outermost: among equal values either may be chosen, and computed results would
            # differ.
            chosen = self.pick("topk", "bottomk")
            grouping = self.pick("", " by (parent)", " without (unit, unit_name)")
            query = f"{chosen}{grouping} ({self.dice.randint(0, 4)}, {query})"
        return query, over_time_only


def near(one, other):
    one, other = float(one), float(other)
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return one == other or abs(one - other) <= 1e-9 * max(abs(one), abs(other), 1e-6)


def normal(data, keep):
    """Returns the series by their labels; of a matrix only the times for which `keep` is true."""
    kind, result = data["resultType"], data["result"]
    if kind == "scalar":
        return {"": [tuple(result)]}
    found = {}
    for series in result:
        values = series["values"] if kind == "matrix" else [series["value"]]
        values = [(when, value) for when, value in values if keep(when)]
        if values:
            found[json.dumps(series["metric"], sort_keys=True)] = values
    return found


def is_one_call(query):
    """Whether the first parenthesis is closed last: only then is the result of sort() ordered."""
    depth, opened = 0, False
    for place, letter in enumerate(query):
        depth += (letter == "(") - (letter == ")")
        opened |= letter == "("
        if opened and depth == 0:
            return place == len(query) - 1
    return False


def differ(ours, theirs, keep, ordered, chosen):
    """Describes the difference between two responses; empty when they are the same."""
    if ours[1]["status"] != theirs[1]["status"]:
        return f"status: {json.dumps(ours[1])[:300]} against {json.dumps(theirs[1])[:300]}"
    if ours[1]["status"] == "error":
        return (
            ""
            if (ours[0], ours[1]["errorType"]) == (theirs[0], theirs[1]["errorType"])
            else f"{ours} against {theirs}"
        )
    ours, theirs = ours[1]["data"], theirs[1]["data"]
    if ours["resultType"] != theirs["resultType"]:
        return f"{ours['resultType']} against {theirs['resultType']}"
    if ordered:
        one, other = (
            [float(series["value"][1]) for series in data["result"]] for data in (ours, theirs)
        )
        if not all(near(a, b) for a, b in zip(one, other, strict=False)):
            return f"the order: {one} against {other}"
    one, other = normal(ours, keep), normal(theirs, keep)
    if chosen:
        # Among equal values either may be chosen: only the values at each time must be the same.
        one, other = (
            {
                "": sorted(
                    (value for values in side.values() for value in values),
                    key=lambda v: (v[0], str(float(v[1]))),
                )
            }
            for side in (one, other)
        )
    if one.keys() != other.keys():
        return (
            f"series: only ours {sorted(one.keys() - other.keys())[:3]}, only theirs "
            f"{sorted(other.keys() - one.keys())[:3]}"
        )
    for labels, values in one.items():
        if len(values) != len(other[labels]) or any(
            a[0] != b[0] or not near(a[1], b[1]) for a, b in zip(values, other[labels], strict=True)
        ):
            return f"{labels}: {values[:4]} against {other[labels][:4]}"
    return ""


SHIFTS = {
    "offset 30d": 30 * DAY,
    "offset 1y": 365 * DAY,
    "offset -31d": -31 * DAY,
    "offset 17h": 17 * 3600,
}


def late_in_month(query, edges):
    """Whether all instants that a query reads at a time are on the fifth day of a month or
    later."""
    shifts = [0, *(shift for words, shift in SHIFTS.items() if words in query)]
    fixed = [edge for word, edge in zip(("start()", "end()"), edges, strict=True) if word in query]

    def late(moment):
        return all(
            datetime.datetime.fromtimestamp(when - shift, UTC).day >= 5
            for when in [moment, *fixed]
            for shift in shifts
        )

    return late


def chosen_time(dice, anywhere):
    start = month_start(dice.randint(FIRST - 2, LAST + 2))
    if anywhere:
        return start + dice.choice([0, dice.randrange(28 * DAY)])
    return start + dice.randrange(4 * DAY, 28 * DAY)


def compare(ours, theirs, dice, count):
    units = sorted(
        {series["unit"] for series in ask(f"{ours}/series", [("match[]", ALL[0])])[1]["data"]}
    )
    seconds = {ours: 0.0, theirs: 0.0}
    queries, wrong, kinds = (
        Queries(dice, units),
        [],
        {"vector": 0, "matrix": 0, "error": 0, "empty": 0},
    )
    for number in range(count):
        query, anywhere = queries.query()
        if number % 2:
            parameters, path = [("query", query), ("time", chosen_time(dice, anywhere))], "query"
        else:
            start = chosen_time(dice, anywhere)
            step = dice.choice([DAY, 7 * DAY, 30 * DAY, 86_399, 12 * 3600, 31 * DAY])
            end = start + dice.randrange(1, 1_000) * DAY
            parameters, path = (
                [("query", query), ("start", start), ("end", end), ("step", step)],
                "query_range",
            )
        answers = []
        for base in (ours, theirs):
            began = time.perf_counter()
            answers.append(ask(f"{base}/{path}", parameters, post=number % 3 == 0))
            seconds[base] += time.perf_counter() - began
        status = answers[0][1]["status"]
        data = answers[0][1].get("data", {})
        kinds[
            "error"
            if status == "error"
            else "empty"
            if not data["result"]
            else data["resultType"]
            if data["resultType"] in kinds
            else "vector"
        ] += 1
        ordered = (
            path == "query"
            and query.startswith(("sort", "topk (", "bottomk ("))
            and is_one_call(query)
        )
        edges = (start, end) if path == "query_range" else (parameters[1][1],) * 2
        keep = (lambda _time: True) if anywhere else late_in_month(query, edges)
        if found := differ(*answers, keep, ordered, query.startswith(("topk", "bottomk"))):
            wrong.append(f"{parameters}\n    {found}")
    return wrong, kinds, seconds[ours] / seconds[theirs]


def first_days(ours, theirs, dice, count):
    """In the first four days of a month only Prometheus shows values that have ended: the samples
    of such series are of the month before."""
    wrong, longer = [], 0
    for _ in range(count):
        number = dice.randint(FIRST + 1, LAST)
        start = month_start(number)
        moment = start + dice.choice([0, 0, DAY // 2, DAY, 2 * DAY, 3 * DAY - 1, 3 * DAY])
        name = dice.choice(ALL)
        series = [
            normal(
                ask(f"{base}/query", [("query", name), ("time", moment)])[1]["data"],
                lambda _time: True,
            )
            for base in (ours, theirs)
        ]
        stamps = normal(
            ask(f"{theirs}/query", [("query", f"timestamp({name})"), ("time", moment)])[1]["data"],
            lambda _time: True,
        )
        stamps = {
            json.dumps(json.loads(labels) | {"__name__": name}, sort_keys=True): float(values[0][1])
            for labels, values in stamps.items()
        }
        if missing := series[0].keys() - series[1].keys():
            wrong.append(f"{name} at {moment}: only ours {sorted(missing)[:3]}")
        for labels in series[1].keys() - series[0].keys():
            longer += 1
            length = calendar.monthrange((number - 1) // 12, (number - 1) % 12 + 1)[1]
            if stamps[labels] != month_start(number - 1) or moment - start > (31 - length) * DAY:
                wrong.append(f"{name} at {moment}: {labels} has a sample of {stamps[labels]}")
        for labels in series[0].keys() & series[1].keys():
            if not near(series[0][labels][0][1], series[1][labels][0][1]):
                wrong.append(
                    f"{name} at {moment}: {labels}: {series[0][labels]} against {series[1][labels]}"
                )
    return wrong, longer


def deltas(ours, theirs, dice, count):
    """`delta` is the last sample of the range minus the first; no result with only one sample."""
    wrong = []
    for _ in range(count):
        name, moment, duration = (
            dice.choice(ALL),
            chosen_time(dice, True),
            dice.choice([92, 400, 1000]),
        )
        found = normal(
            ask(f"{ours}/query", [("query", f"delta({name}[{duration}d])"), ("time", moment)])[1][
                "data"
            ],
            lambda _time: True,
        )
        samples = ask(f"{theirs}/query", [("query", f"{name}[{duration}d]"), ("time", moment)])[1][
            "data"
        ]["result"]
        expected = {}
        for series in samples:
            labels = {
                label: value for label, value in series["metric"].items() if label != "__name__"
            }
            values = [float(value) for _, value in series["values"]]
            if len(values) > 1:
                expected[json.dumps(labels, sort_keys=True)] = values[-1] - values[0]
        if found.keys() != expected.keys() or any(
            not near(found[labels][0][1], value) for labels, value in expected.items()
        ):
            wrong.append(f"delta({name}[{duration}d]) at {moment}")
    return wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--queries", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    dice = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        database = history(folder, dice, options.seed)
        run(binary(), "export", str(folder / "history.om"), "--openmetrics", "--database", database)
        run(
            "promtool",
            "tsdb",
            "create-blocks-from",
            "openmetrics",
            str(folder / "history.om"),
            str(folder / "data"),
        )
        flags = ["--query.lookback-delta=31d", "--storage.tsdb.retention.time=100y"]
        with (
            service("serve", "--database", database) as address,
            prometheus(folder, "scrape_configs: []\n", *flags) as real,
        ):
            ours, theirs = f"{address}/prometheus/api/v1", f"{real}/api/v1"
            wrong, kinds, ratio = compare(ours, theirs, dice, options.queries)
            more, longer = first_days(ours, theirs, dice, 60)
            wrong += more + deltas(ours, theirs, dice, 20)
    for line in wrong[:20]:
        print(line, file=sys.stderr)
    told = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    print(
        f"{options.queries} queries ({told}) to this service and a real Prometheus: "
        f"{len(wrong)} differ; {longer} series that Prometheus shows after the end of the "
        f"month, each explained; {ratio:.2f} of the time that Prometheus took"
    )
    if kinds["vector"] + kinds["matrix"] < options.queries / 2 or longer == 0:
        sys.exit("too few responses had data")
    sys.exit(bool(wrong))


main()
