#!/usr/bin/env -S python3 -B
"""Networks that lose, delay and cut packets between the service and PostgreSQL, the issuer of
single sign-on, and clients.

Both instances run on hosts of their own (network namespaces, hosts.py). Each has a line to
PostgreSQL, one to its issuer and one to its clients (line.py; `tc netem` is not needed). Writers
post to both instances, readers read from both. Every disturbance changes one line; the others stay.
While the line to the database is cut, reads must continue and posts get 503. While the line to the
issuer is cut, tokens with known keys must be accepted, and others get 503. After a line has healed,
posts must be accepted and the other instance's changes be shown within the documented times. At the
end the ledger must agree exactly with what was confirmed (common.py). Prints one line for each
disturbance; exit code 0, or 1 with the faults. Needs root.

    tests/faults/network.py              five disturbances
    tests/faults/network.py --long       all
"""

import argparse
import http.client
import random
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "attacks"))
sys.path.insert(0, str(Path(__file__).resolve().parent / "history"))

from clients import made_key
from common import (
    Client,
    Faults,
    Instance,
    Lost,
    Refused,
    Writers,
    add_options,
    begin,
    final_check,
    guarded,
    own_cluster,
    prepare,
    report,
    until,
    work_folder,
)
from hosts import Host, Line, require_hosts
from issuer import Issuer
from registry import Served

SHOWN = 15.0  # seconds after a partition within which an instance shows all changes
ACCEPTED = 15.0  # seconds after a partition within which an instance accepts posts
LOCK = 40.0  # the same where a session that was cut off may still hold the ledger's lock
FETCHED = 20.0  # seconds until keys of the issuer have been fetched again, or cannot be
CASES = {}


def case(*, long=False):
    """Registers a function `case(world)` that disturbs lines and returns what happened."""

    def register(function):
        CASES[function.__name__.replace("_", "-")] = (function, long)
        return function

    return register


class Far(Served):
    """An instance on a host of its own, with lines to the database, to its clients and to an
    issuer of its own."""

    def __init__(self, name, cluster, folder, faults):
        host = Host(name, None)
        self.data, self.clients, self.sign_on = (Line(name + end, host) for end in "dci")
        self.address = self.clients.there
        database = f"postgres://postgres@{self.data.here}:{cluster.port}/ledger"
        place = folder / f"issuer-{name}"
        place.mkdir()
        self.issuer = Issuer(place, self.sign_on.here)
        options = ["--rate-limit", "off", "--log", "warn", "--oidc-issuer", self.issuer.address]
        options += ["--oidc-audience", "egov-kpi", "--oidc-roles", "r=reader"]
        options += ["--oidc-ca", str(self.issuer.certificate)]
        super().__init__(name, database, folder, faults, *options, wrap=host.wrap())

    def signed_in(self, **claims):
        """Reads with a token of the issuer; returns the status and how long it took."""
        connection = http.client.HTTPConnection(self.address, self.port, timeout=30)
        headers, began = (
            {"Authorization": f"Bearer {self.issuer.token(**claims)}"},
            time.monotonic(),
        )
        try:
            connection.request("GET", "/api/v1/me", headers=headers)
            status = connection.getresponse().status
        finally:
            connection.close()
        return status, time.monotonic() - began


class Reader:
    """Reads from an instance again and again; keeps the times of all responses."""

    def __init__(self, instance):
        self.instance, self.times = instance, []  # (begin, end, whether answered)
        self._stopping = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        client = Client(self.instance, timeout=4)
        while not self._stopping.wait(0.1):
            began = time.monotonic()
            try:
                good = client.send("GET", "/api/v1/units?limit=5").status == 200
            except (Refused, Lost):
                good = False
            self.times.append((began, time.monotonic(), good))

    def between(self, since, until_then):
        """Returns (answered, not answered, longest answer in seconds) between two times."""
        there = [time for time in list(self.times) if since < time[0] and time[1] < until_then]
        good = [end - began for began, end, answered in there if answered]
        return len(good), len(there) - len(good), max(good, default=0.0)

    def stop(self):
        """Ends the reads."""
        self._stopping.set()


def revision_of(instance):
    """Returns the revision that an instance shows, or -1 without a response."""
    try:
        reply = Client(instance, timeout=3).send("GET", "/api/v1/ledger")
    except (Refused, Lost):
        return -1
    return (
        int(reply.body.partition(b'"revision":')[2].split(b",")[0].strip(b" }"))
        if (reply.status == 200)
        else -1
    )


