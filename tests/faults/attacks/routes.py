"""Readers do not block the service: several readers request every GET route while writers record
figures."""

import json
import random
import re
import socket
import threading
import time
from datetime import UTC, datetime, timedelta

from common import HOST, ROOT, Fault, Lost, Refused
from registry import Caller, attack
from sample import MONTH, OUTGOING, PROVINCE, RATE, SIGNED, UNIT, complete, expect, figure, fill

STALL = 1.0  # most seconds that a response may take
SHUTDOWN = 30.0  # seconds within which SIGTERM ends the process
HANG = 12.0  # seconds after which a response is taken as missing
KIND = "no lock under a lock"
TABLE = (
    ROOT / "src" / "api" / "access" / "table.rs"
)  # served besides the paths of the OpenAPI document

_SERIES, _RANKING = (
    f"/api/v1/series?measure={RATE}&unit={UNIT}",
    f"/api/v1/ranking?measure={RATE}&parent={PROVINCE}&period={MONTH}",
)
_PROMETHEUS, _TEXT = "/prometheus/api/v1", "egov_ioffice_documents_outgoing_figure"
_SPAN = "start=2024-01-01T00:00:00Z&end=2024-06-01T00:00:00Z"

# Routes that answer one person only: who uploaded a file (tests/pages), and who signs in at the
# single sign-on (tests/auth/sign_on.rs).
OF_ONE_PERSON = {"/send/{draft}", "/sign-in/oidc", "/sign-in/oidc/callback"}

