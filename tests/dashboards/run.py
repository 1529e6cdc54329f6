#!/usr/bin/env -S python3 -B
"""Sends every query of every dashboard, as Grafana would, to the service with the data of the demo.

The queries of panels, annotations and variables go to their data source: /prometheus of the
service, a real Prometheus that scrapes its /metrics, or its API (for the Infinity source). A query
fails when it is refused, also by a real Prometheus; when it has no data and WITHOUT_DATA gives no
reason for it; when it names a metric or a label that does not exist; or when a legend, column,
override or link names a field that the response does not have.

Then it prints the figures of the real report of October 2021, system by system, as panels of
egov-system show them; and it adds a system to the catalogue of the running service and removes
first its kpi, then the system.

    tests/dashboards/run.py [FOLDER]    the dashboards of FOLDER; default dashboards/vi and en

EGOV_KPI names the program. Prints the errors and then one line; exit code 0, or 1 with errors."""

import csv
import datetime
import json
import math
import re
import shutil
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "prometheus"))
from common import ROOT, ask, prometheus, run, service, text


def instant(day):
    return int(datetime.datetime.fromisoformat(day + "T00:00:00+00:00").timestamp())


START, END, NOW = instant("2019-01-01"), instant("2022-01-01"), instant("2021-12-15")
NEWEST, CHOSEN = "2021-12", "2021-09"  # the newest month of the demo, and an earlier one
# Labels that label_replace makes.
MADE = {"sign", "line", "title", "value", "metric", "month", "time"}
# Metrics that Prometheus itself adds for each target.
SCRAPED = {"up"}
FUNCTIONS_OF_LABELS = r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)"

# Why a query has no data for the sample province. Keys are the beginning of a panel's title in
# either language and names of its queries.
WITHOUT_DATA = {
    ("Tháng đang xem", "BE"): "a measure without a target, or a rate that no report states",
    ("Month shown", "BEF"): "a measure without a target, or a rate that no report states",
    ("Tháng đang xem", "BEF"): "a measure without a target, or a rate that no report states",
    ("Theo thành phần", "ABC"): "a measure without dimensions; only reports state rates",
    ("By dimension", "ABC"): "a measure without dimensions; only reports state rates",
    ("Mâu thuẫn", "A"): "no contradiction in the figures of this measure or system",
    ("Contradictions", "A"): "no contradiction in the figures of this measure or system",
    ("Đơn vị trực thuộc", "DE"): "a measure without a target",
    ("Units below", "DE"): "a measure without a target",
    ("Mức đạt mục tiêu", "A"): "a measure without a target",
    ("Attainment", "A"): "a measure without a target",
    ("Lũy kế", "A"): "a stock has no year to date",
    ("Year to date", "A"): "a stock has no year to date",
    ("Chỉ số của", "DE"): "a system without targets",
    ("Measures of", "DE"): "a system without targets",
}

faults, asked, filled, empty, parsed = [], 0, set(), {}, set()


def fault(where, what):
    faults.append(f"{where}: {what}")


class Source:
    """A Prometheus API with the names and labels of its metrics."""

    def __init__(self, base, names, start, end, now, step):
        self.base, self.names, self.start, self.end, self.now, self.step, self.known = (
            base,
            names,
            start,
            end,
            now,
            step,
            {},
        )

    def labels(self, name):
        if name not in self.known:
            _, answer = ask(
                f"{self.base}/api/v1/series",
                [("match[]", name), ("start", self.start), ("end", self.end)],
            )
            self.known[name] = {label for series in answer["data"] for label in series}
        return self.known[name]

    def query(self, expr, ranged):
        """Sends a query by POST, as Grafana does. Returns the series that have a number and "", or
        None and the error."""
        times = (
            [("start", self.start), ("end", self.end), ("step", self.step)]
            if ranged
            else [("time", self.now)]
        )
        status, answer = ask(
            f"{self.base}/api/v1/query" + "_range" * ranged, [("query", expr), *times], post=True
        )
        if status != 200:
            return None, f"{status} {answer.get('error')}"
        data = answer["data"]
        if data["resultType"] == "scalar":
            return [{"metric": {}, "value": data["result"]}], ""
        series = [
            each
            for each in data["result"]
            if any(
                math.isfinite(float(value)) for _, value in each.get("values", [each.get("value")])
            )
        ]
        return series, "" if series else "no data"


# Names and labels in an expression