class World:
    """The database, both instances with their lines, and all clients."""

    def __init__(self, options):
        self.faults, self.folder = Faults(), work_folder(options.keep)
        self.cluster = own_cluster(
            self.folder / "postgresql",
            options.keep,
            settings={"fsync": "off", "listen_addresses": "*"},
        ).create()
        with open(self.cluster.data / "pg_hba.conf", "a", encoding="utf-8") as file:
            file.write("host all all 10.0.0.0/8 trust\n")
        self.cluster.start()
        self.direct = self.cluster.create_database("ledger")
        self.a, self.b = (Far(name, self.cluster, self.folder, self.faults) for name in "ab")
        self.instances = [self.a, self.b]
        Instance.key = made_key(self.direct)
        for instance in self.instances:
            instance.start().wait_ready()
        self.book = prepare(self.instances, 8)
        self.readers = {instance: Reader(instance) for instance in self.instances}
        self.writers = Writers(self.book, self.instances, self.faults, options.seed, rate=40)

    def posts(self, instance, since, until_then=float("inf")):
        """Returns when an instance confirmed posts between two times."""
        answers = self.book.answers_since(since)
        return [at for at, name in answers if name == instance.name and at < until_then]

    def accepted_after(self, instance, since, seconds):
        """Returns how long it takes until an instance confirms a post."""
        if until_true(lambda: self.posts(instance, since), seconds):
            return self.posts(instance, since)[0] - since
        self.faults.add(
            f"{instance.name} accepted no post within {seconds} s after the line healed"
        )
        return float("inf")

    def follows_after(self, instance, other, since, seconds):
        """Returns how long it takes until an instance shows what another one shows now."""
        wanted = revision_of(other)
        if not until_true(lambda: revision_of(instance) >= wanted, seconds):
            self.faults.add(f"{instance.name} did not follow within {seconds} s")
        return time.monotonic() - since

    def reads(self, instance, since):
        """Describes the reads of an instance since a time; all must have been answered."""
        good, bad, longest = self.readers[instance].between(since, time.monotonic())
        if bad or good < 5:
            self.faults.add(f"reads at {instance.name} did not continue", f"{bad} of {good + bad}")
        return f"{good} reads at {instance.name}, the longest {longest * 1000:.0f} ms"

    def run(self, name, function):
        """Runs one disturbance and prints its line."""
        until(lambda: all(map(self.is_quiet, self.instances)), 60, "posts at both instances")
        before, refused = str(self.faults), self.book.total("status 503")
        told = function(self)
        found = self.faults.new_since(before)
        refused = self.book.total("status 503") - refused
        print(f"network {name}: {told}, {refused} times 503; {found}", flush=True)

    def is_quiet(self, instance):
        """Whether an instance has just confirmed posts."""
        return len(self.posts(instance, time.monotonic() - 2)) > 2

    def finish(self, options):
        """Ends the clients and checks the ledger; returns the exit code."""
        unanswered = self.writers.finish(60)
        for reader in self.readers.values():
            reader.stop()
        checked = final_check(self.book, self.instances, self.direct, self.folder, self.faults)
        count = self.book.total
        return report(
            f"network, seed {options.seed}: {count('answered')} submissions confirmed, "
            f"{count('retries')} retries, {count('lost')} responses lost, {unanswered} without a "
            f"response; {checked}",
            self.faults,
        )


