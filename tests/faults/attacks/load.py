"""Hostile load: attacks that use memory, processor or log, from many addresses and with many keys
at once, while a client with a valid key reads."""

import asyncio
import contextlib
import gzip
import http.client
import io
import multiprocessing
import statistics
import time
import urllib.parse
import zipfile
import zlib

from common import HOST, binary
from registry import attack

from memory import MOST, PAGE, SETTING, broken_objects, nested, page_of, province

READ = (
    "/api/v1/series?measure=ioffice.documents.signed_rate&unit=gen.p01.u001&from=2021-01&to=2021-12"
)
LOG = 10 << 20  # most bytes of the log
SOURCES = [
    f"127.0.0.{n}" for n in range(2, 22)
]  # addresses of this machine from which attacks are sent
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def bomb_workbook():
    """Returns an Excel file whose only sheet unpacks to 300 MB."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as zipped:
        zipped.writestr(
            "[Content_Types].xml",
            '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        )
        zipped.writestr(
            "xl/workbook.xml",
            (
                "<workbook "
                'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheets/></workbook>'
            ),
        )
        with zipped.open("xl/worksheets/sheet1.xml", "w") as sheet:
            for _ in range(300):
                sheet.write(b"<c>1</c>" * (1 << 17))
    return out.getvalue()


class Hostile:
    """The attackers, in a separate process. Each repeatedly opens a connection and attacks."""

    def __init__(self, port, keys, seconds, intensity):
        self.port, self.keys, self.until, self.intensity = (
            port,
            keys,
            time.monotonic() + seconds,
            intensity,
        )
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        self.bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(256)) + packer.flush()
        self.pdfs = [
            gzip.compress(body, 9) for body in (page_of(b"q " * 400_000), broken_objects(100_000))
        ]
        self.workbook = bomb_workbook()
        self.large = b'{"observations":' + b"[" * (8 << 20)

    def head(self, method, path, key=None, *headers):
        """Returns the head of a request."""
        sign_in = [f"authorization: Bearer {key}"] if key else []
        return "\r\n".join(
            [f"{method} {path} HTTP/1.1", "host: x", *sign_in, *headers, "", ""]
        ).encode()

    async def _open(self, number):
        return await asyncio.open_connection(
            HOST, self.port, local_addr=(SOURCES[number % len(SOURCES)], 0), limit=1 << 16
        )

    async def _ask(self, number, raw, seconds=60):
        reader, writer = await self._open(number)
        try:
            writer.write(raw)
            async with asyncio.timeout(seconds):
                while await reader.read(1 << 16):
                    pass
        finally:
            writer.transport.abort()

    def _key(self, number):
        return self.keys[number % len(self.keys)]

    async def slow_reader(self, number):
        """Requests a large page and does not read it."""
        reader, writer = await self._open(number)
        writer.transport.pause_reading()
        writer.write(self.head("GET", PAGE, self._key(number)))
        await asyncio.sleep(15 if number % 2 else 40)
        writer.transport.abort()
        del reader

    async def slow_writer(self, number):
        """Sends a large body or a head in small pieces."""
        reader, writer = await self._open(number)
        key = self._key(number)
        writer.write(
            self.head(
                "POST",
                "/api/v1/observations",
                key,
                "content-type: application/json",
                "content-length: 30000000",
            )
            if number % 3
            else b"GET / HTTP/1.1\r\nx: "
        )
        for _ in range(20):
            writer.write(b" " * (200_000 if number % 3 else 5))
            await asyncio.wait_for(writer.drain(), 20)
            await asyncio.sleep(1)
        writer.transport.abort()
        del reader

    async def silent(self, number):
        """Connects and sends nothing."""
        _, writer = await self._open(number)
        await asyncio.sleep(20)
        writer.transport.abort()

    async def bombs(self, number):
        """Sends bodies that unpack to much larger ones, and nested ones."""
        kind = number % 5
        key, close = self._key(number), "connection: close"
        if kind == 0:
            body, path, headers = (
                self.bomb,
                "/api/v1/observations",
                ["content-type: application/json", "content-encoding: gzip"],
            )
        elif kind == 1:
            body, path, headers = self.workbook, "/api/v1/workbooks", [f"content-type: {XLSX}"]
        elif kind == 2:
            body, path, headers = (
                self.large,
                "/api/v1/observations",
                ["content-type: application/json"],
            )
        else:
            body, path, headers = (
                self.pdfs[kind - 3],
                "/api/v1/reports",
                ["content-type: application/pdf", "content-encoding: gzip"],
            )
        await self._ask(
            number,
            self.head("POST", path, key, close, f"content-length: {len(body)}", *headers) + body,
        )

    async def excel(self, number):
        """Requests Excel files of 60,000 rows."""
        await self._ask(
            number, self.head("GET", PAGE + "&format=xlsx", self._key(number), "connection: close")
        )

    async def promql(self, number):
        """Sends growing and large queries."""
        query = [
            nested(27),
            '{__name__=~".+"}',
            nested(16, "$1" * 8),
            'sum by (unit)({__name__=~"egov_.+"})',
        ][number % 4]
        path = "/prometheus/api/v1/query?time=2021-06-15T00:00:00Z&query=" + urllib.parse.quote(
            query
        )
        await self._ask(number, self.head("GET", path, self._key(number), "connection: close"))

    async def wrong_keys(self, number):
        """Sends random keys."""
        reader, writer = await self._open(number)
        for n in range(200):
            writer.write(self.head("GET", READ, f"ek_{n:08x}_{'x' * 43}"))
            await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
            await asyncio.sleep(0.02)
        writer.transport.abort()

    async def past(self, number):
        """Requests past states."""
        await self._ask(
            number,
            self.head(
                "GET",
                f"/api/v1/completeness?period=2021-05&parent=gen.p01&as_of={3 + number % 3}",
                self._key(number),
                "connection: close",
            ),
        )

    async def _loop(self, act, number):
        while time.monotonic() < self.until:
            with contextlib.suppress(
                OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError
            ):
                await asyncio.wait_for(act(number), max(0.1, self.until - time.monotonic()))
            number += 7
            await asyncio.sleep(0.05)

    async def run(self):
        """Runs all attackers at once."""
        counts = {
            self.slow_reader: 100,
            self.slow_writer: 100,
            self.silent: 400,
            self.bombs: 8,
            self.excel: 12,
            self.promql: 6,
            self.wrong_keys: 4,
            self.past: 4,
        }
        loops = [
            self._loop(act, n)
            for act, count in counts.items()
            for n in range(max(1, count * self.intensity // 100))
        ]
        await asyncio.gather(*loops)


def be_hostile(port, keys, seconds, intensity):
    """Runs in the process of the attackers."""
    asyncio.run(Hostile(port, keys, seconds, intensity).run())


def read_for(served, key, seconds, watch=None):
    """Reads repeatedly over a kept connection and over new ones; returns the durations and all
    results other than 200."""
    times, wrong, kept, turn, until = [], [], None, 0, time.monotonic() + seconds
    while time.monotonic() < until:
        began, turn = time.monotonic(), turn + 1
        try:
            connection = (
                http.client.HTTPConnection(HOST, served.port, timeout=30)
                if kept is None or turn % 4 == 0
                else kept
            )
            connection.request("GET", READ, headers={"authorization": f"Bearer {key}"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                wrong.append(answer.status)
            if connection is not kept and kept is not None:
                connection.close()
            else:
                kept = connection
        except (OSError, http.client.HTTPException) as error:
            wrong.append(f"{type(error).__name__}: {error}")
            kept = None
        times.append(time.monotonic() - began)
        if watch:
            watch()
        time.sleep(0.03)
    return times, wrong


@attack("hostile load at once")
def everything_at_once(place):
    """Slow readers and writers, bombs, silent connections, Excel files, PromQL, wrong keys and past
    states, all at the same time."""
    database = province(place)
    good = place.key(database, "reader")
    bad = [
        place.key(database, role)
        for role in ("admin", "steward", "steward", "reader", "reader", "admin")
    ]
    served = place.serve(database, env=SETTING)
    # A debug build is slower but uses the same memory.
    strict = "/debug/" not in str(binary())
    times, wrong = read_for(served, good, 5)
    place.check(not wrong, "without load the service responds", wrong[:3])
    quiet, quiet_worst = statistics.median(times), max(times)
    seconds, resident = 300 if place.long else 20, [0]
    attackers = multiprocessing.get_context("fork").Process(
        target=be_hostile, args=(served.port, bad, seconds, 100 if strict else 50), daemon=True
    )
    attackers.start()

    def watch():
        resident[0] = max(resident[0], served.memory("VmRSS"))

    times, wrong = read_for(served, good, seconds, watch)
    attackers.join(60)
    attackers.kill()
    if not place.check(served.alive, "hostile load ends the service", served.last_words()):
        return ""
    median, worst, most, log = (
        statistics.median(times),
        max(times),
        served.memory(),
        len(served.log()),
    )
    place.check(most < MOST, "memory under hostile load", f"{most >> 20} MiB")
    place.check(
        not wrong,
        "a read with a valid key fails under hostile load",
        f"{len(wrong)} of {len(times)}: {wrong[:3]}",
    )
    place.check(
        median < quiet * (20 if strict else 60),
        "the median of ordinary reads under hostile load",
        f"{median * 1000:.1f} ms, {quiet * 1000:.1f} ms before",
    )
    place.check(
        worst < quiet_worst + (1 if strict else 5),
        "the worst of ordinary reads under hostile load",
        f"{worst:.1f} s, {quiet_worst:.1f} s before",
    )
    place.check(log < LOG, "hostile load fills the log", f"{log >> 10} KiB")
    served.check_log()
    times, wrong = read_for(served, good, 3)
    place.check(not wrong, "the service works afterwards", wrong[:3])
    return (
        f"{seconds} s: median {quiet * 1000:.1f} -> {median * 1000:.1f} ms, worst "
        f"{quiet_worst * 1000:.0f} -> {worst * 1000:.0f} ms, "
        f"at most {most >> 20} MiB, {served.memory('VmRSS') >> 20} MiB afterwards, "
        f"{log >> 10} KiB of log"
    )