def alternatives(pattern):
    """Splits a regular expression of names at its alternatives, each of which must match a name."""
    found = re.search(r"\(([^()]*\|[^()]*)\)", pattern)
    if not found:
        return [pattern]
    return [
        each
        for option in found[1].split("|")
        for each in alternatives(pattern[: found.start()] + option + pattern[found.end() :])
    ]


def check_names(where, expr, source):
    """Checks that every metric and label in an expression exists."""
    made = set()
    for target, origin in re.findall(
        r',\s*"(\w+)",\s*"[^"]*",\s*"(\w+)",\s*"[^"]*"\s*\)', expr
    ):  # label_replace
        made.add(target)
        if (
            origin
            and origin != "__name__"
            and not any(origin in source.labels(name) for name in source.names if name in expr)
        ):
            fault(where, f"label_replace from a label that does not exist: {origin}")
    metrics = set()
    for pattern in re.findall(r'__name__\s*=~\s*"([^"]*)"', expr):
        for each in alternatives(pattern):
            named = [name for name in source.names if re.fullmatch(each, name)]
            # Some have no series now: a label must exist in at least one of them.
            metrics |= set(named)
            if not named:
                fault(where, f"no metric matches {each}")
    # A name in braces is a measure's of a variable; companions without values have no series.
    found = re.findall(r'__name__="([^"]*)"', expr)
    metrics |= {name for name in found if name in source.names}
    for name in found:
        if name not in source.names:
            fault(where, f"metric that does not exist: {name}")
    bare = re.sub(r'"[^"]*"', '""', expr)
    for name in set(re.findall(r"\b(?:egov_\w+|up|scrape_\w+)\b", bare)):
        if name in source.names:
            metrics.add(name)
        else:
            fault(where, f"metric that does not exist: {name}")
    used = {
        label
        for braces in re.findall(r"\{([^}]*)\}", bare)
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", braces)
    }
    used |= {
        label.strip()
        for labels in re.findall(FUNCTIONS_OF_LABELS, bare)
        for label in labels.split(",")
        if label.strip()
    }
    for label in used - made - MADE - {"__name__"}:
        if not any(label in source.labels(name) for name in sorted(metrics)):
            fault(where, f"label that the series do not have: {label}")


def check_legend(where, legend, series):
    for label in re.findall(r"\{\{\s*(\w+)\s*\}\}", legend or ""):
        if label == "sign":  # only percentages have it
            continue
        if not all(label in each["metric"] for each in series):
            fault(where, f"legend with a label that the response does not have: {label}")


# Variables


def substitute(where, expr, values):
    """Replaces Grafana's variables: $name, ${name}, ${name:format}; `$1` belongs to
    label_replace."""

    multiple = values.get("multiple", {})

    def value(found):
        name, how = found[1] or found[2], found[3] or ""
        if name.isdigit() or name.startswith("__data"):
            return found[0]
        if name in ("__from", "__to"):
            return "2019-01" if name == "__from" else "2022-01"
        if name not in values:
            fault(where, f"unknown variable ${name}")
            return ""
        if name in multiple and how in ("", "pipe"):
            return "|".join(multiple[name])
        return (
            f"var-{name}={urllib.parse.quote(values[name])}"
            if how == "queryparam"
            else urllib.parse.quote(values[name], safe="")
            if how == "percentencode"
            else values[name]
        )

    return re.sub(r"\$(\w+)|\$\{(\w+)(?:\.[^:}]*|\[[^\]]*\])?(?::([^}]*))?\}", value, expr)


def custom_options(variable):
    return [option.split(" : ")[1].strip() for option in re.split(r"(?<!\\),", variable["query"])]


def query_result(series):
    """Returns the text of a series to which Grafana applies the regular expression of a
    variable."""
    labels = ",".join(
        f'{label}="{value}"' for label, value in series["metric"].items() if label != "__name__"
    )
    return (
        f"{series['metric'].get('__name__', '')}{{{labels}}} {series['value'][1]} "
        f"{series['value'][0] * 1000}"
    )