def until_true(condition, seconds):
    """Whether a condition becomes true within some seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def cut_database(world, seconds, bound, way="both"):
    """Cuts the line between instance a and the database; returns what happened."""
    since = time.monotonic()
    if way == "both":
        world.a.data.tell("cut")
    else:
        world.a.data.cut_far()
    time.sleep(seconds)
    reads, other = world.reads(world.a, since), len(world.posts(world.b, since))
    late = len(world.posts(world.a, since + 1))
    world.a.data.tell("heal")
    healed = time.monotonic()
    follows = world.follows_after(world.a, world.b, healed, SHOWN)
    accepts = world.accepted_after(world.a, healed, bound)
    if late:
        world.faults.add("a confirmed posts although it could not reach the database", str(late))
    return (
        f"{seconds} s: {reads}; {other} posts confirmed by b meanwhile; after it a shows b's "
        f"changes within {follows:.1f} s and accepts posts within {accepts:.1f} s"
    )


@case()
def database_cut(world):
    """Instance a cannot reach the database."""
    return cut_database(world, 12, LOCK)


@case(long=True)
def database_cut_at_length(world):
    """Instance a cannot reach the database, for longer than any timeout."""
    return cut_database(world, 70, ACCEPTED)


@case(long=True)
def database_cut_one_way(world):
    """Instance a gets what the database sends, but nothing that it sends arrives."""
    return cut_database(world, 12, LOCK, "far")


@case(long=True)
def database_cut_from_both(world):
    """No instance can reach the database."""
    since = time.monotonic()
    for instance in world.instances:
        instance.data.tell("cut")
    time.sleep(12)
    reads = "; ".join(world.reads(instance, since) for instance in world.instances)
    for instance in world.instances:
        instance.data.tell("heal")
    healed = time.monotonic()
    accepts = [world.accepted_after(instance, healed, LOCK) for instance in world.instances]
    return f"12 s: {reads}; posts accepted within {accepts[0]:.1f} and {accepts[1]:.1f} s after it"


def bad_lines(world, lines, seconds, *commands):
    """Applies commands to lines for some seconds; posts and reads must continue. An instance needs
    about twenty round trips to the database for a group of submissions, because the other instance
    has written since its last one."""
    since = time.monotonic()
    for line in lines:
        for command in commands:
            line.tell(*command)
    time.sleep(seconds)
    reads = "; ".join(world.reads(instance, since) for instance in world.instances)
    posts = sum(len(world.posts(instance, since)) for instance in world.instances)
    for line in lines:
        line.tell("heal")
    if posts < 3:
        world.faults.add("posts did not continue", f"{posts} in {seconds} s")
    return f"{seconds} s: {posts} posts confirmed, {reads}"


@case()
def database_loses_packets(world):
    """One packet in ten is lost between the instances and the database."""
    lines = [instance.data for instance in world.instances]
    return bad_lines(world, lines, 10, ("loss", 0.1))


@case()
def database_far_away(world):
    """Packets take 20 to 30 ms between the instances and the database, in any order."""
    lines = [instance.data for instance in world.instances]
    return bad_lines(world, lines, 10, ("delay", 0.02, 0.01))


@case(long=True)
def clients_lose_packets(world):
    """One packet in ten is lost between clients and service, and they take 20 to 30 ms."""
    lines = [instance.clients for instance in world.instances]
    return bad_lines(world, lines, 10, ("loss", 0.1), ("delay", 0.02, 0.01))


@case()
def clients_cut(world):
    """Clients cannot reach instance a; their requests are repeated at instance b."""
    since = time.monotonic()
    world.a.clients.tell("cut")
    time.sleep(8)
    other = len(world.posts(world.b, since))
    world.a.clients.tell("heal")
    healed = time.monotonic()
    accepts = world.accepted_after(world.a, healed, ACCEPTED)
    return f"8 s: {other} posts confirmed by b; a again after {accepts:.1f} s"


def new_key(world, instance, kid, since):
    """Returns how long it takes until an instance accepts a token with a new key."""
    if not until_true(lambda: instance.signed_in(kid=kid)[0] == 200, FETCHED):
        world.faults.add(f"{instance.name} does not know a new key of its issuer")
    return time.monotonic() - since


@case()
def issuer_cut(world):
    """Instance a cannot reach its issuer, which begins to sign with a new key."""
    first, _ = world.a.signed_in()
    if first != 200:
        world.faults.add("a token of the issuer is not accepted", str(first))
    since = time.monotonic()
    world.a.sign_on.tell("cut")
    world.a.issuer.kids.append("cut")
    # Just after it has fetched keys, a key that is not among them is invalid.
    if not until_true(lambda: world.a.signed_in(kid="cut")[0] == 503, FETCHED):
        world.faults.add("a does not report that its issuer cannot be reached")
    reported = time.monotonic() - since
    known = [world.a.signed_in() for _ in range(20)]
    if any(status != 200 or seconds > 1 for status, seconds in known):
        world.faults.add("tokens with a known key while the issuer cannot be reached", str(known))
    time.sleep(2)
    reads, posts = world.reads(world.a, since), len(world.posts(world.a, since))
    if not posts:
        world.faults.add("posts at a did not continue while its issuer was cut off")
    world.a.sign_on.tell("heal")
    took = new_key(world, world.a, "cut", time.monotonic())
    return (
        f"503 for the new key after {reported:.1f} s, {len(known)} tokens with the known key "
        f"accepted; {posts} posts confirmed by a meanwhile, {reads}; the new key known "
        f"{took:.1f} s after it"
    )


@case(long=True)
def issuer_far_away(world):
    """One packet in ten is lost between instance a and its issuer, and they take 20 to 30 ms."""
    for command in (("loss", 0.1), ("delay", 0.02, 0.01)):
        world.a.sign_on.tell(*command)
    world.a.issuer.kids.append("far")
    took = new_key(world, world.a, "far", time.monotonic())
    world.a.sign_on.tell("heal")
    return f"a new key known after {took:.1f} s"


def main():
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--long", action="store_true", help="all disturbances")
    parser.add_argument("--only", action="append", choices=sorted(CASES), help="one disturbance")
    add_options(parser)
    options = parser.parse_args()
    begin(600 if options.long else 300)
    require_hosts()
    world = World(options)
    chosen = [
        name
        for name, (_, long) in CASES.items()
        if (name in options.only if options.only else options.long or not long)
    ]
    random.Random(options.seed).shuffle(chosen)
    for name in chosen:
        world.run(name, CASES[name][0])
    return world.finish(options)


if __name__ == "__main__":
    guarded(main)
