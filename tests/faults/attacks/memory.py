"""Unread responses, large responses, files that fill the log or memory, growing PromQL: memory and
log must stay within their limits."""

import contextlib
import gzip
import http.client
import json
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.parse
import zlib

from common import HOST, Fault, binary, environment
from registry import Caller, attack

LIMIT = 512 << 20  # memory limit given to the service
MOST = 700 << 20  # most bytes that the process may use with that limit
SETTING = {"EGOV_KPI_MEMORY": "512MiB", "EGOV_KPI_LOG": "info"}
PAGE = (
    "/api/v1/series?descendants_of=gen.p01&measure=ioffice.documents.outgoing"
    "&measure=ioffice.documents.signed&from=2008-01&to=2021-12&limit=20000"
)
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def province(place):
    """Makes a ledger with 181 units and some figures; a page of 60,000 points has 30 MB."""
    database, units = place.sqlite(), place.folder / "units.json"
    figures = subprocess.run(
        [binary(), "generate", "--size", "1x180", "--units", units],
        capture_output=True,
        check=True,
        env=environment(),
    ).stdout
    some = place.folder / "figures.csv"
    some.write_bytes(b"\n".join(figures.split(b"\n")[:4_001]) + b"\n")
    done = place.run("import", units, some, "--database", database)
    if done.returncode:
        raise Fault(f"the figures cannot be imported: {done.stderr.strip()[:300]}")
    return database


class Onlooker:
    """Sends short requests continuously and records their durations."""

    def __init__(self, served, key, paths=("/api/v1/me",), pause=0.05):
        self.times, self.statuses, self._ending = [], {}, threading.Event()
        self._served, self._key, self._paths, self._pause = served, key, paths, pause
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        caller, turn = Caller(self._served, self._key, 60), 0
        while not self._ending.is_set():
            began, turn = time.monotonic(), turn + 1
            try:
                status = caller.get(self._paths[turn % len(self._paths)]).status
            except Exception as error:  # any error means that there was no response
                status = type(error).__name__
            self.times.append(time.monotonic() - began)
            self.statuses[status] = self.statuses.get(status, 0) + 1
            self._ending.wait(self._pause)

    def end(self):
        """Ends the requests; returns the longest duration."""
        self._ending.set()
        self._thread.join(70)
        return max(self.times, default=0.0)


def gauge(caller, name):
    """Returns a number of /metrics; None when there is no metric of that name."""
    text = caller.get("/metrics").body.decode()
    found = [float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name)]
    return sum(found) if found else None