# Every declared GET route with its test requests: several where parameters lead to different code.
ROUTES = {
    "/admin": ["/admin"],
    "/admin/audit": ["/admin/audit"],
    "/admin/catalogue": ["/admin/catalogue"],
    "/admin/closing": [f"/admin/closing?period={MONTH}"],
    "/admin/keys": ["/admin/keys"],
    "/admin/patterns": ["/admin/patterns"],
    "/admin/targets": ["/admin/targets"],
    "/admin/units": ["/admin/units"],
    "/assets/{name}": ["/assets/style-x.css", "/assets/pages-x.js"],
    "/entry": [f"/entry?unit={UNIT}&period={MONTH}"],
    "/favicon.ico": ["/favicon.ico"],
    "/guide": ["/guide"],
    "/guide/{name}": ["/guide/officer", "/guide/analyst?lang=en"],
    "/history": [f"/history?unit={UNIT}&measure={OUTGOING}&to={MONTH}"],
    "/history.svg": [f"/history.svg?unit={PROVINCE}&measure={OUTGOING}&to={MONTH}"],
    "/overview": [
        f"/overview?unit={PROVINCE}&period={MONTH}",
        f"/overview?unit={UNIT}&period={MONTH}&compare=year_to_date&lang=en",
    ],
    "/ranking": [f"/ranking?unit={PROVINCE}&measure={OUTGOING}&period={MONTH}"],
    "/receipts/{submission}": ["/receipts/{submission}"],
    "/reporting": [f"/reporting?unit={PROVINCE}&period={MONTH}"],
    "/send": ["/send"],
    "/sign-in": ["/sign-in"],
    "/systems/{system}": [f"/systems/ioffice?unit={PROVINCE}&period={MONTH}"],
    "/units": ["/units?q=a"],
    "/api/v1/annotations": [
        "/api/v1/annotations",
        f"/api/v1/annotations?unit={PROVINCE}&format=csv",
    ],
    "/api/v1/audit": ["/api/v1/audit?limit=5", "/api/v1/audit?limit=5&format=csv"],
    "/api/v1/catalogue": ["/api/v1/catalogue", "/api/v1/catalogue?as_of=1"],
    "/api/v1/completeness": [
        f"/api/v1/completeness?period={MONTH}&parent={PROVINCE}",
        "/api/v1/completeness?period=2021-05&parent=travinh",
        "/api/v1/completeness?period={this_month}",
        f"/api/v1/completeness?period={MONTH}&parent={PROVINCE}&as_of={{revision}}",
        f"/api/v1/completeness?period={MONTH}&format=csv",
        f"/api/v1/completeness?period={MONTH}&format=xlsx",
    ],
    "/api/v1/findings": [
        "/api/v1/findings?limit=20",
        f"/api/v1/findings?unit={PROVINCE}&from=2024-01&to=2024-12&format=csv",
    ],
    "/api/v1/indicators": ["/api/v1/indicators", "/api/v1/indicators?format=csv"],
    "/api/v1/keys": ["/api/v1/keys"],
    "/api/v1/kpis": ["/api/v1/kpis", "/api/v1/kpis?format=csv", "/api/v1/kpis?as_of={revision}"],
    "/api/v1/ledger": [
        "/api/v1/ledger",
        "/api/v1/ledger?as_of={revision}",
        "/api/v1/ledger?digest=true",
    ],
    "/api/v1/me": ["/api/v1/me"],
    "/api/v1/observations": [
        f"/api/v1/observations?unit={UNIT}&limit=50",
        f"/api/v1/observations?unit={UNIT}&from={MONTH}&to={MONTH}&history=true&limit=50",
        "/api/v1/observations?submission={submission}",
        f"/api/v1/observations?unit={UNIT}&limit=50&as_of={{revision}}",
        f"/api/v1/observations?unit={UNIT}&limit=50&min_revision={{revision}}",
        f"/api/v1/observations?unit={UNIT}&limit=50&format=csv",
        f"/api/v1/observations?unit={UNIT}&from={MONTH}&to={MONTH}&format=xlsx",
    ],
    "/api/v1/openapi.json": ["/api/v1/openapi.json"],
    "/api/v1/periods": [
        "/api/v1/periods",
        "/api/v1/periods?history=true",
        "/api/v1/periods?format=csv",
    ],
    "/api/v1/quality": [
        f"/api/v1/quality?unit={UNIT}&from=2024-01&to=2024-12",
        "/api/v1/quality?unit=tv.dof",  # a unit without figures
        f"/api/v1/quality?unit={UNIT}&from=2024-01&to=2024-12&format=csv",
    ],
    "/api/v1/ranking": [
        _RANKING,
        _RANKING + "&geography=current",
        _RANKING + "&as_of={revision}",
        _RANKING + "&format=csv",
        _RANKING + "&format=xlsx",
        f"/api/v1/ranking?measure={OUTGOING}&parent=travinh&period=2021-10&geography=current",
    ],
    "/api/v1/reports/{submission}": ["/api/v1/reports/{report}"],
    "/api/v1/reports/{submission}/text": ["/api/v1/reports/{report}/text"],
    "/api/v1/reports/{unit}/{period}": [
        f"/api/v1/reports/{UNIT}/{MONTH}",
        f"/api/v1/reports/{UNIT}/{MONTH}?as_of={{revision}}",
    ],
    "/api/v1/revisions": ["/api/v1/revisions?limit=20", "/api/v1/revisions?limit=20&format=csv"],
    "/api/v1/scorecard": [
        f"/api/v1/scorecard?unit={UNIT}&period={MONTH}",
        f"/api/v1/scorecard?unit={UNIT}&period={MONTH}&geography=current",
        "/api/v1/scorecard?unit=tv.dof&period=2021-10",
        f"/api/v1/scorecard?unit={UNIT}&period={MONTH}&format=csv",
    ],
    "/api/v1/export": [
        f"/api/v1/export?unit={UNIT}&from=2023-01",
        f"/api/v1/export?unit={UNIT}&format=csv&measure={SIGNED}",
        f"/api/v1/export?unit={PROVINCE}&format=sdmx-csv&from=2024-01&measure={SIGNED}",
    ],
    "/api/v1/series": [
        _SERIES + "&last=13",
        _SERIES + "&last=13&geography=current",
        _SERIES + "&from=2023-Q1&to=2024-Q4&step=quarter",
        _SERIES + "&last=13&layout=rows",
        _SERIES + "&span=2023-10..2024-03",
        f"/api/v1/series?measure=*&unit={UNIT}&last=3&fields=value,share",
        _SERIES + "&last=13&as_of={revision}",
        _SERIES + "&last=13&min_revision={revision}",
        f"/api/v1/series?measure={RATE}&children_of={PROVINCE}&last=3&geography=current",
        f"/api/v1/series?measure={SIGNED}&descendants_of=travinh&from=2021-10&to=2021-10&geography=current",
        f"/api/v1/series?measure={RATE}&children_of={PROVINCE}&last=3&format=csv",
        _SERIES + "&last=3&format=xlsx",
    ],
    "/api/v1/vintages": [
        f"/api/v1/vintages?unit={UNIT}&limit=50",
        f"/api/v1/vintages?measure={SIGNED}&unit={PROVINCE}&from=2024-01&format=csv",
    ],
    "/api/v1/submissions/{id}": ["/api/v1/submissions/{submission}"],
    "/api/v1/targets": ["/api/v1/targets", "/api/v1/targets?format=csv"],
    "/api/v1/templates/{unit}/{period}.xlsx": [
        f"/api/v1/templates/{UNIT}/{{last_month}}.xlsx",
        "/api/v1/templates/tv.dof/2021-10.xlsx",
    ],
    "/api/v1/units": [
        f"/api/v1/units?parent={PROVINCE}",
        "/api/v1/units?format=csv",
        "/api/v1/units?as_of={revision}&limit=5",
    ],
    "/openapi.json": ["/openapi.json"],
    "/docs": ["/docs"],
    "/docs/{_:.*}": ["/docs/"],
    "/livez": ["/livez"],
    "/readyz": ["/readyz"],
    "/metrics": ["/metrics"],
    "/metrics/figures": [f"/metrics/figures?unit={UNIT}", f"/metrics/figures?measure={OUTGOING}"],
    f"{_PROMETHEUS}/query": [
        f"{_PROMETHEUS}/query?query=sum({_TEXT})&time=2024-06-10T00:00:00Z",
        f"{_PROMETHEUS}/query?query=topk(3,{_TEXT})",
        f"{_PROMETHEUS}/query?query=max_over_time({_TEXT}[1y:7d])&as_of={{revision}}",
    ],
    f"{_PROMETHEUS}/query_range": [
        f"{_PROMETHEUS}/query_range?query=sum({_TEXT})by(unit)&{_SPAN}&step=10d"
    ],
    f"{_PROMETHEUS}/format_query": [f"{_PROMETHEUS}/format_query?query=sum({_TEXT})by(unit)"],
    f"{_PROMETHEUS}/labels": [f"{_PROMETHEUS}/labels", f"{_PROMETHEUS}/labels?limit=2"],
    f"{_PROMETHEUS}/series": [
        f"{_PROMETHEUS}/series?match[]={_TEXT}{{unit%3D%22{UNIT}%22}}&{_SPAN}".replace(
            "{unit", "%7Bunit"
        ).replace("%22}", "%22%7D")
    ],
    f"{_PROMETHEUS}/query_exemplars": [f"{_PROMETHEUS}/query_exemplars"],
    f"{_PROMETHEUS}/label/{{name}}/values": [
        f"{_PROMETHEUS}/label/unit/values",
        f"{_PROMETHEUS}/label/__name__/values",
    ],
    f"{_PROMETHEUS}/metadata": [f"{_PROMETHEUS}/metadata?limit=5"],
    f"{_PROMETHEUS}/rules": [f"{_PROMETHEUS}/rules"],
    f"{_PROMETHEUS}/alerts": [f"{_PROMETHEUS}/alerts"],
    f"{_PROMETHEUS}/status/buildinfo": [f"{_PROMETHEUS}/status/buildinfo"],
    "/prometheus/-/healthy": ["/prometheus/-/healthy"],
    "/prometheus/-/ready": ["/prometheus/-/ready"],
    "/": ["/"],
}


