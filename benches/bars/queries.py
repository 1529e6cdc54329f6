"""Q1 to Q4: the questions of dashboards, over HTTP with random keys.

Q1: an indicator of a unit, 60 months. Q2: the rate of a province, rolled up from its units, 60
months. Q3: the ranking of the units of a province in a month. Q4: the rates of all provinces, 13
months."""

from common import Fault

from bars.contest import Ratio, median
from bars.context import CLIENTS, FIELDS
from bars.rows import per_second

QUESTIONS = ["Q1", "Q2", "Q3", "Q4"]
OF_PLAIN = {"Q1": ">= 0.9", "Q2": ">= 0.9", "Q3": ">= 0.8", "Q4": ">= 0.8"}
SAMPLES = 40


def equal_bytes(context):
    """Checks that the service and the plain arrays answer with the same bytes."""
    for question in QUESTIONS:
        for path in context.paths(question, SAMPLES):
            ours, theirs = context.server.get(path), context.plain.get(path)
            if ours[0] != 200 or ours[2] != theirs[2]:
                same = next(
                    (n for n, (a, b) in enumerate(zip(ours[2], theirs[2], strict=False)) if a != b),
                    0,
                )
                part = slice(max(0, same - 200), same + 100)
                raise Fault(
                    f"{question} differs from plain arrays: {path[:200]}: {ours[0]} "
                    f"{ours[2][part]!r}, plain {theirs[2][part]!r}"
                )


def measure(context):
    """Adds the rows of all questions."""
    equal_bytes(context)
    for question in QUESTIONS:
        _with_fields(context, question)
    for question in QUESTIONS:
        _every_field(context, question)


def _with_fields(context, question):
    runners = {
        "ours": context.ask(context.server, question),
        "plain": context.ask(context.plain, question),
    }
    if context.loaded:
        script = context.database.question(context.world, context.loaded, question)
        runners["postgres"] = lambda: context.database.pgbench(
            context.loaded, script, CLIENTS, context.seconds
        )
    if context.old_server:
        runners["before"] = context.ask(context.old_server, question)
    found = context.alternate(runners)
    ours = found["ours"]
    said = f"{per_second(median(ours))} ({median(ours, 'size') / 1024:.1f} KiB)"
    context.rows.add(
        f"{question} with `fields={FIELDS}`",
        said,
        f"plain arrays, the same bytes: {per_second(median(found['plain']))}",
        Ratio.between(ours, found["plain"]),
        OF_PLAIN[question],
    )
    if "postgres" in found:
        context.rows.add(
            f"{question} with `fields=`",
            said,
            f"PostgreSQL, SQL and roll-ups by hand, no HTTP: "
            f"{per_second(median(found['postgres']))}",
            Ratio.between(ours, found["postgres"]),
            ">= 1.0",
        )
    if "before" in found:
        context.rows.add(
            f"{question} with `fields=`",
            said,
            f"the program before: {per_second(median(found['before']))}",
            Ratio.between(ours, found["before"]),
        )


def _every_field(context, question):
    runners = {"ours": context.ask(context.server, question, fields="")}
    if context.old_server:
        runners["before"] = context.ask(context.old_server, question, fields="")
    found = context.alternate(runners)
    ours = found["ours"]
    beside, ratio = "", None
    if "before" in found:
        beside = f"the program before: {per_second(median(found['before']))}"
        ratio = Ratio.between(ours, found["before"])
    context.rows.add(
        f"{question} with every field",
        f"{per_second(median(ours))} ({median(ours, 'size') / 1024:.1f} KiB)",
        beside,
        ratio,
        ">= 2" if ratio else "",
    )
