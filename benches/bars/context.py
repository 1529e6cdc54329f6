"""What all parts of a run share: programs, the world, servers that stay up, options."""

import subprocess
from functools import cached_property

from common import Fault, binary

from bars import tools
from bars.contest import HERE, alternate, wrk, wrk_command
from bars.postgres import Database
from bars.serving import Serving, service
from bars.world import World, sizes, sqlite

FIELDS = "value,delta,delta_percent,year_delta"
CLIENTS = 8


class Context:
    """One run."""

    def __init__(self, options, folder, rows):
        self.options, self.folder, self.rows = options, folder, rows
        self.program, self.before = binary(), options.before
        self.check = options.check
        self.rounds, self.seconds = options.rounds, options.seconds
        self.worlds = options.worlds or folder
        self.world = self.generate(sizes(options.size))
        self.missing = []

    def without(self, sentence):
        """Notes once that a row is left out, and why."""
        if sentence not in self.missing:
            self.missing.append(sentence)
            tools.say(sentence)

    def generate(self, size):
        """Generates the world of a size, or takes it from the folder of `--worlds`."""
        return World.generate(self.program, size, self.worlds)

    @cached_property
    def plain_program(self):
        """The reference of plain arrays."""
        sqlite = not {"start", "import"}.isdisjoint(self.options.parts)
        return tools.plain(self.check, sqlite)

    @cached_property
    def database(self):
        """A PostgreSQL server, or None."""
        if "postgres" in self.options.without:
            return None
        if tools.postgres_programs() is None:
            self.without("no rows of PostgreSQL: its server programs are not installed")
            return None
        return Database(self.folder, self.options.keep, fast=self.check)

    @cached_property
    def ledger(self):
        """The SQLite ledger of the world, made by the program under test."""
        tools.say(f"importing {self.world.figures:,} figures")
        return self.world.ledger(self.program, "ledger")

    @cached_property
    def server(self):
        """The service over the ledger of the world. Nothing is written to it."""
        return service("service", self.program, sqlite(self.ledger), self.folder)

    @cached_property
    def old_server(self):
        """The service of `--before` over a ledger that it made itself, or None."""
        if self.before is None:
            self.without("no rows of an earlier program: --before names it")
            return None
        ledger = self.world.ledger(self.before, "before")
        return service("before", self.before, sqlite(ledger), self.folder)

    @cached_property
    def plain(self):
        """The reference over the same figures, with the revision of the service."""
        return self.plain_of(self.world, self.server)

    def plain_of(self, world, server, ready_made=None):
        """Starts the reference over the figures of a world."""
        indicators = world.folder / "indicators.json"
        indicators.write_bytes(server.get("/api/v1/indicators")[2])
        ledger = server.read("/api/v1/ledger")
        more = [ready_made] if ready_made else []
        return Serving(
            "plain",
            [
                *(self.plain_program, world.documents, world.csv, indicators),
                *(ledger["revision"], ledger["revision_hash"], *more),
            ],
            self.folder,
        )

    @cached_property
    def loaded(self):
        """The name of PostgreSQL's database with the figures of the world, or None."""
        if self.database is None:
            return None
        tools.say("loading the same figures into PostgreSQL")
        self.database.create("world")
        self.database.load(self.world, "world")
        self.database.roll_up(self.world, "world")
        return "world"

    def alternate(self, runners, warm_up=True):
        """Calls the runners in turn, after a warm-up; a check needs none."""
        return alternate(runners, self.rounds, warm_up and not self.check)

    def ask(self, server, question, fields=FIELDS, clients=CLIENTS, etag="", world=None):
        """Returns a function that runs wrk with random keys of a question once."""
        keys = (world or self.world).keys() | {"BARS": HERE, "QUESTION": question}
        keys |= {"FIELDS": fields, "ETAG": etag}
        return lambda: wrk(server.url, clients, self.seconds, keys)

    def paths(self, question, count, fields=FIELDS):
        """Returns some of the random paths of a question."""
        keys = self.world.keys() | {"BARS": HERE, "QUESTION": question, "FIELDS": fields}
        keys |= {"SAMPLE": count}
        found = wrk_paths(self.server.url, keys)
        if len(found) < count:
            raise Fault(f"{question}: {len(found)} paths instead of {count}")
        return found[:count]


def wrk_paths(url, environment):
    """Returns the paths that the script prints with SAMPLE."""
    done = subprocess.run(
        **wrk_command(url, HERE / "questions.lua", 1, 1, environment), check=False
    )
    return [line for line in done.stdout.splitlines() if line.startswith("/")]