def declared_routes(caller):
    """Returns the GET routes of the OpenAPI document and of the table of access rights."""
    described = expect(caller.get("/openapi.json"), 200)["paths"]
    routes = {path for path, methods in described.items() if "get" in methods}
    if TABLE.exists():
        routes |= set(
            re.findall(r'\(\s*"GET",\s*"([^"]+)"', TABLE.read_text().partition("#[cfg(test)]")[0])
        )
    return routes


def requests_of(names):
    """Returns (route, path) for every line of the table, with the names of this ledger filled
    in."""
    found = []
    for route, asked in ROUTES.items():
        for path in asked:
            for name, value in names.items():
                path = path.replace("{" + name + "}", str(value))
            found.append((route, path))
    return found


class Measured:
    """The durations of all requests of all threads, and the faults."""

    def __init__(self, place, alone):
        self._place, self._alone, self._lock = place, alone, threading.Lock()
        self.ending, self.slowest, self.count = threading.Event(), (0.0, ""), {}
        self.excused = False  # the process is being stopped: a missing response is not a fault

    def limit(self, path):
        """Returns the time limit of a request: a second, or a multiple of its duration without
        load."""
        return max(STALL, 25 * self._alone.get(path, 0.0))

    def ask(self, caller, what, method, path, body=None, expected=(200,)):
        """Sends a request and measures it; returns whether the response was as expected."""
        began = time.monotonic()
        try:
            reply = caller.send(
                method, path, body, {"content-type": "application/json"} if body else None
            )
        except (Lost, Refused) as error:
            if not self.excused:
                self._place.faults.add(
                    "a response never arrived",
                    f"{what} after {time.monotonic() - began:.1f} s: {error}",
                )
                self.ending.set()
            return False
        took = time.monotonic() - began
        with self._lock:
            self.count[what] = self.count.get(what, 0) + 1
            self.slowest = max(self.slowest, (took, path))
        if self.excused:
            return False
        if reply.status not in expected:
            self._place.faults.add(
                f"{what}: response {reply.status}", f"{path}: {reply.body[:200]!r}"
            )
        if took > self.limit(path):
            self._place.faults.add(
                f"{what} waited more than {self.limit(path):.1f} s",
                f"{path}: {took:.1f} s, alone {self._alone.get(path, 0):.3f} s",
            )
        return True