def options(where, variable, values, sources):
    """Returns the texts and values that a query variable offers, in Grafana's order."""
    global asked
    asked += 1
    if infinity := isinstance(variable["query"], dict) and variable["query"].get("infinityQuery"):
        rows = infinity_rows(where, infinity, values, sources)
        column = next(
            (each["selector"] for each in infinity["columns"] if each["text"] == "__value"),
            infinity["columns"][0]["selector"],
        )
        found = list(dict.fromkeys(str(at_path(row, column)) for row in rows))
        return {each: each for each in sorted(found, reverse=variable["sort"] == 2)}
    source, query = sources[variable["datasource"]["uid"]], variable["query"]["query"]
    if one := re.fullmatch(r"label_values\((\w+), (\w+)\)", query):
        check_names(where, f'{one[1]}{{{one[2]}=""}}', source)
        found = ask(f"{source.base}/api/v1/label/{one[2]}/values", [("match[]", one[1])])[1]["data"]
        return {each: each for each in found}
    expr = substitute(where, re.fullmatch(r"query_result\((.*)\)", query)[1], values)
    check_names(where, expr, source)
    series, why = source.query(expr, False)
    if not series:
        fault(where, f"{why}: {expr}")
    pattern = re.compile(variable["regex"].strip("/").replace("(?<", "(?P<"))
    found = [pattern.search(query_result(each)) for each in series or []]
    if not all(found):
        fault(where, "its regular expression does not match the response")
    offered = {}  # Grafana keeps the first of several options with one value
    for each in filter(None, found):
        named = each.groupdict()
        offered.setdefault(named.get("value") or each[1], named.get("text") or each[1])
    if variable["sort"] == 2:
        offered = dict(sorted(offered.items(), key=lambda option: option[1], reverse=True))
    return offered


# The Infinity source


def at_path(row, path):
    for part in path.split("."):
        row = row.get(part) if isinstance(row, dict) else None
    return row


def has_value(measure, unit, month, sources):
    """Whether a measure has a value at a unit and month."""
    asked = f"/series?measure={measure}&unit={unit}&from={month}&to={month}&fields=value"
    with urllib.request.urlopen(sources["egov-kpi-infinity"] + asked, timeout=60) as answer:
        return json.load(answer)["series"][0]["points"][0]["value"] is not None


def infinity_rows(where, query, values, sources):
    url = sources[query["datasource"]["uid"]] + substitute(where, query["url"], values)
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            rows = json.load(answer)
    except urllib.error.HTTPError as error:
        fault(where, f"{error.code} {error.read().decode()[:300]}: {url}")
        return []
    rows = at_path(rows, query["root_selector"])
    if not rows:
        fault(where, f"nothing at {query['root_selector']}: {url}")
        return []
    for column in query["columns"]:
        got = [
            value
            for value in (at_path(row, column["selector"]) for row in rows)
            if value is not None
        ]
        if not got:
            # A kpi without a target has none of these.
            if column["selector"] not in ("target", "attainment", "status"):
                fault(where, f"column without data: {column['selector']}")
        elif column["type"] == "number" and not all(
            isinstance(value, (int, float)) for value in got
        ):
            fault(where, f"column that is not a number: {column['selector']}")
        elif column["type"] == "timestamp":
            shape = (
                r"\d{4}-\d\d"
                if column.get("timestampFormat") == "2006-01"
                else r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
            )
            if not all(re.fullmatch(shape, value) for value in got):
                fault(where, f"column that is not a time: {column['selector']}")
    return rows


# A dashboard


def check_fields(where, panel, fields):
    """Checks that columns, overrides and links name fields that the panel has."""
    shown = set(fields)
    for step in panel.get("transformations", []):
        if step["id"] == "filterFieldsByName":
            names = step["options"]["include"]["names"]
            for field in names:
                if field not in fields:
                    fault(where, f"column that the response does not have: {field}")
            fields = fields & set(names)
            shown = set(fields)
        if step["id"] == "organize":
            renamed, hidden = step["options"]["renameByName"], step["options"]["excludeByName"]
            for field in [*renamed, *hidden]:
                if field not in fields:
                    fault(where, f"column that the response does not have: {field}")
            shown = {renamed.get(field, field) for field in fields if field not in hidden}
    for each in panel["fieldConfig"]["overrides"]:
        kind, name = each["matcher"]["id"], each["matcher"]["options"]
        if not any(
            re.fullmatch(name, field) if kind == "byRegexp" else name == field for field in shown
        ):
            fault(where, f"override of a field that is not shown: {name}")
        for field in re.findall(
            r'__data\.fields\["([^"]+)"\]',
            json.dumps(each["properties"], ensure_ascii=False).replace('\\"', '"'),
        ):
            if field not in shown:
                fault(where, f"link with a field that is not shown: {field}")


