#!/usr/bin/env python3
"""Hostile input that anyone on the network can send, while a client with a key keeps reading.

Each attack is sent to the program on this machine. Meanwhile a client reads a series again and
again, over a kept connection and over new ones. The test fails when such a read gets no response or
takes too long (median 250 ms, worst 2 s), when a response is not the documented one, when memory
exceeds its limit, when a flood fills the log, or when the service does not work properly
afterwards.

    tests/faults/hostile.py           short: about two minutes
        tests/faults/hostile.py --long    more of each attack, and attacks that take a minute each
"""

import argparse
import asyncio
import gzip
import http.client
import resource
import statistics
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from common import (
    HOST,
    Fault,
    Faults,
    Instance,
    add_options,
    begin,
    binary,
    environment,
    guarded,
    report,
    work_folder,
)

MEDIAN, WORST = 0.250, 2.0  # time limits of an ordinary read under attack, in seconds
MEMORY = 1_200 << 20  # most bytes of memory that the service may ever have used
READ = "/api/v1/series?measure=ioffice.documents.signed_rate&unit=travinh&from=2021-01&to=2021-12"
LOCAL = [
    f"127.0.0.{n}" for n in range(2, 22)
]  # addresses of this machine from which attacks are sent


class Served(Instance):
    """One process with additional options."""

    def __init__(self, name, database, folder, faults, *options):
        super().__init__(name, database, folder, faults)
        self._options = options

    def start(self):
        """Returns the command with the options and the default log level, because a flood fills
        that log."""
        with open(self._out, "wb") as out, open(self._err, "ab") as err:
            self._port, self.killed, self.was_ready, self.started_at = (
                None,
                False,
                False,
                time.monotonic(),
            )
            command = [
                binary(),
                "serve",
                "--listen",
                f"{HOST}:0",
                "--database",
                self.database,
                *self._options,
            ]
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=environment(),
                start_new_session=True,
            )
        return self

    def memory(self, name):
        """Returns a line of /proc/PID/status in bytes: VmHWM, VmRSS."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) << 10
        raise Fault(f"no {name}")

    def log_bytes(self):
        """Returns the size of its log."""
        return self._err.stat().st_size


class Reader:
    """Sends an ordinary request at intervals over a kept connection, and every fourth time over a
    new one."""

    def __init__(self, port, key, faults, pause=0.02):
        self._pause, self._port, self._headers, self._faults = (
            pause,
            port,
            {"authorization": f"Bearer {key}"},
            faults,
        )
        self._times, self._lock, self._ending = [], threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def taken(self):
        """Returns the durations since the last call."""
        with self._lock:
            found, self._times = self._times, []
        return found

    def end(self):
        """Ends the requests."""
        self._ending.set()
        self._thread.join(10)

    def _run(self):
        kept = None
        for turn in range(sys.maxsize):
            if self._ending.is_set():
                return
            began = time.monotonic()
            try:
                if kept is None or turn % 4 == 0:
                    connection = http.client.HTTPConnection(HOST, self._port, timeout=10)
                else:
                    connection = kept
                connection.request("GET", READ, headers=self._headers)
                answer = connection.getresponse()
                body = answer.read()
                if answer.status != 200:
                    self._faults.add(
                        f"response {answer.status} to an ordinary read", repr(body[:200])
                    )
                if connection is not kept and kept is not None:
                    connection.close()
                else:
                    kept = connection
            except (OSError, http.client.HTTPException) as error:
                self._faults.add(
                    "an ordinary read got no response", f"{type(error).__name__}: {error}"
                )
                kept = None
            with self._lock:
                self._times.append(time.monotonic() - began)
            self._ending.wait(self._pause)


class Attacks:
    """The attacks; each is a coroutine that returns a sentence about its result."""

    def __init__(self, served, keys, faults, long):
        self.port, self.keys, self.faults, self.long = served.port, keys, faults, long
        self.served = served

    # -- a connection

    async def open(self, source=None):
        """Opens a connection from an address of this machine."""
        return await asyncio.open_connection(
            HOST, self.port, local_addr=(source, 0) if source else None, limit=1 << 20
        )

    async def answer(self, reader, seconds=30):
        """Reads until the server closes the connection; None when that does not happen in time."""
        found = b""
        try:
            async with asyncio.timeout(seconds):
                while piece := await reader.read(1 << 16):
                    found += piece
        except TimeoutError:
            return None
        except OSError:
            pass
        return found

    async def ask(self, raw, seconds=30, source=None):
        """Sends bytes and returns the status of the response: 0 when the connection ends without
        one, None when nothing happens."""
        try:
            reader, writer = await self.open(source)
        except OSError:
            return 0
        try:
            writer.write(raw)

            async def status():
                line = await reader.readline()
                return int(line.split()[1]) if line.startswith(b"HTTP/1.1 ") else 0

            async with asyncio.timeout(seconds):
                return await status()
        except TimeoutError:
            return None
        except OSError:
            return 0
        finally:
            writer.close()

    def head(self, method, path, *headers, key="reporter"):
        """Returns the head of a request; without authorization when `key` is None."""
        sign_in = [f"authorization: Bearer {self.keys[key]}"] if key else []
        return "\r\n".join(
            [f"{method} {path} HTTP/1.1", "host: x", *sign_in, *headers, "", ""]
        ).encode()

    def post(
        self,
        body,
        *headers,
        path="/api/v1/observations",
        media="application/json",
        method="POST",
        key="reporter",
    ):
        """Returns a whole request."""
        return (
            self.head(
                method,
                path,
                f"content-type: {media}",
                f"content-length: {len(body)}",
                *headers,
                key=key,
            )
            + body
        )

    async def expect(self, what, raw, *statuses, seconds=60):
        """Sends one request and checks that the response has one of the documented statuses."""
        status = await self.ask(raw, seconds)
        if status not in statuses:
            self.faults.add(
                f"{what}: response {status} instead of {' or '.join(map(str, statuses))}"
            )

    # -- slow clients

    async def _drip(self, head, piece, pause, until):
        """Sends a head and then pieces at intervals; returns the status, and how long the server
        waited."""
        began = time.monotonic()
        try:
            reader, writer = await self.open()
        except OSError:
            return 0, 0.0
        closed = asyncio.create_task(self.answer(reader, until))
        try:
            writer.write(head)
            while not closed.done():
                await asyncio.wait([closed], timeout=pause)
                if not closed.done():
                    writer.write(piece)
        except OSError:
            pass
        found = await closed
        took = time.monotonic() - began
        writer.close()
        if found is None:
            return None, took
        return (int(found.split()[1]) if found.startswith(b"HTTP/1.1 ") else 0), took

    async def _drips(self, what, count, head, piece, within):
        found = await asyncio.gather(
            *(self._drip(head, piece, 1.0, within + 5) for _ in range(count))
        )
        worst = max(took for _, took in found)
        statuses = sorted({status for status, _ in found}, key=str)
        if statuses not in ([408], [0, 408]):
            self.faults.add(f"{what}: responses {statuses}")
        if worst > within:
            self.faults.add(f"{what}: connection kept for {worst:.0f} s")
        return (
            f"{count} connections, each ended after {min(took for _, took in found):.0f} to "
            f"{worst:.0f} s"
        )

    async def slow_heads(self):
        """Sends a header one byte at a time."""
        return await self._drips(
            "slow heads", 1000 if self.long else 300, b"GET /livez HTTP/1.1\r\nhost: ", b"x", 18
        )

    async def slow_bodies(self):
        """Sends a body one byte at a time, with a key."""
        head = self.head(
            "POST",
            "/api/v1/observations",
            "content-type: application/json",
            "content-length: 1000000",
        )
        return await self._drips("slow bodies", 1000 if self.long else 300, head, b" ", 30)

    async def slow_second_heads(self):
        """Sends one request over each connection, and then a head one byte at a time."""
        count, pairs = 1000 if self.long else 300, []
        for n in range(count):
            pairs.append(await self.open(LOCAL[n % len(LOCAL)]))
            pairs[-1][1].write(self.head("GET", "/livez", key=None))
        for _ in range(10 if self.long else 5):
            for _, writer in pairs:
                writer.write(b"G")
            await asyncio.sleep(1)
        for _, writer in pairs:
            writer.close()
        return f"{count} connections"

    async def slow_readers(self):
        """Requests large responses and does not read them."""
        count, pairs = 200 if self.long else 60, []
        path = "/api/v1/openapi.json"
        for _ in range(count):
            reader, writer = await self.open()
            writer.transport.pause_reading()  # received data is not read
            pairs.append((reader, writer))
            for _ in range(16):
                writer.write(self.head("GET", path, key="reader"))
        await asyncio.sleep(70 if self.long else 5)
        if self.long:
            gone = await self._closed(pairs)
            if gone < count * 9 // 10:
                self.faults.add(
                    f"slow readers: {count - gone} of {count} are still connected after 70 s"
                )
        for _, writer in pairs:
            writer.transport.abort()
        return f"{count} connections"

    async def _closed(self, pairs):
        gone = 0
        for reader, writer in pairs:
            writer.transport.resume_reading()
            gone += await self.answer(reader, 5) is not None
        return gone

    # -- many connections

    async def idle(self):
        """Opens ten thousand connections from several addresses, with one request each."""
        count, pairs, refused = 10_000, [], 0
        for n in range(count):
            try:
                pairs.append(await self.open(LOCAL[n % len(LOCAL)]))
                pairs[-1][1].write(self.head("GET", "/livez", key=None))
            except OSError:
                refused += 1
        await asyncio.sleep(3)
        open_now = await self._gauge("egov_kpi_connections")
        if refused or open_now < count:
            self.faults.add("idle connections", f"{refused} refused, {open_now:.0f} open")
        await asyncio.sleep(10 if self.long else 4)
        memory = self.served.memory("VmRSS") >> 20
        for _, writer in pairs:
            writer.transport.abort()
        return f"{open_now:.0f} open at once, {memory} MiB resident"

    async def one_address(self):
        """Opens more connections than one address may have."""
        pairs = [await self.open("127.0.0.99") for _ in range(2_500)]
        await asyncio.sleep(1)
        closed = sum(reader.at_eof() for reader, _ in pairs)
        for _, writer in pairs:
            writer.transport.abort()
        if closed != 500:
            self.faults.add(
                "connections of one address", f"{closed} of 2500 were closed instead of 500"
            )
        return f"{closed} of 2500 closed at once"

    async def _gauge(self, name):
        def read():
            connection = http.client.HTTPConnection(HOST, self.port, timeout=10)
            connection.request(
                "GET", "/metrics", headers={"authorization": f"Bearer {self.keys['reader']}"}
            )
            text = connection.getresponse().read().decode()
            connection.close()
            return sum(
                float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name)
            )

        return await asyncio.to_thread(read)

    # -- bodies

    async def bombs(self):
        """Sends zeros compressed a thousand to one, nested ones, and some that end too early."""
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(1024)) + packer.flush()
        nested = gzip.compress(bomb)
        count = 40 if self.long else 12
        one = self.expect("a bomb of 1 GiB", self.post(bomb, "content-encoding: gzip"), 413, 503)
        await asyncio.gather(
            one,
            *(
                self.expect("a bomb of 1 GiB", self.post(bomb, "content-encoding: gzip"), 413, 503)
                for _ in range(count)
            ),
        )
        await self.expect("a nested bomb", self.post(nested, "content-encoding: gzip"), 400)
        await self.expect(
            "a bomb compressed twice", self.post(nested, "content-encoding: gzip, gzip"), 415
        )
        await self.expect(
            "a bomb that ends early",
            self.post(bomb[: len(bomb) // 64], "content-encoding: gzip"),
            400,
        )
        await self.expect(
            "a bomb without a key", self.post(bomb, "content-encoding: gzip", key=None), 401
        )
        return f"{count + 1} at once, {len(bomb) >> 10} KiB each"

    async def strange_bodies(self):
        """Sends bodies that are deep, large, endless, or not UTF-8."""
        most = 32 << 20
        deep, brackets = b'{"observations":' + b"[" * 100_000, b"[" * most
        puts = ["units", "catalogue", "targets", "annotations"]
        await self.expect("a deep body", self.post(deep), 400)
        await self.expect("32 MiB of brackets", self.post(brackets), 400)
        for name in puts:
            for body in (deep, brackets):
                documented = 400 if body is deep else 413
                await self.expect(
                    f"brackets as {name}",
                    self.post(body, path=f"/api/v1/{name}", method="PUT", key="admin"),
                    documented,
                )
        await self.expect(
            "invalid UTF-8 as JSON", self.post(b'{"observations":"\xff\xfe\xc0"}'), 400, 422
        )
        await self.expect(
            "invalid UTF-8 as CSV",
            self.post(b"indicator,unit,period,value\n\xff\xfe,\xc0,\x80,1\n", media="text/csv"),
            400,
            422,
        )
        await self.expect("32 MiB of commas", self.post(b"," * most, media="text/csv"), 400, 422)
        await self.expect("32 MiB of lines", self.post(b"\n" * most, media="text/csv"), 400, 422)
        await self.expect("32 MiB of quotes", self.post(b'"' * most, media="text/csv"), 400, 422)
        await self.expect("too large a body", self.post(b" " * (most + 1)), 413)
        endless = "transfer-encoding: chunked"
        ended = await asyncio.gather(
            self._endless(
                self.head("POST", "/api/v1/observations", "content-type: text/csv", endless), 413
            ),
            self._endless(
                self.head(
                    "POST", "/api/v1/observations", "content-type: text/csv", endless, key=None
                ),
                401,
            ),
            self._endless(self.head("GET", "/livez", endless, key=None), 200),
            self._endless(self.head("GET", READ, endless), 200),
            self._endless(self.head("POST", "/nowhere", endless, key=None), 404),
        )
        return f"endless bodies ended after at most {max(ended):.0f} s"

    async def _endless(self, head, status):
        """Sends chunks without end, as fast as possible; returns how long the server accepts
        them."""
        began, chunk = time.monotonic(), b"10000\r\n" + bytes(65_536) + b"\r\n"
        reader, writer = await self.open()
        closed = asyncio.create_task(self.answer(reader, 60))
        try:
            writer.write(head)
            while not closed.done():
                writer.write(chunk)
                await asyncio.wait_for(writer.drain(), 60)
                await asyncio.sleep(0)
        except (OSError, TimeoutError):
            pass
        found = await closed
        took = time.monotonic() - began
        writer.transport.abort()
        if (
            found is None
            or took > 30
            or (found and not found.startswith(f"HTTP/1.1 {status} ".encode()))
        ):
            self.faults.add(
                f"an endless body did not get {status}",
                "still taken" if found is None else repr(found[:60]),
            )
        return took

    # -- heads and queries

    async def strange_heads(self):
        """Sends URLs, headers and parameters beyond all limits."""

        def get(path, *headers):
            return self.head("GET", path, *headers, key="reader")

        await self.expect("a URL of 62,000 bytes", get("/api/v1/units?code=" + "x" * 62_000), 414)
        await self.expect("a URL of 70,000 bytes", get("/api/v1/units?code=" + "x" * 70_000), 400)
        await self.expect("a URL of 10 MB", get("/api/v1/units?code=" + "x" * 10_000_000), 431, 0)
        await self.expect("a path of 50,000 parts", get("/api/v1" + "/x" * 25_000), 404)
        await self.expect("90 headers", get("/api/v1/units", *["x: y"] * 90), 431)
        await self.expect("5,000 headers", get("/api/v1/units", *["x: y"] * 5_000), 431, 0)
        await self.expect(
            "a header of 40,000 bytes", get("/api/v1/units", "x: " + "y" * 40_000), 431
        )
        await self.expect("10,000 parameters", get("/api/v1/units?" + "a&" * 10_000), 422)
        await self.expect(
            "a thousand units", get("/api/v1/series?measure=x&last=1" + "&unit=x" * 1_001), 422
        )
        await self.expect(
            "a long query", get("/prometheus/api/v1/query?query=" + "(" * 50_000), 400
        )
        await self.expect(
            "a deep query",
            get("/prometheus/api/v1/query?query=" + "abs(" * 240 + "1" + ")" * 240),
            400,
            422,
            431,
        )
        await self.expect(
            "a wide query", get("/prometheus/api/v1/query?query=" + "1%2B" * 5_000 + "1"), 400
        )
        for raw in (
            b"\r\n" * 1000,
            b"\x16\x03\x01\x02\x00\x01\x00",
            b"GET / HTTP/9.9\r\n\r\n",
            bytes(100_000),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ):
            await self.expect(
                "a request that is not HTTP",
                raw + b"\r\n\r\n",
                400,
                431,
                505,
                0,
                408,
                None,
                seconds=1,
            )
        return "all responses as documented"


async def flood(served, key, faults, seconds, limit, address_limit, factor=100):
    """Sends requests without and with a key at a hundred times the permitted rate, or as fast as
    this machine can."""
    answered = {"key": {}, "address": {}}
    until = time.monotonic() + seconds
    log = served.log_bytes()

    async def one(kind, rate):
        # A connection sends sixteen requests at a time and waits for the responses.
        head = [
            f"GET {READ} HTTP/1.1",
            "host: x",
            *([f"authorization: Bearer {key}"] if kind == "key" else []),
            "",
            "",
        ]
        raw, sent = "\r\n".join(head).encode() * 16, 0
        reader, writer = await asyncio.open_connection(
            HOST, served.port, local_addr=(LOCAL[0], 0), limit=1 << 24
        )
        while time.monotonic() < until:
            writer.write(raw)
            await writer.drain()
            for _ in range(16):
                status = int((await reader.readline()).split()[1])
                length = 0
                while (line := await reader.readline()) != b"\r\n":
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                await reader.readexactly(length)
                answered[kind][status] = answered[kind].get(status, 0) + 1
            sent += 16
            # At most the factor times the rate; there are sixteen connections of each kind.
            ahead = sent / (rate * factor / 16) - (seconds - (until - time.monotonic()))
            if ahead > 0:
                await asyncio.sleep(min(ahead, 0.5))
        writer.close()

    await asyncio.gather(
        *(one("key", limit) for _ in range(16)), *(one("address", address_limit) for _ in range(16))
    )
    told = []
    for kind, rate, status in (("key", limit, 200), ("address", address_limit, 401)):
        found, through = answered[kind], answered[kind].get(status, 0)
        if set(found) - {status, 429}:
            faults.add(f"a flood by {kind} got other responses", str(found))
        # The whole bucket at once, then the rate per second; a tenth more for differences of the
        # clocks.
        if through > rate * (seconds + 1) * 1.1 + 16:
            faults.add(
                f"a flood by {kind} got through", f"{through} in {seconds} s at {rate} a second"
            )
        if found.get(429, 0) < 5 * through:
            faults.add(f"no flood by {kind}: the test sent too slowly", str(found))
        told.append(
            f"{sum(found.values()) / seconds / rate:.0f} times the rate by {kind}, {through} "
            f"of {sum(found.values())} permitted"
        )
    grown = served.log_bytes() - log
    if grown > seconds * 20_000 + 20_000:
        faults.add("a flood fills the log", f"{grown} bytes in {seconds} s")
    return f"{'; '.join(told)}; {grown >> 10} KiB of log"


def key_of(database, role, *more):
    """Creates a key of the ledger."""
    command = [
        binary(),
        "keys",
        "add",
        "--name",
        role,
        "--role",
        role,
        "--database",
        database,
        *more,
    ]
    made = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    if made.returncode:
        raise Fault(f"cannot create a key: {made.stderr.strip()}")
    return made.stdout.strip()


def files(wanted):
    """Raises the limit of open files of this process."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < wanted:
        raise Fault(
            f"this test opens {wanted} files, the limit is {most}: raise the hard limit "
            f"(ulimit -Hn {wanted})"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def measured(name, attack, reader, served, faults):
    """Runs one attack and checks the ordinary reads during it."""
    reader.taken()
    began, told = time.monotonic(), asyncio.run(attack)
    times = reader.taken()
    if not served.alive:
        raise Fault(f"the service ended under {name}: {served.last_words()}")
    if not times:
        faults.add(f"no ordinary read got a response under {name}")
        return
    median, worst, hwm = statistics.median(times), max(times), served.memory("VmHWM")
    if median > MEDIAN or worst > WORST:
        faults.add(
            f"ordinary reads under {name} took too long",
            f"median {median * 1000:.0f} ms, worst {worst * 1000:.0f} ms",
        )
    if hwm > MEMORY:
        faults.add(f"memory under {name}", f"{hwm >> 20} MiB")
    print(
        f"{name:18} {time.monotonic() - began:5.1f} s  {len(times):5} reads, median "
        f"{median * 1000:6.1f} ms, worst {worst * 1000:7.1f} ms"
        f"  at most {hwm >> 20:4} MiB  {told}",
        flush=True,
    )


def main():
    """Runs all attacks one after the other."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--long", action="store_true", help="more of each attack")
    parser.add_argument("--only", help="run only the attack of this name")
    add_options(parser)
    options = parser.parse_args()
    begin(1_500 if options.long else 600)
    files(12_000)
    folder, faults = work_folder(options.keep), Faults()
    database = f"sqlite://{folder}/hostile.db"
    keys = {"admin": key_of(database, "admin"), "reader": key_of(database, "reader")}
    keys["reporter"] = key_of(database, "reporter", "--unit", "travinh")
    served = Served("served", database, folder, faults).start().wait_ready()
    attacks = Attacks(served, keys, faults, options.long)
    reader = Reader(served.port, keys["reader"], faults)
    names = [
        "slow_heads",
        "slow_second_heads",
        "slow_bodies",
        "slow_readers",
        "idle",
        "one_address",
        "bombs",
        "strange_bodies",
        "strange_heads",
    ]
    for name in names:
        if options.only in (None, name):
            measured(name, getattr(attacks, name)(), reader, served, faults)
    reader.end()
    served.check_log()
    if served.stop() not in (0, None):
        faults.add("the service did not end with code 0")
    if options.only in (None, "flood"):
        limits = ["--rate-limit", "20", "--rate-limit-address", "10/s"]
        slower = Served("limited", database, folder, faults, *limits).start().wait_ready()
        steady = Reader(slower.port, keys["admin"], faults, 0.1)
        measured(
            "flood",
            flood(slower, keys["reader"], faults, 20 if options.long else 8, 20, 10),
            steady,
            slower,
            faults,
        )
        steady.end()
        slower.check_log()
        slower.stop()
    return report("hostile input", faults)


if __name__ == "__main__":
    guarded(main)