def read_all(measured, caller, requests, dice):
    """Sends all requests in random order, repeatedly."""
    while not measured.ending.is_set():
        for route, path in dice.sample(requests, len(requests)):
            measured.ask(
                caller, f"GET {route}", "GET", path, expected=(302,) if route == "/docs" else (200,)
            )
            if measured.ending.is_set():
                return


def read_livez(measured, caller):
    """Sends probes like an orchestrator."""
    while not measured.ending.wait(0.05):
        measured.ask(caller, "GET /livez, by itself", "GET", "/livez")


def write_all(measured, caller, months, dice):
    """Posts submissions with one figure of a random unit and month."""
    while not measured.ending.is_set():
        unit = f"{PROVINCE}.u{dice.randrange(1, 11):03}"
        body = figure(dice.randrange(1, 10**6), unit=unit, period=dice.choice(months)).encode()
        measured.ask(caller, "a write", "POST", "/api/v1/observations", body, expected=(200, 201))


def measure_alone(caller, requests):
    """Returns path -> seconds, the better of two requests without other load."""
    alone = {}
    for route, path in requests:
        for _ in range(2):
            began = time.monotonic()
            reply = caller.get(path)
            took = time.monotonic() - began
            if reply.status != (302 if route == "/docs" else 200):
                raise Fault(f"{path}: response {reply.status} without load: {reply.body[:200]!r}")
            alone[path] = min(alone.get(path, took), took)
    return alone


def check_end(place, served):
    """Checks that SIGTERM ends the process in the documented time."""
    began = time.monotonic()
    code = served.stop(SHUTDOWN + 5)
    took = time.monotonic() - began
    place.check(took <= SHUTDOWN + 1, "SIGTERM did not end the process in time", f"{took:.1f} s")
    place.check(
        code in (0, 3, None), "the process ended with another code than 0 or 3 after SIGTERM", code
    )
    log = served.log()
    for word in ("panicked at", "deadlock"):
        lines = [line for line in log.splitlines() if word in line.lower()]
        place.check(not lines, f"the log contains {word!r}", lines[:1])
    return took


def run_threads(place, measured, seconds, threads):
    """Runs clients until the time is up or a response is missing."""
    started = [
        threading.Thread(target=call, args=arguments, daemon=True) for call, *arguments in threads
    ]
    for thread in started:
        thread.start()
    began = time.monotonic()
    measured.ending.wait(seconds)
    measured.ending.set()
    for thread in started:
        thread.join(HANG + 3)
    place.check(not any(thread.is_alive() for thread in started), "a client is still waiting")
    return time.monotonic() - began


@attack(KIND)
def every_route_beside_writers(place):
    """Four readers request every GET route beside two writers: no request is blocked or refused,
    and SIGTERM ends the process."""
    return ask_every_route(place, place.sqlite())


@attack(KIND, long=True)
def every_route_beside_writers_postgres(place):
    """The same with PostgreSQL."""
    return ask_every_route(place, place.postgres())