def has_reason(panel, name):
    """Whether WITHOUT_DATA says why a query of a panel may have no data."""
    return any(panel["title"].startswith(title) and name in names for title, names in WITHOUT_DATA)


def check_panel(where, panel, values, sources):
    """Checks the queries of a panel and its fields; returns the number of queries with data."""
    global asked
    fields, good = set(), 0
    for target in panel["targets"]:
        asked += 1
        here = f"{where}, query {target['refId']}"
        if target["datasource"]["type"] != "prometheus":
            rows = infinity_rows(here, target, values, sources)
            fields |= {column["text"] for column in target["columns"]}
            good += bool(rows)
            continue
        source, expr = (
            sources[target["datasource"]["uid"]],
            substitute(here, target["expr"], values),
        )
        series, why = source.query(expr, target["range"])
        if series is None:
            fault(here, f"{why}: {expr}")
        if target["expr"] not in parsed:
            parsed.add(target["expr"])
            _, refused = sources["egov-kpi-health"].query(expr, target["range"])
            if refused not in ("", "no data"):
                fault(here, f"a real Prometheus refuses it: {refused}: {expr}")
        # Without data for a reason there may be no metric of a name that a variable is part of.
        if series or not has_reason(panel, target["refId"]):
            check_names(here, expr, source)
        if not series:
            if series is not None and has_reason(panel, target["refId"]):
                key = f"{panel['title']}, {target['refId']}"
                empty[key] = empty.get(key, 0) + 1
            elif not values.get("lenient"):
                fault(here, f"{why}: {expr}")
            continue
        good += 1
        check_legend(here, target["legendFormat"], series)
        if target["format"] == "table":
            value = f"Value #{target['refId']}" if len(panel["targets"]) > 1 else "Value"
            fields |= {"Time", value} | {label for each in series for label in each["metric"]}
        else:
            fields |= {
                re.sub(
                    r"\{\{(\w+)\}\}",
                    lambda label, each=each: each["metric"].get(label[1], ""),
                    target["legendFormat"],
                )
                for each in series
            }
    if good == len(panel["targets"]) and "sign" not in json.dumps(panel["targets"]):
        check_fields(where, panel, fields)
    return good


def contexts(board, lang):
    """Yields the choices to test: the sample province with the newest month and each system and
    measure, and an earlier month and English texts with the first of them; for the dashboard of any
    unit also units below, which may have no data for some queries of a panel."""
    yield {"unit": "sample"} | ({"first": "yes"} if lang == "en" else {}), NEWEST
    yield {"unit": "sample", "first": "yes"}, CHOSEN
    if board["uid"] == "egov-unit" and lang != "en":
        for unit in ("sample.northeast", "sample.south.c1"):
            yield {"unit": unit, "lenient": "yes", "first": "yes"}, NEWEST


def resolve(board, chosen, month, sources):
    """Fills the variables in order, as Grafana does; yields the values for each system or measure
    that can be chosen. Variables with several values have all of them."""
    uid = board["uid"]

    def filled_from(place, values):
        if place == len(board["templating"]["list"]):
            yield values
            return
        variable = board["templating"]["list"][place]
        name, where = variable["name"], f"{uid}, variable {variable['name']}"
        offered = options(where, variable, values, sources)
        if variable["multi"]:
            if not offered:
                fault(where, "offers nothing")
            joined = "|".join(offered)
            several = values["multiple"] | {name: offered}
            yield from filled_from(place + 1, values | {name: joined, "multiple": several})
        elif name in ("system", "measure"):
            # Every system, and as many measures as show one with a target and one without.
            # Infinity's list of kpis also has those without figures of the unit.
            filled = [
                each
                for each in offered
                if uid != "egov-infinity" or has_value(each, values["unit"], month, sources)
            ]
            most = 1 if "first" in chosen else len(filled) if name == "system" else 3
            for each in filled[:most]:
                scoped = values | {name: each, name + ":text": offered[each]}
                yield from filled_from(place + 1, scoped)
        elif name == "at":
            at = str(instant(month + "-01"))
            if list(offered) != [at]:
                fault(where, f"{list(offered)} instead of {at}")
            yield from filled_from(place + 1, values | {name: at})
        else:
            wanted = (
                (
                    month
                    if uid == "egov-infinity"
                    else "0"
                    if month == NEWEST
                    else str(instant(month + "-01"))
                )
                if name == "month"
                else chosen.get(name, "")
            )
            if wanted not in offered:
                fault(where, f"does not offer {wanted}: {list(offered)[:3]}")
            if name == "month" and (newest := list(offered)[0]) not in ("0", NEWEST):
                fault(where, f"the newest month is not the first: {newest}")
            yield from filled_from(place + 1, values | {name: wanted})

    base = {"__rate_interval": "10s", "__url_time_range": "from=now-3y&to=now", "multiple": {}}
    yield from filled_from(0, base | chosen)


