"""The first question about a moment (`as_of`), the same question again, and about now. In the
ledger 5 % of the figures are revised up to four times."""

import random
import statistics
import time

from bars.contest import Ratio
from bars.context import FIELDS
from bars.rows import milliseconds
from bars.serving import service
from bars.world import copied, imported, removed, sqlite

# Flows of which a greater value contradicts no rule.
REVISED = {
    "ioffice.documents.outgoing",
    "igate.services.provided",
    "dvcqg.procedures.published",
    "conference.jitsi.sessions",
    "web.items.published",
    "citizen_reception.visitors",
    "petitions.received",
    "complaints.received",
}
SHARE = 0.05  # of all figures
TIMES = 4
MOMENTS = 7


def measure(context):
    """Adds the rows."""
    ledger = copied(context.ledger, "moments")
    before = context.server.read("/api/v1/ledger")["revision"]
    for file in _revisions(context.world, context.folder):
        imported(context.program, sqlite(ledger), file)
        file.unlink()
    server = service("moments", context.program, sqlite(ledger), context.folder)
    newest = server.read("/api/v1/ledger")["revision"]
    dice = random.Random(7)
    # Half of the moments lie before the first revised figure, half after it.
    first = max(_first_figures(context.server), before // 2)
    asked = dice.sample(range(first, before + 1), min(MOMENTS // 2, before + 1 - first))
    asked += dice.sample(range(before + 1, newest), min(MOMENTS - len(asked), newest - before - 1))
    dice.shuffle(asked)

    def question(as_of=""):
        province = f"gen.p{dice.randint(1, context.world.provinces):02}"
        return (
            f"/api/v1/series?measure=ioffice.documents.signed_rate&unit={province}"
            f"&from=2021-01&to=2025-12&fields={FIELDS}{as_of}"
        )

    now, at_first, again = [], [], []
    for _ in range(5):
        server.read(question())
    for revision in asked:
        path = question(f"&as_of={revision}")
        now.append(statistics.median(_seconds(server, question()) for _ in range(9)))
        at_first.append(_seconds(server, path))
        again.append(statistics.median(_seconds(server, path) for _ in range(9)))
    said = milliseconds(statistics.median(now) * 1000)
    context.rows.add(
        "Q2 of a moment (`as_of`), first time",
        milliseconds(statistics.median(at_first) * 1000),
        f"now: {said}",
        Ratio.of([one / other for one, other in zip(at_first, now, strict=True)]),
        "<= 3",
    )
    context.rows.add(
        "Q2 of a moment (`as_of`), again",
        milliseconds(statistics.median(again) * 1000),
        f"now: {said}",
        Ratio.of([one / other for one, other in zip(again, now, strict=True)]),
    )
    server.stop()
    removed(ledger)


def _first_figures(server):
    """The first revision with figures."""
    return next(
        entry["revision"]
        for entry in server.read("/api/v1/revisions?after=0&limit=100")["revisions"]
        if entry["kind"] == "submission"
    )


def _seconds(server, path):
    began = time.perf_counter()
    server.read(path)
    return time.perf_counter() - began


def _revisions(world, folder):
    """Writes a file of revised figures for each of the times: the first has 5 % of all figures,
    each later one three quarters of those of the file before."""
    chance = SHARE * 20 / len(REVISED)
    files = [folder / f"revised{time_}.csv" for time_ in range(TIMES)]
    dice = random.Random(5)
    outs = [open(file, "w", encoding="utf-8") for file in files]  # noqa: SIM115 - closed below
    with open(world.csv, encoding="utf-8") as lines:
        head = next(lines)
        for out in outs:
            out.write(head)
        for line in lines:
            if dice.random() >= chance or line.partition(",")[0] not in REVISED:
                continue
            start, _, value = line.rpartition(",")
            for number, out in enumerate(outs, 1):
                out.write(f"{start},{int(value) + number}\n")
                if dice.random() >= 0.75:
                    break
    for out in outs:
        out.close()
    return files