def asked_and_not_read(served, key, path, source="127.0.0.1"):
    """Opens a connection that has requested a page and does not read it."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.bind((source, 0))
    connection.settimeout(10)
    connection.connect((HOST, served.port))
    connection.sendall(
        f"GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\r\n".encode()
    )
    return connection


@attack("answers that nobody reads")
def unread_pages(place):
    """Many connections request a page of 30 MB and do not read it."""
    database = province(place)
    keys = [place.key(database, "reader") for _ in range(4)]
    served = place.serve(database, env=SETTING)
    good, caller = (
        Onlooker(
            served,
            keys[3],
            (
                "/api/v1/me",
                PAGE.replace("limit=20000", "limit=1"),
                PAGE.replace("limit=20000", "limit=50"),  # is sent in counted pieces
            ),
        ),
        Caller(served, keys[3]),
    )
    count = 200 if place.long else 60
    connections = [
        asked_and_not_read(served, keys[n % 3], PAGE, f"127.0.0.{2 + n % 8}") for n in range(count)
    ]
    began, unsent = time.monotonic(), 0.0  # they are given up after 30 s
    while time.monotonic() - began < (60 if place.long else 20):
        time.sleep(0.5)
        unsent = max(unsent, gauge(caller, 'egov_kpi_memory_bytes{kind="unsent"}'))
        if served.memory("VmRSS") > MOST:
            break
    most = served.memory()
    place.check(
        most <= MOST,
        "unread responses exceed the memory limit",
        f"{most >> 20} MiB",
    )
    worst = good.end()
    place.check(
        worst < 3 and set(good.statuses) == {200},
        "other clients wait for those that do not read",
        f"{worst:.1f} s, {good.statuses}",
    )
    place.check(unsent, "unread responses are not counted", unsent)
    for connection in connections:
        connection.close()
    deadline = time.monotonic() + 15
    while (
        left := gauge(caller, 'egov_kpi_memory_bytes{kind="unsent"}')
    ) and time.monotonic() < deadline:
        time.sleep(0.2)
    place.check(left == 0, "memory is not given back when the connections are closed", left)
    return (
        f"{count} connections, {(unsent or 0) / 2**20:.0f} MiB unread, at most {most >> 20} MiB "
        f"resident; others at worst {worst * 1000:.0f} ms"
    )


@attack("answers that nobody reads", long=True)
def unread_pages_are_given_up(place):
    """An unread response is abandoned after some time, and its connection is closed."""
    database = province(place)
    key = place.key(database, "reader")
    served = place.serve(database, env=SETTING)
    caller, connection = Caller(served, key), asked_and_not_read(served, key, PAGE)
    deadline = time.monotonic() + 90
    while not gauge(caller, 'egov_kpi_memory_bytes{kind="unsent"}') and time.monotonic() < deadline:
        time.sleep(0.2)
    began = time.monotonic()
    while gauge(caller, 'egov_kpi_memory_bytes{kind="unsent"}') and time.monotonic() < began + 60:
        time.sleep(0.5)
    took, length = time.monotonic() - began, 0
    place.check(25 < took < 45, "an unread response is abandoned after 30 s", f"{took:.0f} s")
    try:
        while piece := connection.recv(1 << 16):
            length += len(piece)
    except OSError:
        pass
    place.check(length < 4 << 20, "an abandoned response is still sent", length)
    return f"abandoned after {took:.0f} s"


@attack("answers that are large to write")
def excel_files_at_once(place):
    """Requests many Excel files of 60,000 rows at once; short requests get responses meanwhile."""
    database = province(place)
    keys = [place.key(database, "reader") for _ in range(3)]
    served = place.serve(database, env=SETTING)
    count, good = 40 if place.long else 12, Onlooker(served, keys[2])
    found, lock = {}, threading.Lock()

    def ask(key):
        try:
            reply = Caller(served, key, 240).get(PAGE + "&format=xlsx")
            outcome = (
                reply.status
                if reply.status != 503 or reply.headers.get("retry-after")
                else "503 without Retry-After"
            )
            whole = reply.status != 200 or (
                reply.headers["content-type"] == XLSX and reply.body[:2] == b"PK"
            )
        except Exception as error:
            outcome, whole = type(error).__name__, True
        with lock:
            found[outcome] = found.get(outcome, 0) + 1
            place.check(whole, "an Excel file is invalid")

    threads = [threading.Thread(target=ask, args=(keys[n % 2],), daemon=True) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    worst, most = good.end(), served.memory()
    place.check(
        set(found) <= {200, 503} and found.get(200),
        "large requests get a response, or 503 with Retry-After",
        found,
    )
    place.check(most <= MOST, "writing responses exceeds the memory limit", f"{most >> 20} MiB")
    place.check(
        worst < 1 and set(good.statuses) == {200},
        "a short request waits for large ones",
        f"{worst:.1f} s, {good.statuses}",
    )
    return f"{count} at once: {found}; at most {most >> 20} MiB; /me at worst {worst * 1000:.0f} ms"


# -- files


def pdf(objects):
    """Returns a PDF of numbered objects; the first is its catalog."""
    out, places = bytearray(b"%PDF-1.5\n"), []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % at for at in places)
    out += b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def page_of(content):
    """Returns a PDF whose page has the given instructions."""
    packed = zlib.compress(content, 9)
    stream = b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(packed), packed)
    page = (
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<</Font<</F1 5 "
        b"0 R>>>>>>"
    )
    font = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
    return pdf(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            page,
            stream,
            font,
        ]
    )


def broken_objects(count):
    """Returns a PDF whose cross-reference table names `count` objects that do not exist."""
    head = b"%PDF-1.5\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\nnothing\n"
    directory = (
        b"xref\n0 %d\n0000000000 65535 f \n0000000009 00000 n \n" % (count + 2)
        + b"0000000055 00000 n \n" * count
    )
    return (
        head
        + directory
        + b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (count + 2, len(head))
    )


def send_report(served, key, body, *, packed=False, timeout=120):
    """Posts a PDF as a report; returns the status."""
    headers = {"content-encoding": "gzip"} if packed else {}
    body = gzip.compress(body, 9) if packed else body
    return Caller(served, key, timeout).post(
        "/api/v1/reports", body, headers, content="application/pdf"
    ).status, len(body)


@attack("readers of files that log or grow")
def a_pdf_of_broken_objects_does_not_fill_the_log(place):
    """A small PDF names half a million missing objects; its reader logs a message about each."""
    database = place.sqlite()
    key = place.key(database, "admin")
    served = place.serve(database, env=SETTING)
    before = len(served.log())
    status, length = send_report(served, key, broken_objects(500_000), packed=True)
    grown, most = len(served.log()) - before, served.memory()
    place.check(status in (413, 422), "a broken PDF is refused", status)
    place.check(
        grown < 200_000,
        "a broken PDF fills the log",
        f"{grown >> 10} KiB of log for {length >> 10} KiB",
    )
    place.check(most <= MOST, "a broken PDF exceeds the memory limit", f"{most >> 20} MiB")
    # Also with the most detailed log level.
    loud = place.serve(
        database, "--log", "debug,lopdf=trace", name="loud", env={"EGOV_KPI_MEMORY": "512MiB"}
    )
    send_report(loud, key, broken_objects(100_000), packed=True)
    place.check(
        len(loud.log()) < 2_000_000,
        "a broken PDF fills the log",
        f"{len(loud.log()) >> 10} KiB when everything is logged",
    )
    return (
        f"{length >> 10} KiB sent, {grown} bytes of log, {len(loud.log()) >> 10} KiB with "
        "everything"
    )


@attack("readers of files that log or grow")
def instructions_of_a_pdf_are_bounded(place):
    """Small PDFs with many instructions, nested states, long lists or many letters."""
    database = place.sqlite()
    key = place.key(database, "admin")
    served = place.serve(database, env=SETTING)
    before, seen = served.memory(), []
    files = {
        "q": b"q " * 900_000,
        "Q q": b"Q q " * 400_000,
        "numbers": b"1 " * 900_000 + b"m",
        "a list": b"BT /F1 1 Tf [" + b"(a) " * 500_000 + b"] TJ ET",
        "lists in lists": b"[" * 60_000 + b"]" * 60_000 + b" TJ",
        "letters": b"BT /F1 1 Tf (" + b"abcdefghij" * 400_000 + b") Tj ET",
        "texts": b"BT /F1 1 Tf " + (b"(" + b"abcdefghij" * 4_000 + b") Tj ") * 100 + b"ET",
        "paths": b"0 0 m 9 9 l S " * 60_000,
    }
    for name, content in files.items():
        for count in (1, 4) if place.long else (2,):
            threads = [
                threading.Thread(
                    target=lambda content=content: seen.append(
                        send_report(served, key, page_of(content), packed=True)
                    ),
                    daemon=True,
                )
                for _ in range(count)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(150)
        place.check(served.alive, f"{name} ends the service", served.last_words())
        most = served.memory()
        place.check(
            most <= 450 << 20, f"a small PDF with {name} takes much memory", f"{most >> 20} MiB"
        )
    place.check(
        all(status in (200, 413, 422, 503) for status, _ in seen),
        "a strange PDF gets a response",
        seen,
    )
    return (
        f"{len(seen)} PDFs of at most {max(length for _, length in seen) >> 10} KiB: "
        f"{before >> 20} -> {served.memory() >> 20} MiB"
    )


@attack("readers of files that log or grow")
def long_methods_are_cut_in_the_log(place):
    """Requests with methods of 60,000 letters."""
    database = place.sqlite()
    key = place.key(database, "admin")
    served = place.serve(database, env=SETTING)
    for n in range(200):
        connection = http.client.HTTPConnection(HOST, served.port, timeout=10)
        connection.request(
            "X" * 60_000, "/api/v1/me", headers={"authorization": f"Bearer {key}"} if n % 2 else {}
        )
        connection.getresponse().read()
        connection.close()
    time.sleep(0.3)
    log = served.log()
    longest = max(len(line) for line in log.splitlines())
    place.check(
        longest < 10_000 and len(log) < 200_000,
        "a method fills the log",
        f"{len(log)} bytes, a line of {longest}",
    )
    return f"{len(log)} bytes of log, longest line {longest}"


@attack("readers of files that log or grow")
def a_log_that_nobody_takes_stops_nobody(place):
    """Standard error is an unread pipe, a closed pipe, or a full disk."""
    database = place.sqlite()
    key = place.key(database, "admin")
    told = []
    for name, command in {
        "not read": 'exec 3>&1; "$@" 2>&1 >&3 | sleep 600',
        "closed": 'exec 3>&1; "$@" 2>&1 >&3 | sleep 0.1',
        "full": 'exec "$@" 2>/dev/full',
    }.items():
        served = place.serve(
            database,
            "--log",
            "debug",
            name=name.replace(" ", "_"),
            wrap=("sh", "-c", command, "sh"),
            env={"EGOV_KPI_MEMORY": "512MiB"},
        )
        caller, began = Caller(served, key, 5), time.monotonic()
        try:
            for n in range(1_500):  # a pipe holds 64 KiB
                status = caller.get(f"/api/v1/units?limit=1&unknown={n}").status
                if status != 422:
                    raise Fault(f"answered {status}")
            for period in ("2021-10", "2021-11"):
                figure = {
                    "indicator": "ioffice.documents.outgoing",
                    "unit": "travinh",
                    "period": period,
                    "value": int(time.time() * 1000),
                }
                status = caller.post(
                    "/api/v1/observations", json.dumps({"observations": [figure]})
                ).status
                if status != 201:
                    raise Fault(f"answered {status}")
            dropped = gauge(caller, "egov_kpi_log_lines_dropped_total")
            place.check(dropped is not None, "dropped lines are not counted")
            told.append(
                f"{name}: {time.monotonic() - began:.1f} s, {dropped or 0:.0f} lines dropped"
            )
        except Exception as error:
            place.faults.add(
                f"a log that is {name} stops the service", f"{type(error).__name__}: {error}"
            )
        served.kill()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(served.process.pid, signal.SIGKILL)  # also the reader of its log
    return "; ".join(told)


# -- PromQL


def nested(depth, replacement="$1$1"):
    """Returns nested label_replace calls, each of which makes the label longer."""
    query = 'label_replace(vector(1),"a","xx","","")'
    for _ in range(depth):
        query = f'label_replace({query},"a","{replacement}","a","(.*)")'
    return query


@attack("PromQL that grows")
def queries_that_grow(place):
    """Small queries with growing labels, regular expressions or responses."""
    database = province(place)
    key = place.key(database, "reader")
    served = place.serve(database, env=SETTING)
    queries = {
        "27 nested": nested(27),
        "16 times eightfold": nested(16, "$1" * 8),
        "one long replacement": nested(3, "$1" * 15_000),
        "every series": 'label_replace({__name__=~".+"},"a","' + "x" * 16_000 + '","","")',
        "a large regular expression": 'egov_units{unit=~"(x{100}){10000}"}',
        "many regular expressions": "{" + ",".join('a=~"(b{50}){50}"' for _ in range(2_000)) + "}",
        "a large label_replace": 'label_replace(vector(1),"a","b","c","((x{100}){100}){10}")',
        "long lists of labels": (
            f'{{__name__=~".+"}} * on(unit) group_left({",".join(f"l{n}" for n in range(5_000))}) '
            '{__name__=~".+"}'
        ),
        "wide or": " or ".join('{__name__=~"egov_.+"}' for _ in range(120)),
        "deep": "abs(" * 100 + "vector(1)" + ")" * 100,
        "everything": '{__name__=~".+"}',
    }
    worst, statuses = 0.0, {}
    for name, query in queries.items():
        for path, more in (
            ("query", {"time": "2021-06-15T00:00:00Z"}),
            (
                "query_range",
                {"start": "2021-01-01T00:00:00Z", "end": "2021-03-01T00:00:00Z", "step": "1d"},
            ),
        ):
            began = time.monotonic()
            body = urllib.parse.urlencode({"query": query, **more})
            try:
                reply = Caller(served, key, 40).post(
                    f"/prometheus/api/v1/{path}", body, content="application/x-www-form-urlencoded"
                )
                status, length = reply.status, len(reply.body)
            except Exception as error:
                status, length = type(error).__name__, 0
                if not served.alive:
                    raise Fault(f"{name} ends the service: {served.last_words()}") from error
            took = time.monotonic() - began
            worst, statuses[name] = max(worst, took), status
            refused = name != "everything"
            place.check(
                status in ((400, 422, 503) if refused else (200, 422, 503)),
                f"{name} is refused with an error of Prometheus' form",
                f"{path}: {status}, {length} bytes",
            )
            place.check(took < 15, f"{name} gets a response in time", f"{took:.0f} s")
            place.check(
                served.memory() <= MOST,
                f"{name} exceeds the memory limit",
                f"{served.memory() >> 20} MiB",
            )
            if status in (400, 422, 503):
                said = json.loads(reply.body)
                place.check(
                    said["status"] == "error"
                    and said["errorType"] in ("bad_data", "execution", "timeout", "unavailable"),
                    f"{name}: the response does not have Prometheus' form",
                    reply.body[:200],
                )
    reply = Caller(served, key).get(
        "/prometheus/api/v1/query", query='label_replace(vector(1),"a","$1-$1","b","(.*)")'
    )
    place.check(reply.status == 200, "an ordinary label_replace works", reply.body[:200])
    return f"{len(queries)} queries, at worst {worst:.1f} s and {served.memory() >> 20} MiB"


@attack("past states")
def many_past_states(place):
    """Requests many past revisions at once."""
    database = province(place)
    key = place.key(database, "admin")
    served = place.serve(database, env=SETTING)
    caller = Caller(served, key)
    for n in range(12):
        figure = {
            "indicator": "ioffice.documents.outgoing",
            "unit": "travinh",
            "period": "2021-10",
            "value": n + 1,
        }
        caller.post("/api/v1/observations", json.dumps({"observations": [figure]}))
    found, lock = {}, threading.Lock()

    def ask(revision):
        for _ in range(6 if place.long else 2):
            status = (
                Caller(served, key, 60)
                .get(f"/api/v1/observations?unit=travinh&as_of={revision}")
                .status
            )
            with lock:
                found[status] = found.get(status, 0) + 1

    threads = [threading.Thread(target=ask, args=(3 + n % 12,), daemon=True) for n in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    most, past = served.memory(), gauge(caller, 'egov_kpi_memory_bytes{kind="past"}')
    place.check(
        set(found) <= {200, 503} and found.get(200),
        "requests for past states get a response, or 503",
        found,
    )
    place.check(
        most <= MOST and past is not None,
        "past states exceed the memory limit or are not counted",
        f"{most >> 20} MiB, {past}",
    )
    return f"{found}, {(past or 0) / 2**20:.0f} MiB kept, at most {most >> 20} MiB"