def repeated(board, values):
    """Yields the panels as Grafana repeats them, each with the values in its scope."""
    scopes = [values]

    def scoped(variable):
        others = {key: each for key, each in values["multiple"].items() if key != variable}
        return [
            values | {variable: value, variable + ":text": text, "multiple": others}
            for value, text in values["multiple"][variable].items()
        ]

    for panel in board["panels"]:
        if panel["type"] == "row":
            scopes = scoped(panel["repeat"]) if panel.get("repeat") else [values]
            continue
        for scope in scopes:
            for each in scoped(panel["repeat"]) if panel.get("repeat") else [scope]:
                yield panel, each


def check_links(board, boards, sources):
    uid = board["uid"]
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    for source in re.findall(r'"uid": "(egov-kpi[^"]*)"', json.dumps(board)):
        if source not in sources:
            fault(uid, f"data source that is not provisioned: {source}")
    for link in [each["url"] for each in board["links"]] + re.findall(
        r'"url": "(/d/[^"]*)',
        json.dumps([panel["fieldConfig"] for panel in panels]).replace('\\"', "'"),
    ):
        target = re.match(r"/d/([\w-]+)", link)[1]
        if target not in boards:
            fault(uid, f"link to a dashboard that does not exist: {link}")
            continue
        for name in re.findall(r"var-(\w+)=", link) + re.findall(r"\$\{(\w+):queryparam\}", link):
            if name not in {each["name"] for each in boards[target]["templating"]["list"]}:
                fault(uid, f"link with a variable that {target} does not have: {name}")


def check_board(board, sources, boards, lang):
    global asked
    uid = board["uid"]
    check_links(board, boards, sources)
    for chosen, month in contexts(board, lang):
        for values in resolve(board, chosen, month, sources):
            shown = 0
            for panel, scope in repeated(board, values):
                where = f"{lang} {uid}, panel “{panel['title']}”"
                good = check_panel(where, panel, scope, sources)
                shown += bool(good)
                if good or all(has_reason(panel, each["refId"]) for each in panel["targets"]):
                    filled.add((lang, uid, panel["id"]))
                substitute(where, panel["title"], scope)
            if not shown:
                fault(f"{lang} {uid}", f"no data at all of {values['unit']}")
            if values.get("lenient"):
                continue
            for each in board["annotations"]["list"]:
                if each.get("builtIn"):
                    continue
                asked += 1
                where = f"{uid}, annotation “{each['name']}”"
                if each["datasource"]["type"] != "prometheus":
                    infinity_rows(where, each["target"], values, sources)
                    continue
                source, expr = (
                    sources[each["datasource"]["uid"]],
                    substitute(where, each["target"]["expr"], values),
                )
                check_names(where, expr, source)
                series, why = source.query(expr, True)
                if not series:
                    fault(where, f"{why}: {expr}")
                for legend in (
                    each["titleFormat"],
                    each["textFormat"],
                    "".join(f"{{{{{tag}}}}}" for tag in each["tagKeys"].split(",") if tag),
                ):
                    check_legend(where, legend, series or [])
    return sum(panel["type"] != "row" for panel in board["panels"])


# The figures of the real report


def shown_values(board, unit, month, source, sources):
    """Yields (system, measure, members, value, panel) that the panels of egov-system show of a unit
    in a month, for every system and measure that the variables offer."""
    at, infos = str(instant(month + "-01")), {}
    for series in source.query("egov_measure_info", False)[0]:
        infos[series["metric"]["metric"]] = series["metric"]
    for values in resolve(board, {"unit": unit}, month, sources):
        if values["at"] != at:
            fault("egov-system", f"{values['at']} instead of {at}")
        for panel, scope in repeated(board, values):
            metric = scope["measure"]
            if metric not in infos or panel["type"] not in ("stat", "table"):
                continue
            for target in panel["targets"]:
                series, why = source.query(substitute("", target["expr"], scope), False)
                if series is None:
                    fault("egov-system", f"{why}: {target['expr']}")
                for each in series or []:
                    labels = {
                        key: value
                        for key, value in each["metric"].items()
                        if key in infos[metric].get("dimensions", "").split(",")
                    }
                    yield (
                        infos[metric]["system_name"],
                        infos[metric]["measure"],
                        tuple(sorted(labels.items())),
                        float(each["value"][1]),
                        f"{scope.get('measure:text', '')} {panel['title']}, {target['refId']}",
                    )


