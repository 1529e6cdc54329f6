#!/usr/bin/env -S python3 -B
"""Sends every query of every dashboard, as Grafana would, to the service with the data of the demo.

The queries of panels, annotations and variables go to their data source: /prometheus of the
service, a real Prometheus that scrapes its /metrics, or its API (for the Infinity source). A query
fails when it is refused or has no data; when it names a metric or a label that does not exist; or
when a legend, column, override or link names a field that the response does not have.

    tests/dashboards/run.py [FOLDER]    the dashboards of FOLDER; default dashboards/

EGOV_KPI names the program. Prints the errors and then one line; exit code 0, or 1 with errors."""

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
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "prometheus"))
from common import ROOT, ask, prometheus, run, service, text


def instant(day):
    return int(datetime.datetime.fromisoformat(day + "T00:00:00+00:00").timestamp())


START, END, NOW = instant("2019-01-01"), instant("2022-01-01"), instant("2021-12-15")
NEWEST, CHOSEN = "2021-12", "2021-09"  # the newest month of the demo, and an earlier one
# Metrics that Prometheus itself adds for each target.
SCRAPED = {"up"}
FUNCTIONS_OF_LABELS = r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)"

faults, asked, filled = [], 0, set()


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
        if origin != "__name__" and not any(
            origin in source.labels(name) for name in source.names if name in expr
        ):
            fault(where, f"label_replace from a label that does not exist: {origin}")
    metrics = set()
    for pattern in re.findall(r'__name__\s*=~\s*"([^"]*)"', expr):
        for each in alternatives(pattern):
            named = [name for name in source.names if re.fullmatch(each, name)]
            metrics |= set(
                named
            )  # some have no series now: a label must exist in at least one of them
            if not named:
                fault(where, f"no metric matches {each}")
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
    for label in used - made - {"__name__"}:
        if not any(label in source.labels(name) for name in sorted(metrics)):
            fault(where, f"label that the series do not have: {label}")


def check_legend(where, legend, series):
    for label in re.findall(r"\{\{\s*(\w+)\s*\}\}", legend or ""):
        if not all(label in each["metric"] for each in series):
            fault(where, f"legend with a label that the response does not have: {label}")


# Variables


def substitute(where, expr, values):
    """Replaces Grafana's variables: $name, ${name}, ${name:format}; `$1` belongs to
    label_replace."""

    def value(found):
        name, how = found[1] or found[2], found[3] or ""
        if name.isdigit() or name.startswith("__data"):
            return found[0]
        if name in ("__from", "__to"):
            return "2019-01" if name == "__from" else "2022-01"
        if name not in values:
            fault(where, f"unknown variable ${name}")
            return ""
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
    """Returns the values that a query variable offers."""
    global asked
    asked += 1
    if infinity := isinstance(variable["query"], dict) and variable["query"].get("infinityQuery"):
        rows = infinity_rows(where, infinity, values, sources)
        column = next(
            (each["selector"] for each in infinity["columns"] if each["text"] == "__value"),
            infinity["columns"][0]["selector"],
        )
        found = list(dict.fromkeys(str(at_path(row, column)) for row in rows))
        return sorted(found, reverse=True) if variable["sort"] == 2 else found
    source, query = sources[variable["datasource"]["uid"]], variable["query"]["query"]
    if one := re.fullmatch(r"label_values\((\w+), (\w+)\)", query):
        check_names(where, f'{one[1]}{{{one[2]}=""}}', source)
        return ask(f"{source.base}/api/v1/label/{one[2]}/values", [("match[]", one[1])])[1]["data"]
    expr = substitute(where, re.fullmatch(r"query_result\((.*)\)", query)[1], values)
    check_names(where, expr, source)
    series, why = source.query(expr, False)
    if not series:
        fault(where, f"{why}: {expr}")
    pattern = re.compile(variable["regex"].strip("/").replace("(?<", "(?P<"))
    found = [pattern.search(query_result(each)) for each in series or []]
    if not all(found):
        fault(where, "its regular expression does not match the response")
    return list(dict.fromkeys(each.groupdict().get("value") or each[1] for each in found if each))


