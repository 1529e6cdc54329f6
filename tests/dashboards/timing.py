#!/usr/bin/env -S python3 -B
"""Measures the queries of two dashboards over a ledger, such as that of a country.

    tests/dashboards/timing.py DATABASE [UNIT]    default unit: gen.p01 of `egov-kpi generate`

Fills the variables of egov-overview, and of egov-system with the system igate, as Grafana does,
then sends every query of every panel, ten times, over one connection. Prints for each dashboard the
sum of the medians of its queries, the processor time that the service used for them, and the
slowest query; also for the queries of the variables. The processor time does not depend on what
else runs.

EGOV_KPI names the program: a release build."""

import http.client
import json
import os
import statistics
import sys
import time
import urllib.parse
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "prometheus"), str(ROOT / "tests" / "dashboards")]
import run as pages
from common import ask, service

MONTH, ROUNDS = "2025-12", 10


def took(connection, path, parameters):
    """Returns the milliseconds of a request."""
    body = urllib.parse.urlencode(parameters)
    began = time.perf_counter()
    connection.request("POST", path, body, {"Content-Type": "application/x-www-form-urlencoded"})
    answer = connection.getresponse()
    read = answer.read()
    if answer.status != 200:
        raise SystemExit(f"{answer.status} {read[:300]}: {parameters}")
    return (time.perf_counter() - began) * 1000


def processor():
    """Returns the processor time of the service so far, in milliseconds."""
    me = os.getpid()
    (child,) = Path(f"/proc/{me}/task/{me}/children").read_text().split()
    fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def told(what, queries, used):
    medians = [(statistics.median(times), name) for name, times in queries]
    slowest, name = max(medians)
    print(
        f"{what}: {len(medians)} queries, together {sum(median for median, _ in medians):.0f} ms, "
        f"{used / ROUNDS:.0f} ms of the processor; the slowest {slowest:.1f} ms ({name})"
    )


def main():
    pages.check_names = lambda *_: None  # run.py checks them; a country has too many series
    database, unit = sys.argv[1], (sys.argv[2:] or ["gen.p01"])[0]
    with service("serve", "--database", database) as base:
        prometheus = f"{base}/prometheus"
        while ask(f"{prometheus}/api/v1/labels")[0] != 200:  # a country's ledger loads for seconds
            time.sleep(0.2)
        start, end = pages.instant("2023-01-01"), pages.instant("2026-01-01")
        names = ask(f"{prometheus}/api/v1/label/__name__/values")[1]["data"]
        source = pages.Source(prometheus, set(names), start, end, end - 86_400, 86_400)
        connection = http.client.HTTPConnection(base.removeprefix("http://"), timeout=60)
        for uid, system in (("egov-overview", None), ("egov-system", "igate")):
            board = json.loads((ROOT / "dashboards" / "vi" / f"{uid}.json").read_text())
            values = next(
                each
                for each in pages.resolve(board, {"unit": unit}, MONTH, {"egov-kpi": source})
                if system is None or each["system"] == system
            )
            variables, before = [], processor()
            for variable in board["templating"]["list"]:
                expr = variable["query"]["query"].removeprefix("query_result(")[:-1]
                asked = {"query": pages.substitute("", expr, values), "time": source.now}
                times = [took(connection, "/prometheus/api/v1/query", asked) for _ in range(ROUNDS)]
                variables.append((variable["name"], times))
            told(f"{uid}, variables", variables, processor() - before)
            queries, before = [], processor()
            for panel, scope in pages.repeated(board, values):
                for target in panel["targets"]:
                    expr = pages.substitute("", target["expr"], scope)
                    ranged = target["range"]
                    asked = {"query": expr} | (
                        {"start": start, "end": end, "step": 86_400}
                        if ranged
                        else {"time": source.now}
                    )
                    path = "/prometheus/api/v1/query" + "_range" * ranged
                    times = [took(connection, path, asked) for _ in range(ROUNDS)]
                    queries.append((f"{panel['title']}, {target['refId']}", times))
            told(f"{uid}, panels", queries, processor() - before)
    for each in dict.fromkeys(pages.faults):
        print(each)


main()
