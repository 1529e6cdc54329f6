#!/usr/bin/env -S python3 -B
"""Compares the service with a real Prometheus: the same history, the same generated queries.

The history is exported as OpenMetrics and backfilled by promtool; Prometheus has a look-back of one
month (31 days), and evaluates subqueries without a step daily. Generated are all operators,
aggregations and functions that the service supports and Prometheus 2.42 knows. Differences by
design, which are checked too:

- A value holds exactly until its month ends. The look-back of Prometheus has one length for all
  months, so it shows a value up to three days longer if the next month is missing and the month had
  fewer than 31 days (and at the first instant after a month of 31 days). Therefore results are
  compared from the fifth day of a month, and the first days are compared series by series.
- `delta` does not extrapolate: it is compared with the last sample minus the first.

Functions such as `ln` and `sin` are outermost: the last digit depends on the mathematical library,
and a comparison or rounding would turn it into a difference.

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
OVER_TIME = [
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "sum_over_time",
    "count_over_time",
    "last_over_time",
    "present_over_time",
    "stddev_over_time",
    "stdvar_over_time",
    "quantile_over_time",
    "absent_over_time",
    "changes",
    "resets",
    "increase",
    "rate",
    "irate",
    "idelta",
    "deriv",
    "predict_linear",
]
DATES = [
    "year",
    "month",
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "days_in_month",
    "hour",
    "minute",
]
MATHEMATICS = [
    "ln",
    "log2",
    "log10",
    "exp",
    "deg",
    "rad",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "acosh",
    "atanh",
]
UTC = datetime.UTC


def month_start(number):
    """Returns the first instant of a month, which is counted from January of the year 0."""
    return int(datetime.datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC).timestamp())


# The step of subqueries without one is the evaluation interval.
CONFIGURATION = "global: {evaluation_interval: 1d}\nscrape_configs: []\n"
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
            # In backticks a backslash means itself.
            "unit=~`gen\\..*\\.u00[12]`",
            "unit!~`.*\\.u003`",
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

    def window(self):
        duration = self.pick("31d", "62d", "92d", "1y", "400d", "3w", "1h")
        return f"{self.selector()}[{duration}]{self.moved()}"

    def subquery(self, depth):
        """A subquery; at all of its steps the two must read the same months, so it needs an
        expression of ranges only. Prometheus also evaluates inside it where it has no step, and
        with `@` after its range: two metrics of one selector may be an error there."""
        inner = self.over_time(depth - 1)
        if self.dice.random() < 0.4:
            inner = self.pick("({} / 3)", "-({})", "sum by (unit) ({})", "({} > 50)").format(inner)
        step = self.pick("", "1d", "7d", "30d", "31d", "36h")
        duration = self.pick("31d", "92d", "200d", "3w", "1d")
        moved = self.moved()
        if "__name__" in inner and ("@" in moved or inner.count("[") > 1 or step in ("31d", "30d")):
            return self.window()
        return f"{inner}[{duration}:{step}]{moved}"

    def over_time(self, depth=2):
        window = self.subquery(depth) if depth > 0 and self.dice.random() < 0.25 else self.window()
        function = self.dice.choice(OVER_TIME)
        if function == "quantile_over_time":
            return f"{function}({self.pick('0.5', '0.9', '0', '1', '-1', '2')}, {window})"
        if function == "predict_linear" and "@" in window.rsplit("]", 1)[1]:
            # In a range, Prometheus 2.42 moves the window with the steps in spite of `@`.
            function = "deriv"
        if function == "predict_linear":
            return f"{function}({window}, {self.pick('0', '86400', '31536000', '-2678400')})"
        return f"{function}({window})"

    def aggregated(self, inner):
        grouping = self.pick(
            "",
            " by (parent)",
            " by (unit_kind, level)",
            " without (unit, unit_name)",
            " without (level)",
            " by (unit)",
        )
        chosen = self.pick(
            "sum", "avg", "min", "max", "count", "group", "stddev", "stdvar", "quantile"
        )
        if chosen == "quantile":
            return f"quantile{grouping} ({self.pick('0.5', '0.95', '0', '1', '2')}, {inner})"
        return f"{chosen}{grouping} ({inner})"

    def mapped(self, inner):
        """A function of each sample."""
        return self.pick(
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
            "sgn({})",
            "sgn({} - 70)",
            "sqrt({})",
        ).format(inner)

    def labelled(self, inner):
        return self.pick(
            f'label_replace({inner}, "short", "$1", "unit", "gen[.](.*)")',
            f'label_replace({inner}, "unit", "", "unit", ".*")',
            f'label_replace({inner}, "kind", "x-$2-$1", "unit", "(.*)[.](.*)")',
            f'label_join({inner}, "place", "/", "parent", "unit")',
            f'label_join({inner}, "unit_name", "", "nothing")',
            f'label_join({inner}, "place", "-")',
            f"absent({inner})",
            f"-({inner})",
            f"vector(scalar({inner}))",
        )

    def dated(self, over_time_only):
        """Dates of samples, or of the evaluation."""
        function = self.dice.choice(DATES)
        selected = self.selector() + self.moved()
        argument = self.pick("", "vector(time())", f"timestamp({self.over_time()})")
        if not over_time_only:
            argument = self.pick(argument, f"timestamp({selected})", selected)
        if self.dice.random() < 0.15 and argument.startswith("timestamp"):
            return argument
        return f"{function}({argument})"

    def daily(self):
        """A subquery of a series itself. After a month of fewer than 31 days Prometheus shows a
        value in the first days of a missing month, too: the least, the greatest and the last value
        are the same, if the range does not begin in these days."""
        function = self.pick("max", "min", "last", "present")
        return f"{function}_over_time({self.selector()}[{self.pick('100d', '61d')}:1d])"

    def vector(self, depth, over_time_only):
        if depth <= 0:
            if over_time_only or self.dice.random() < 0.25:
                return self.over_time()
            return self.daily() if self.dice.random() < 0.1 else self.selector() + self.moved()
        inner = self.vector(depth - 1, over_time_only)
        kind = self.dice.choice([0, 2, 3, 4, 5, 6, 7, 8, 9])
        if kind == 0:
            return self.aggregated(inner)
        if kind == 2:
            return self.mapped(inner)
        if kind == 3:
            operator = self.pick("+", "-", "*", "/", "%", "^")
            scalar = f"scalar({self.vector(0, over_time_only)})"
            number = self.pick("2", "0", "0.5", "-3", "time()", "pi()", scalar)
            return f"{inner} {operator} {number}"
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
        if kind == 9:
            return self.dated(over_time_only)
        return self.labelled(inner)

    def outermost(self, query, over_time_only):
        """What is only outermost: among equal values either may be chosen, and computed results
        would differ; or the last digit may differ."""
        chance = self.dice.random()
        grouping = self.pick("", " by (parent)", " without (unit, unit_name)")
        if chance < 0.07:
            return f"{self.pick('topk', 'bottomk')}{grouping} ({self.dice.randint(0, 4)}, {query})"
        if chance < 0.12:
            return f'count_values{grouping} ("value", round({query}))'
        if chance < 0.2:
            # Of great numbers, sin and exp would show what differs in the last digits.
            return f"{self.dice.choice(MATHEMATICS)}(clamp({query}, -50, 50))"
        if chance < 0.24:
            other = self.vector(0, over_time_only)
            return f"({query}) atan2 {self.pick('on (unit) ', '')}({other})"
        return query

    def range(self, over_time_only):
        """A range as an instant query."""
        return self.subquery(2) if over_time_only else self.window()

    def query(self, is_instant):
        over_time_only = self.dice.random() < 0.3
        if is_instant and self.dice.random() < 0.06:
            return self.range(over_time_only), True
        query = self.vector(self.dice.randint(0, 3), over_time_only)
        return self.outermost(query, over_time_only), over_time_only


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
        values = series.get("values", []) if kind == "matrix" else [series["value"]]
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
    if "runtime error" in theirs[1].get("error", ""):
        return ""  # Prometheus itself fails, at some subqueries with `@` in subqueries
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
                "": list(
                    enumerate(
                        value
                        for _, value in sorted(
                            (value for values in side.values() for value in values),
                            key=lambda v: (v[0], str(float(v[1]))),
                        )
                    )
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
        mine, others = dict(values), dict(other[labels])
        for when in sorted(mine.keys() | others.keys()):
            if when not in mine or when not in others or not near(mine[when], others[when]):
                return f"{labels} at {when}: {mine.get(when)} against {others.get(when)}"
    return ""


SHIFTS = [
    ("offset 30d", 30 * DAY),
    ("offset 1y", 365 * DAY),
    ("offset -31d", -31 * DAY),
    ("offset 17h", 17 * 3600),
    # A subquery from its beginning to its first step, which is less than a day later.
    ("[100d:1d]", 100 * DAY),
    ("[100d:1d]", 99 * DAY),
    ("[61d:1d]", 61 * DAY),
    ("[61d:1d]", 60 * DAY),
]


def late_in_month(query, edges):
    """Whether all instants that a query reads at a time are on the fifth day of a month or
    later."""
    shifts = [0, *(shift for words, shift in SHIFTS if words in query)]
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
        query, anywhere = queries.query(number % 2 == 1)
        commented = dice.random() < 0.05
        asked = f"# it's a (comment\n{query} # \"and another" if commented else query
        if number % 2:
            parameters, path = [("query", asked), ("time", chosen_time(dice, anywhere))], "query"
        else:
            start = chosen_time(dice, anywhere)
            step = dice.choice([DAY, 7 * DAY, 30 * DAY, 86_399, 12 * 3600, 31 * DAY])
            end = start + dice.randrange(1, 1_000) * DAY
            parameters, path = (
                [("query", asked), ("start", start), ("end", end), ("step", step)],
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
            prometheus(folder, CONFIGURATION, *flags) as real,
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