# The Infinity source


def at_path(row, path):
    for part in path.split("."):
        row = row.get(part) if isinstance(row, dict) else None
    return row


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
        check_names(here, expr, source)
        series, why = source.query(expr, target["range"])
        if series is None:
            fault(here, f"{why}: {expr}")
        if not series:
            if not values.get("lenient"):
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
    if good == len(panel["targets"]):
        check_fields(where, panel, fields)
    return good


def contexts(board):
    """Yields the choices to test: the sample province with the newest and an earlier month, each
    measure; for the dashboard of any unit also units below, which may have no data for some queries
    of a panel."""
    measures = next(
        (custom_options(each) for each in board["templating"]["list"] if each["name"] == "measure"),
        [None],
    )
    for measure in measures:
        for month in (NEWEST, CHOSEN):
            yield {"unit": "sample", "measure": measure}, month
    if board["uid"] == "egov-unit":
        for unit in ("sample.northeast", "sample.south.c1"):
            yield {"unit": unit, "lenient": "yes"}, NEWEST


def check_board(board, sources, boards):
    global asked
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
    for chosen, month in contexts(board):
        at = instant(month + "-01")
        values = {"__rate_interval": "10s", "__url_time_range": "from=now-3y&to=now"} | {
            name: value for name, value in chosen.items() if value
        }
        for variable in board["templating"]["list"]:
            name, where = variable["name"], f"{uid}, variable {variable['name']}"
            if variable["type"] == "custom":
                offered = custom_options(variable)
                values.setdefault(name, "0" if month == NEWEST else str(at))
            else:
                offered = options(where, variable, values, sources)
                if name == "instance":
                    values[name] = "|".join(offered)  # the option "All"
                elif name == "month":  # the dashboard of the Infinity source
                    values[name] = month
                    if offered[:1] != [NEWEST]:
                        fault(where, f"the newest month is not the first: {offered[:2]}")
                elif name == "at":
                    values[name] = offered[0] if offered else "0"
                    if values[name] != str(at):
                        fault(where, f"{values[name]} instead of {at}")
            for each in values[name].split("|"):
                if each not in offered and name != "at":
                    fault(where, f"does not offer {each}")
        for panel in panels:
            where = f"{uid}, panel “{panel['title']}”"
            if check_panel(where, panel, values, sources):
                filled.add((uid, panel["id"]))
            elif values.get("lenient"):
                fault(where, f"no data at all of {values['unit']}")
            substitute(where, panel["title"], values)
        for each in board["annotations"]["list"]:
            if each.get("builtIn") or values.get("lenient"):
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
    return len(panels)


def main():
    folder = Path(sys.argv[1]) if sys.argv[1:] else ROOT / "dashboards"
    if not sys.argv[1:]:
        run(sys.executable, "-B", folder / "build.py", "--check")
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
    boards = {
        board["uid"]: board
        for board in (json.loads(path.read_text()) for path in sorted(folder.glob("*.json")))
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
            sources = {
                "egov-kpi": Source(there["egov-kpi"], set(names["data"]), START, END, NOW, 86_400),
                "egov-kpi-health": Source(there["egov-kpi-health"], own, now - 10, now, now, 1),
                "egov-kpi-infinity": there["egov-kpi-infinity"],
            }
            panels = sum(check_board(board, sources, boards) for board in boards.values())
    for each in dict.fromkeys(faults):
        print(each)
    if len(filled) != panels or faults:
        print(
            f"FAILED: {len(set(faults))} errors; {asked} queries of {panels} panels in "
            f"{len(boards)} dashboards, {len(filled)} panels with data"
        )
        raise SystemExit(1)
    print(f"{asked} queries of {panels} panels in {len(boards)} dashboards returned data")


main()
