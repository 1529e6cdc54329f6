"""I1: submissions of 20 figures, durable before the response, with 1, 8 and 64 clients. On SQLite
beside a log with group commit (HTTP and JSON, no database), on PostgreSQL beside its own upsert of
20 rows by pgbench."""

from bars.contest import HERE, Ratio, median, wrk
from bars.rows import milliseconds, per_second
from bars.serving import Serving, service
from bars.world import imported, sqlite

SIZE = (10, 180)
OF_LOG = {8: ">= 0.6", 64: ">= 0.5"}
OF_UPSERT = {8: ">= 1.0", 64: ">= 1.0"}


def measure(context):
    """Adds the rows of all numbers of clients."""
    world = context.world if context.check else context.generate(SIZE)
    keys = {"BARS": HERE, "PROVINCES": world.provinces, "UNITS": world.units}
    keys |= {"FIRST_YEAR": 2021, "MONTHS": 60}
    databases = {"sqlite": sqlite(context.folder / "submissions.db")}
    if context.database:
        databases["postgres"] = context.database.create("submissions")
    servers = {}
    for name, database in databases.items():
        imported(context.program, database, world.documents)
        servers[name] = service(f"submissions-{name}", context.program, database, context.folder)
    log = None
    if "log" not in context.options.without:
        file = context.folder / "submissions.log"
        log = Serving("log", [context.plain_program, "log", file], context.folder)
    script = None
    if context.database:
        context.database.create("upsert")
        script = context.database.upsert("upsert")

    def posting(server, clients):
        return lambda: wrk(
            server.url, clients, context.seconds, keys, "submissions.lua", server.token
        )

    for clients in (8,) if context.check else (1, 8, 64):
        runners = {name: posting(server, clients) for name, server in servers.items()}
        if log:
            runners["log"] = _run_of_log(context, log, clients)
        if script:
            runners["upsert"] = _run_of_upsert(context, script, clients)
        _add(context, clients, context.alternate(runners))
    for server in [*servers.values(), *([log] if log else [])]:
        server.stop()


def _run_of_log(context, log, clients):
    return lambda: wrk(log.url, clients, context.seconds, {"BARS": HERE}, "log.lua")


def _run_of_upsert(context, script, clients):
    return lambda: context.database.pgbench("upsert", script, clients, context.seconds)


def _add(context, clients, found):
    references = {
        "sqlite": ("log", "log with group commit", OF_LOG),
        "postgres": ("upsert", "PostgreSQL's own 20-row upsert", OF_UPSERT),
    }
    for name, (other, title, bars) in references.items():
        if name not in found:
            continue
        ours = found[name]
        beside, ratio = "", None
        if other in found:
            beside = f"{title}: {per_second(median(found[other]))}"
            ratio = Ratio.between(ours, found[other])
        context.rows.add(
            f"I1, {'SQLite' if name == 'sqlite' else 'PostgreSQL'}, {clients} clients",
            f"{per_second(median(ours))}, p99 {milliseconds(median(ours, 'p99'))}",
            beside,
            ratio,
            bars.get(clients, "") if ratio else "",
        )