def ask_every_route(place, database):
    """Runs the case with a new ledger."""
    key = fill(place, database)
    served = place.serve(database, "--rate-limit", "off")
    caller = Caller(served, key, HANG)
    missing = sorted(declared_routes(caller) - set(ROUTES) - OF_ONE_PERSON)
    place.check(not missing, "routes without a line in the table of this test", missing)
    today = datetime.now(UTC)
    last_month = (today.replace(day=1) - timedelta(days=1)).strftime("%Y-%m")
    requests = requests_of(
        complete(served, key) | {"last_month": last_month, "this_month": today.strftime("%Y-%m")}
    )
    alone = measure_alone(caller, requests)
    slow = max((seconds, path) for path, seconds in alone.items())
    measured = Measured(place, alone)
    months = [MONTH, last_month, "2023-11", "2021-10"]
    threads = [
        (read_all, measured, Caller(served, key, HANG), requests, random.Random(n))
        for n in range(4)
    ]
    threads += [
        (write_all, measured, Caller(served, key, HANG), months, random.Random(n)) for n in (10, 11)
    ]
    threads.append((read_livez, measured, Caller(served, key, HANG)))
    took = run_threads(place, measured, 60 if place.long else 8, threads)
    if not place.faults:
        unasked = {f"GET {route}" for route in ROUTES} - set(measured.count)
        place.check(not unasked, "routes without a request", sorted(unasked))
        place.check(
            measured.count.get("a write", 0) > 20,
            "too few writes for a result",
            measured.count.get("a write"),
        )
    ended = check_end(place, served)
    writes, livez = measured.count.get("a write", 0), measured.count.get("GET /livez, by itself", 0)
    return (
        f"{sum(measured.count.values()) - writes - livez} reads of {len(ROUTES)} routes, "
        f"{writes} writes, {livez} probes in {took:.0f} s;"
        f" slowest {measured.slowest[0]:.2f} s {measured.slowest[1]}, alone {slow[0]:.3f} s "
        f"{slow[1]}; SIGTERM took {ended:.1f} s"
    )


@attack(KIND)
def completeness_beside_a_writer(place):
    """One loop of writes and two of GET /completeness."""
    database = place.sqlite()
    key = fill(place, database)
    served = place.serve(database, "--rate-limit", "off")
    path = "/api/v1/completeness?period=2021-05&parent=travinh"
    measured = Measured(place, {})
    requests = [("/api/v1/completeness", path)]
    threads = [
        (read_all, measured, Caller(served, key, HANG), requests, random.Random(n))
        for n in range(2)
    ]
    threads.append((write_all, measured, Caller(served, key, HANG), [MONTH], random.Random(2)))
    took = run_threads(place, measured, 20 if place.long else 3, threads)
    ended = check_end(place, served)
    return f"{json.dumps(measured.count)} in {took:.0f} s; SIGTERM took {ended:.1f} s"


def end_under_load(place, before):
    """Sends SIGTERM while readers and a writer are active. `before(served, key)` is called first,
    and its result is kept open until the end."""
    database = place.sqlite()
    key = fill(place, database)
    served = place.serve(database, "--rate-limit", "off")
    kept = before(served, key)
    measured = Measured(place, {})
    requests = [
        ("/api/v1/series", _SERIES + "&last=13"),
        ("/api/v1/completeness", "/api/v1/completeness?period=2021-05&parent=travinh"),
    ]
    threads = [
        (read_all, measured, Caller(served, key, HANG), requests, random.Random(n))
        for n in range(2)
    ]
    threads.append((write_all, measured, Caller(served, key, HANG), [MONTH], random.Random(3)))
    for call, *arguments in threads:
        threading.Thread(target=call, args=arguments, daemon=True).start()
    time.sleep(1)
    measured.excused = True
    ended = check_end(place, served)
    measured.ending.set()
    del kept
    return f"ended after {ended:.1f} s"


@attack(KIND)
def sigterm_under_load(place):
    """The process ends in time on SIGTERM while readers and a writer are active."""
    return end_under_load(place, lambda _served, _key: None)


@attack(KIND, long=True)
def sigterm_beside_half_a_request(place):
    """The process ends in time on SIGTERM while a client has sent only a part of a request."""

    def half(served, key):
        head = (
            "POST /api/v1/observations HTTP/1.1\r\nhost: x\r\nauthorization: Bearer "
            f"{key}\r\ncontent-length: 100\r\n\r\n{{"
        )
        connection = socket.create_connection((HOST, served.port))
        connection.sendall(head.encode())
        return connection

    return end_under_load(place, half)
