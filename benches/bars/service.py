"""Rows about the running service: /livez and 304, the overview page, reads beside writers, the time
until it is ready, memory and size of the ledger, the tidy export."""

import http.client
import subprocess
import time
from datetime import date

from common import HOST, Fault

from bars.contest import (
    HERE,
    Ratio,
    Sample,
    median,
    read_wrk,
    wrk_command,
)
from bars.queries import QUESTIONS
from bars.rows import milliseconds, number, per_second
from bars.serving import Serving, service
from bars.world import copied, removed, sqlite

MIB = 1 << 20
WRITERS = 64


def unchanged(context):
    """304 by ETag, beside /livez; /livez beside the same program without anything behind it."""
    path = context.paths("Q1", 1)[0]
    etag = context.server.get(path)[1]["etag"]
    if context.server.get(path, {"If-None-Match": etag})[0] != 304:
        raise Fault("the ETag of a response does not give 304")
    found = context.alternate(
        {
            "unchanged": context.ask(context.server, "Q1", etag=etag),
            "livez": context.ask(context.server, "livez"),
            "plain": context.ask(context.plain, "livez"),
        }
    )
    livez = per_second(median(found["livez"]))
    context.rows.add(
        "304 by ETag",
        per_second(median(found["unchanged"])),
        f"`/livez`: {livez}",
        Ratio.between(found["unchanged"], found["livez"]),
        ">= 0.9",
    )
    context.rows.add(
        "`/livez`",
        livez,
        f"actix-web alone: {per_second(median(found['plain']))}",
        Ratio.between(found["livez"], found["plain"]),
    )


def overview(context):
    """The overview page of a random province and month, one client."""
    found = context.alternate(
        {
            "page": context.ask(context.server, "overview", clients=1),
            "livez": context.ask(context.server, "livez", clients=1),
        }
    )
    limits = [3 * sample.p50 + 3 for sample in found["livez"]]
    context.rows.add(
        "overview page, median",
        milliseconds(median(found["page"], "p50")),
        f"3 round trips of `/livez` ({milliseconds(median(found['livez'], 'p50'))}) and 3 ms",
        Ratio.of([page.p50 / limit for page, limit in zip(found["page"], limits, strict=True)]),
        "<= 1",
    )
    context.rows.add(
        "overview page, p99",
        milliseconds(median(found["page"], "p99")),
        "20 ms",
        Ratio.of([page.p99 / 20 for page in found["page"]]),
        "<= 1",
    )


def reads_beside_writers(context):
    """p99 of Q2 while 64 clients post, and without them. On a copy of the ledger."""
    ledger = copied(context.ledger, "written")
    server = service("written", context.program, sqlite(ledger), context.folder)
    alone, posted = context.ask(server, "Q2"), []
    world = context.world
    keys = {"BARS": HERE, "PROVINCES": world.provinces, "UNITS": world.units}
    keys |= {"FIRST_YEAR": date.today().year - 1, "MONTHS": 12}

    def beside():
        command = wrk_command(
            *(server.url, HERE / "submissions.lua", WRITERS, context.seconds + 2, keys),
            token=server.token,
        )
        with subprocess.Popen(**command) as writers:
            time.sleep(1)
            sample = alone()
            said = read_wrk(*writers.communicate())
        if said.bad:
            raise Fault(f"{said.bad} submissions beside readers failed")
        posted.append(said)
        return sample

    found = context.alternate({"alone": alone, "beside": beside})
    context.rows.add(
        "p99 of Q2 while 64 clients post",
        f"{milliseconds(median(found['beside'], 'p99'))}, "
        f"{per_second(median(posted[1:] or posted))} submissions",
        f"without them: {milliseconds(median(found['alone'], 'p99'))}",
        Ratio.between(found["beside"], found["alone"], "p99"),
        "<= 3",
    )
    server.stop()
    removed(ledger)


def start(context):
    """The time until the service is ready, beside one SELECT of all figures."""

    def ready():
        server = Serving(
            "starting",
            [
                *(context.program, "--log", "error", "serve", "--listen", f"{HOST}:0"),
                *("--database", sqlite(ledger)),
            ],
            context.folder,
        )
        taken = server.ready()
        server.stop()
        return Sample(1 / taken)

    def select():
        done = subprocess.run(
            [context.plain_program, "select", ledger], capture_output=True, text=True, check=True
        )
        return Sample(1 / float(done.stdout))

    ledger = copied(context.ledger, "started")
    runners = {"ready": ready} if context.check else {"ready": ready, "select": select}
    found = context.alternate(runners)
    if context.check:
        context.rows.add("ready after start", f"{number(1 / median(found['ready']))} s", "")
        return
    context.rows.add(
        "ready after start",
        f"{number(1 / median(found['ready']))} s",
        f"one SELECT of all figures: {number(1 / median(found['select']))} s",
        Ratio.between(found["select"], found["ready"]),
        "<= 1.5",
    )
    removed(ledger)


def memory(context):
    """Resident memory after all questions, and the size of the ledger."""
    for question in QUESTIONS:
        context.ask(context.server, question)()
        context.ask(context.server, question, fields="")()
    resident = context.server.memory() / MIB
    whole = context.world.size == "63x180"
    context.rows.add(
        "memory after Q1 to Q4",
        f"{resident:.0f} MiB for {context.world.figures:,} figures",
        "300 MiB",
        Ratio.of([resident / 300]),
        "<= 1" if whole else "",
    )
    size = sum(
        file.stat().st_size
        for file in context.ledger.parent.glob(f"{context.ledger.name}*")
        if not file.name.endswith("-shm")
    )
    each = size / context.world.figures
    context.rows.add(
        "ledger on SQLite",
        f"{number(each)} bytes a figure",
        "25 bytes",
        Ratio.of([each / 25]),
        "<= 1" if whole else "",
    )


def export(context):
    """The tidy export as CSV, beside a program that sends the same bytes from its memory."""
    path = "/api/v1/export?format=csv"
    if not _there(context.server, path):
        context.without("no row of the tidy export: this program has no GET /api/v1/export")
        return
    resident = context.server.memory()
    context.server.forget_peak()
    file = context.folder / "export.csv"
    _fetched(context.server, path, file)
    above = (context.server.memory("VmHWM") - resident) / MIB
    ready_made = context.plain_of(context.world, context.server, file)
    found = context.alternate(
        {
            "ours": lambda: _fetched(context.server, path),
            "plain": lambda: _fetched(ready_made, "/ready-made"),
        }
    )
    ready_made.stop()
    context.rows.add(
        "tidy export, CSV",
        f"{number(median(found['ours']) / MIB)} MiB/s of {file.stat().st_size / MIB:.0f} MiB",
        f"the same bytes ready-made: {number(median(found['plain']) / MIB)} MiB/s",
        Ratio.between(found["ours"], found["plain"]),
        ">= 0.5",
    )
    context.rows.add(
        "memory of the tidy export above the cube",
        f"{above:.0f} MiB",
        "64 MiB",
        Ratio.of([above / 64]),
        "<= 1",
    )
    file.unlink()


def _there(server, path):
    connection = http.client.HTTPConnection(HOST, server.port, timeout=120)
    connection.request("HEAD", path)
    status = connection.getresponse().status
    connection.close()
    return status == 200


def _fetched(server, path, file="/dev/null"):
    """Downloads a response; the rate is in bytes a second."""
    done = subprocess.run(
        ["curl", "-sf", "-o", str(file), "-w", "%{size_download} %{time_total}", server.url + path],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Fault(f"{path}: curl ended with {done.returncode}")
    size, seconds = map(float, done.stdout.split())
    return Sample(size / seconds)
