"""Q1 to Q4 in worlds of 1 to 63 provinces, in turn in one run, and the picture of it."""

from bars.chart import picture
from bars.contest import Ratio, median
from bars.context import CLIENTS
from bars.queries import QUESTIONS
from bars.rows import per_second
from bars.serving import service
from bars.world import sqlite


def measure(context, sizes, out):
    """Adds the row of Q2, and draws the picture into the file `out`."""
    servers, units = {}, context.world.units
    for provinces in sizes:
        if provinces == context.world.provinces:
            servers[provinces] = (context.world, context.server)
            continue
        world = context.generate((provinces, units))
        ledger = world.ledger(context.program, "ledger")
        served = service(f"growth{provinces}", context.program, sqlite(ledger), context.folder)
        servers[provinces] = (world, served)
    lines = {}
    for question in QUESTIONS:
        runners = {
            provinces: context.ask(server, question, world=world)
            for provinces, (world, server) in servers.items()
        }
        found = context.alternate(runners)
        lines[question] = {size: median(samples) for size, samples in found.items()}
        if question == "Q2":
            least, most = found[min(sizes)], found[max(sizes)]
            context.rows.add(
                f"Q2 with {max(sizes)} provinces",
                per_second(median(most)),
                f"with {min(sizes)}: {per_second(median(least))}",
                Ratio.between(most, least),
                ">= 0.8",
            )
    for provinces, (_, server) in servers.items():
        if provinces != context.world.provinces:
            server.stop()
    out.write_text(
        picture(
            lines,
            f"Requests a second from {min(sizes)} to {max(sizes)} provinces of {units} units "
            f"({CLIENTS} clients, fields named)",
        ),
        encoding="utf-8",
    )