def reported():
    """Returns the figures of the report that the program ships, as (unit, measure, members, value),
    after comparing them with the shared domain if it is there."""
    shipped = ROOT / "catalogue" / "travinh-2021-10.csv"
    with shipped.open() as file:
        rows = list(csv.DictReader(file))
    own = ("indicator", "unit", "period", "value")
    figures = [
        (
            row["unit"],
            row["indicator"],
            tuple(sorted((key, value) for key, value in row.items() if key not in own and value)),
            float(row["value"]),
        )
        for row in rows
    ]
    shared = ROOT.parent / "shared" / "domain" / "figures.csv"
    if shared.exists():
        # It also has numbers of the report that are no figures of an indicator.
        with shared.open() as file:
            real = Counter((row["code"], float(row["value"])) for row in csv.DictReader(file))
        if missing := Counter((code, value) for _, code, _, value in figures) - real:
            fault("figures", f"{shared} lacks {list(missing)}")
    return figures


def check_figures(board, source, sources):
    """Finds every figure of the report in a panel of egov-system, with the variable `unit` set to
    the unit that reported it; prints a table by system."""
    figures, seen, lines, there = reported(), 0, {}, {}
    for unit in dict.fromkeys(unit for unit, *_ in figures):
        for system, measure, members, value, panel in shown_values(
            board, unit, "2021-10", source, sources
        ):
            there.setdefault((unit, measure, members), {}).setdefault(value, (system, panel))
    for unit, measure, members, value in figures:
        system, panel = there.get((unit, measure, members), {}).get(value, ("not shown", ""))
        seen += bool(panel)
        if not panel:
            fault("figures", f"no panel shows {value:g} of {measure} {dict(members)}")
        label = ", ".join(f"{key}={each}" for key, each in members)
        named = measure + f"{{{label}}}" * bool(label)
        lines.setdefault(system, []).append(f"  {value:>9g}  {unit}  {named}  ({panel})")
    for system, each in lines.items():
        print(f"{system}: {len(each)}", *each, sep="\n")
    print(f"{seen} of {len(figures)} figures of October 2021 are shown by a panel of egov-system")


# A system that a province adds

ADDED = ("training.courses", "training.trainees", "training.certified")


def send(base, method, path, body):
    request = urllib.request.Request(
        f"{base}/api/v1/{path}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def check_added_system(base, board, overview, source, sources):
    """Adds a system of three indicators and a kpi with a target, and removes them again."""
    before = json.loads(text(f"{base}/api/v1/catalogue"))
    after = json.loads(json.dumps(before))
    name = {"vi": "Đào tạo", "en": "Training"}
    after["systems"].insert(1, {"code": "training", "name": name})
    for code in ADDED:
        after["indicators"].append(
            {
                "code": code,
                "name": {"vi": f"Chỉ số {code}", "en": code},
                "kind": "flow",
                "unit_of_measure": "count",
                "system": "training",
            }
        )
    member = {"code": "evening", "name": {"vi": "Buổi tối", "en": "In the evening"}}
    kinds = {"code": "course_kind", "name": {"vi": "Hình thức", "en": "Kind"}, "members": [member]}
    after["dimensions"].append(kinds)
    after["indicators"][-len(ADDED)]["dimensions"] = [{"code": "course_kind"}]
    rate = "training.certified_rate"
    after["kpis"].append(
        {
            "code": rate,
            "name": {"vi": "Tỷ lệ được cấp chứng nhận", "en": "Certified"},
            "formula": "training.certified / training.trainees",
            "unit_of_measure": "percent",
            "direction": "higher",
            "system": "training",
        }
    )
    after["targets"].append({"code": "training", "measure": rate, "value": "80"})
    send(base, "PUT", "catalogue", after)
    figures = [
        {"indicator": code, "unit": "sample", "period": NEWEST, "value": value}
        for code, value in zip(ADDED, (4, 50, 45), strict=True)
    ]
    figures.append(figures[0] | {"dimensions": {"course_kind": "evening"}, "value": 3})
    send(base, "POST", "observations", {"observations": figures})
    source.names.update(ask(f"{source.base}/api/v1/label/__name__/values")[1]["data"])
    source.known.clear()

    def systems():
        variable = next(each for each in board["templating"]["list"] if each["name"] == "system")
        values = {"unit": "sample", "at": str(instant(NEWEST + "-01")), "multiple": {}}
        return list(options("the added system", variable, values, sources))

    def shown():
        for values in resolve(board, {"unit": "sample"}, NEWEST, sources):
            if values["system"] == "training":
                yield from repeated(board, values)

    offered = systems()
    if offered[:1] != ["training"]:
        fault("the added system", f"not in the catalogue's place: {offered}")
    scopes = [scope["measure"] for _, scope in shown()]
    rows = [measure for measure in dict.fromkeys(scopes) if "|" not in measure]
    wanted = ["egov_" + code.replace(".", "_") for code in (*ADDED, rate)]
    if rows != wanted:
        fault("the added system", f"rows {rows} instead of {wanted}")
    numbers, members = [], set()
    for panel, scope in shown():
        legend = re.fullmatch(r"\{\{(name|name_en)\}\}", panel["targets"][0]["legendFormat"])
        if legend and scope["measure"] == wanted[0]:
            series, _ = source.query(substitute("", panel["targets"][0]["expr"], scope), True)
            members |= {(legend[1], each["metric"].get(legend[1])) for each in series or []}
        if panel["type"] == "stat" and scope["measure"] in wanted:
            series, _ = source.query(substitute("", panel["targets"][0]["expr"], scope), False)
            numbers += [each["value"][1] for each in series or []]
    if members - {("name", "Buổi tối"), ("name_en", "In the evening")} or len(members) != 1:
        fault("the added system", f"the legend of its members is {members}")
    if numbers != ["4", "50", "45", "90"]:
        fault("the added system", f"its panels show {numbers}")
    headline = next(each for each in overview["templating"]["list"] if each["name"] == "headline")
    values = {"unit": "sample", "at": str(instant(NEWEST + "-01")), "multiple": {}}
    if list(options("the added system", headline, values, sources))[:1] != wanted[-1:]:
        fault("the added system", "its kpi is not on the overview in the catalogue's order")
    # The kpi is removed.
    after = json.loads(text(f"{base}/api/v1/catalogue"))
    for section in ("kpis", "targets"):
        after[section] = [
            each for each in after[section] if not each["code"].startswith("training")
        ]
    send(base, "PUT", "catalogue", after)
    scopes = [scope["measure"] for _, scope in shown()]
    left = [measure for measure in dict.fromkeys(scopes) if "|" not in measure]
    if left != wanted[:-1]:
        fault("the added system", f"after the removal of its kpi the rows are {left}")
    print(
        f"an added system: {len(rows)} rows with the values {', '.join(numbers)}; after the "
        f"removal of its kpi {len(left)}"
    )
    check_removed_systems(base, source, systems)


def check_removed_systems(base, source, systems):
    """Removes a system without figures whole. Indicators that have figures cannot be removed, so
    their system goes when they no longer name it."""

    def catalogue():
        return json.loads(text(f"{base}/api/v1/catalogue"))

    def known(system):
        return len(source.query(f'egov_measure_info{{system="{system}"}}', False)[0] or [])

    after = catalogue()
    after["systems"].append({"code": "library", "name": {"vi": "Thư viện", "en": "Library"}})
    indicator = {"kind": "flow", "unit_of_measure": "count", "system": "library"}
    for code in ("library.visits", "library.loans"):
        after["indicators"].append(indicator | {"code": code, "name": {"vi": code, "en": code}})
    send(base, "PUT", "catalogue", after)
    there = known("library")
    after = catalogue()
    after["systems"] = [each for each in after["systems"] if each["code"] != "library"]
    after["indicators"] = [each for each in after["indicators"] if each.get("system") != "library"]
    send(base, "PUT", "catalogue", after)
    if (there, known("library")) != (2, 0):
        fault("the removed system", f"{there} measures, then {known('library')}")

    # The system with figures: whole, then without its figures.
    after = catalogue()
    after["systems"] = [each for each in after["systems"] if each["code"] != "training"]
    whole = [each for each in after["indicators"] if each.get("system") != "training"]
    try:
        send(base, "PUT", "catalogue", after | {"indicators": whole})
        fault("the removed system", "a catalogue without indicators that have figures is accepted")
    except urllib.error.HTTPError as error:
        refusal = error.read().decode()
        if error.code != 409 or "orphaned_figures" not in refusal:
            fault("the removed system", f"{error.code} {refusal}")
    for each in after["indicators"]:
        if each.get("system") == "training":
            del each["system"]
    send(base, "PUT", "catalogue", after)
    if "training" in systems() or known("training"):
        fault("the removed system", "its page is still offered")
    figures, _ = source.query('egov_training_trainees{unit="sample"}', False)
    if [each["value"][1] for each in figures or []] != ["50"]:
        fault("the removed system", f"its figures are no longer there: {figures}")
    print(
        f"a removed system: {there} measures without figures go with it; one with figures is "
        "refused (409), and goes when its indicators no longer name it, with its figures kept"
    )


def main():
    folders = (
        [Path(sys.argv[1])]
        if sys.argv[1:]
        else [ROOT / "dashboards" / lang for lang in ("vi", "en")]
    )
    if not shutil.which("prometheus"):
        run("apt-get", "update", "-qq")
        run(
            "env",
            "DEBIAN_FRONTEND=noninteractive",
            "apt-get",
            "install",
            "-y",
            "-qq",
            "--no-install-recommends",
            "prometheus",
        )
    languages = {
        folder.name: {
            board["uid"]: board
            for board in (json.loads(path.read_text()) for path in sorted(folder.glob("*.json")))
        }
        for folder in folders
    }
    provisioned = "".join(
        path.read_text()
        for path in sorted((ROOT / "dashboards" / "provisioning" / "datasources").glob("*.yaml"))
    )
    urls = dict(re.findall(r"uid: (\S+)\n(?:\s+(?!uid:)\S.*\n)*?\s+url: (\S+)", provisioned))
    with service("demo") as base, tempfile.TemporaryDirectory() as temporary:
        scrape = (
            "global: {scrape_interval: 1s}\nscrape_configs: [{job_name: egov-kpi, "
            f"static_configs: [{{targets: ['{base.removeprefix('http://')}']}}]}}]\n"
        )
        with prometheus(Path(temporary), scrape) as health:
            for _ in range(30):  # requests that the metrics count while Prometheus scrapes
                text(
                    f"{base}/api/v1/series?measure=ioffice.documents.signed_rate&unit=sample&last=3"
                )
                time.sleep(0.5)
            now = time.time()
            own = (
                set(re.findall(r"^(\w+)", re.sub(r"(?m)^#.*\n", "", text(f"{base}/metrics")), re.M))
                | SCRAPED
            )
            _, names = ask(f"{base}/prometheus/api/v1/label/__name__/values")
            there = {
                uid: url.replace("http://egov-kpi:8080", base).replace(
                    "http://prometheus:9090", health
                )
                for uid, url in urls.items()
            }
            source = Source(there["egov-kpi"], set(names["data"]), START, END, NOW, 86_400)
            sources = {
                "egov-kpi": source,
                "egov-kpi-health": Source(there["egov-kpi-health"], own, now - 10, now, now, 1),
                "egov-kpi-infinity": there["egov-kpi-infinity"],
            }
            panels = sum(
                check_board(board, sources, boards, lang)
                for lang, boards in languages.items()
                for board in boards.values()
            )
            boards = next(iter(languages.values()))
            check_figures(boards["egov-system"], source, sources)
            check_added_system(
                base, boards["egov-system"], boards["egov-overview"], source, sources
            )
    for each in dict.fromkeys(faults):
        print(each)
    for (title, queries), reason in WITHOUT_DATA.items():
        times = sum(n for key, n in empty.items() if key.startswith(title) and key[-1] in queries)
        if times:
            print(f"without data {times} times: “{title}” {', '.join(queries)}: {reason}")
    count = sum(map(len, languages.values()))
    if len(filled) != panels or faults:
        print(
            f"FAILED: {len(set(faults))} errors; {asked} queries of {panels} panels in "
            f"{count} dashboards, {len(filled)} panels with data "
            "or a reason"
        )
        raise SystemExit(1)
    print(f"{asked} queries of {panels} panels in {count} dashboards returned data")


if __name__ == "__main__":
    main()
