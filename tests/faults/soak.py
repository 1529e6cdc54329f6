#!/usr/bin/env -S python3 -B
"""Mixed load for a long time: writers, readers, new catalogues, backups, and instances that are
killed, stopped and cut off from PostgreSQL.

    tests/faults/soak.py 20                    20 minutes: half of it one instance over SQLite, half
                                               two instances over PostgreSQL
    tests/faults/soak.py 120 --plot FILE.svg   also draws memory, open files, size of the ledger and
                                               latency over the time
    tests/faults/soak.py 10 --only sqlite      only one of the two

Faults: a confirmed submission that the ledger lacks (common.py), an unexpected response, a panic, a
backup that fails, an instance that at the end takes much more memory or files than one that has
just been started over the same ledger, reads that take much longer at the end of the run than at
its beginning. Prints a line for each ledger; exit code 0, or 1 with
the faults."""

import argparse
import itertools
import json
import os
import random
import statistics
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from common import (
    BODY,
    Client,
    Faults,
    Instance,
    Keeper,
    Lost,
    Refused,
    Writers,
    add_options,
    begin,
    binary,
    environment,
    final_check,
    guarded,
    own_cluster,
    prepare,
    report,
    work_folder,
)
from soak_plot import picture

READERS = 4
WRITERS = 4
RATE = 12.0  # submissions a second of all writers
SAMPLES = 120  # of a run
# What an instance may take more than one that was just started: share, and bytes; files.
MORE_MEMORY = (1.5, 64 << 20)
MORE_FILES = 40
# How much longer reads may take at the end than at the beginning: share, and milliseconds.
MORE_TIME = (5.0, 100.0)
PATHS = [
    "/api/v1/series?measure={flow}&unit={unit}&last=24",
    "/api/v1/series?measure=*&unit={unit}&last=3",
    "/api/v1/ranking?measure={flow}&period={month}",
    "/api/v1/observations?unit={unit}&limit=200",
    "/api/v1/findings?unit={unit}",
    "/api/v1/completeness?period={month}",
    "/api/v1/revisions?limit=20",
    "/api/v1/export?format=csv&unit={unit}&from={month}&to={month}",
    "/prometheus/api/v1/query?query=count(up)",
    "/metrics",
    "/overview?unit={unit}&period={month}",
    "/history?unit={unit}&measure={flow}",
]


@dataclass
class Sample:
    """The state of the instances at one time."""

    second: float
    memory: list = field(default_factory=list)  # bytes of each instance, None while it is down
    files: list = field(default_factory=list)
    ledger: int = 0  # bytes
    p50: float = 0.0  # milliseconds of the reads since the sample before
    p99: float = 0.0
    reads: int = 0


def resident(instance):
    """Returns the resident memory of an instance in bytes, or None."""
    try:
        pages = Path(f"/proc/{instance.process.pid}/statm").read_text().split()[1]
    except (OSError, IndexError):
        return None
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def open_files(instance):
    """Returns the number of open files of an instance, or None."""
    try:
        return len(os.listdir(f"/proc/{instance.process.pid}/fd"))
    except OSError:
        return None


class Readers:
    """Threads that read all kinds of pages from random instances, and the times that it took."""

    def __init__(self, book, instances, faults, seed, count=READERS):
        self._book, self._instances, self._faults = book, instances, faults
        self._ending, self._lock, self._times = threading.Event(), threading.Lock(), []
        self.count = 0
        self._threads = [
            threading.Thread(target=self._run, args=(random.Random(f"{seed} {n}"),), daemon=True)
            for n in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def finish(self):
        """Ends the reads."""
        self._ending.set()
        for thread in self._threads:
            thread.join(30)

    def times(self):
        """Returns the milliseconds of the reads since the last call, in order."""
        with self._lock:
            times, self._times = self._times, []
        return sorted(times)

    def _run(self, dice):
        clients = [Client(instance, 30) for instance in self._instances]
        while not self._ending.is_set():
            path = dice.choice(PATHS).format(
                unit=dice.choice(self._book.units()),
                flow=dice.choice(self._book.flows),
                month=f"19{dice.randrange(50):02}-{dice.randrange(1, 13):02}",
            )
            began = time.monotonic()
            try:
                reply = dice.choice(clients).send("GET", path)
            except (Refused, Lost):
                self._ending.wait(0.05)
                continue
            with self._lock:
                self._times.append((time.monotonic() - began) * 1_000)
                self.count += 1
            if reply.status not in (200, 503):
                said = f"{path}: {reply.body[:200]!r}"
                self._faults.add(f"response {reply.status} to a read", said)
            self._ending.wait(dice.uniform(0.01, 0.05))


class Sampler:
    """Looks at the instances at equal intervals."""

    def __init__(self, instances, readers, size, seconds):
        self.samples, self.events = [], []
        self._began, self._pause = time.monotonic(), max(1.0, seconds / SAMPLES)
        self._instances, self._readers, self._size = instances, readers, size
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def note(self, event):
        """Notes what happens now."""
        self.events.append((time.monotonic() - self._began, event))

    def finish(self):
        """Ends the samples."""
        self._ending.set()
        self._thread.join(30)

    def _run(self):
        while not self._ending.wait(self._pause):
            self.samples.append(self.look())

    def look(self):
        """Returns the state now."""
        times = self._readers.times()

        def part(share):
            return times[min(len(times) - 1, int(len(times) * share))] if times else 0.0

        return Sample(
            time.monotonic() - self._began,
            [resident(instance) for instance in self._instances],
            [open_files(instance) for instance in self._instances],
            self._size(),
            part(0.5),
            part(0.99),
            len(times),
        )


class Disturbances:
    """What happens to a running service, one after the other in random order. Each returns whether
    it happened."""

    def __init__(self, instances, database, folder, cluster, faults):
        self._instances, self._database = instances, database
        self._cluster, self._faults, self._numbers = cluster, faults, itertools.count(1)
        self._backups = folder / "backups"
        self._backups.mkdir()
        self.kinds = [self.catalogue, self.backup, self.kill, self.stop]
        if cluster:
            self.kinds.append(self.cut_off)

    def kill(self, dice):
        """SIGKILL; the keeper starts the instance again."""
        dice.choice(self._instances).kill()
        return True

    def stop(self, dice):
        """SIGTERM; the keeper starts the instance again."""
        return dice.choice(self._instances).stop() is not None

    def cut_off(self, _dice):
        """Ends all connections to PostgreSQL."""
        self._cluster.psql(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = 'ledger' AND pid <> pg_backend_pid()"
        )
        return True

    def catalogue(self, dice):
        """Records a catalogue in which an indicator has another name."""
        client = Client(dice.choice(self._instances), 30)
        document = client.read("/api/v1/catalogue")
        for name in ("revision", "revision_hash", "version"):
            document.pop(name)
        document["indicators"][0]["name"]["en"] = f"Accounts created ({next(self._numbers)})"
        body = json.dumps(document).encode()
        try:
            reply = client.send("PUT", "/api/v1/catalogue", body, BODY, timeout=60)
        except (Refused, Lost):
            return False  # it was not ready yet
        # 401: it was started again, and its one-time token is another one. 503: not ready yet.
        if reply.status not in (200, 201, 401, 503):
            said = reply.body[:300].decode(errors="replace")
            self._faults.add(f"response {reply.status} to a catalogue", said)
        return reply.status in (200, 201)

    def backup(self, _dice):
        """Writes a backup, of which the newest three are kept."""
        done = subprocess.run(
            [
                *(binary(), "--log", "error", "backup", str(self._backups)),
                *("--keep", "3", "--database", self._database),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
            env=environment(),
        )
        if done.returncode:
            self._faults.add(f"a backup ended with {done.returncode}", done.stderr[-300:])
        return done.returncode == 0

    def run(self, seconds, sampler, dice):
        """Disturbs until the time is up; returns how often each thing happened."""
        pause, deadline = max(4.0, seconds / 60), time.monotonic() + seconds
        counts, bag = dict.fromkeys((kind.__name__ for kind in self.kinds), 0), []
        while (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, dice.uniform(0.5, 1.5) * pause))
            if time.monotonic() + 2 > deadline:
                continue
            if not bag:
                bag = list(self.kinds)
                dice.shuffle(bag)
            kind = bag.pop()
            sampler.note(kind.__name__)
            counts[kind.__name__] += bool(kind(dice))
        return counts


def typical_p99(samples):
    """Returns the median of the 99th percentiles: what was disturbed is left out."""
    return statistics.median(sample.p99 for sample in samples) if samples else 0.0


def judge(sampler, instances, fresh, faults):
    """Compares the instances at the end with one that was just started over the same ledger, and
    the last quarter of the run with the first."""
    (share, more), (new_memory,), (new_files,) = MORE_MEMORY, fresh.memory, fresh.files
    for instance in instances:
        memory, files = resident(instance), open_files(instance)
        if None in (memory, files, new_memory, new_files):
            faults.add(f"{instance.name} or the new instance was not running at the end")
            continue
        if memory > new_memory * share + more:
            said = f"{memory >> 20} MiB, a new instance {new_memory >> 20} MiB"
            faults.add(f"{instance.name} takes too much memory", said)
        if files > new_files + MORE_FILES:
            said = f"{files} files, a new instance {new_files}"
            faults.add(f"{instance.name} has too many files open", said)
    quarter = max(1, len(sampler.samples) // 4)
    first = typical_p99(sampler.samples[:quarter])
    last = typical_p99(sampler.samples[-quarter:])
    if last > first * MORE_TIME[0] + MORE_TIME[1]:
        faults.add("reads became slow", f"p99 {first:.0f} ms at first, {last:.0f} ms at last")


def newcomer(book, database, folder, size, faults, seed):
    """Returns the state of an instance that was just started and read from a little."""
    instance = Instance("newcomer", database, folder, faults).start().wait_ready(60)
    readers = Readers(book, [instance], faults, seed)
    sampler = Sampler([instance], readers, size, 3_600)
    time.sleep(5)
    state = sampler.look()
    sampler.finish()
    readers.finish()
    instance.stop()
    return state


def soak(kind, seconds, options, folder, faults):
    """Runs one ledger; returns what was seen, the samples and the events."""
    cluster = None
    if kind == "postgres":
        cluster = own_cluster(folder / "postgresql", options.keep).start()
        database = cluster.create_database("ledger")

        def size():
            return int(cluster.psql("SELECT pg_database_size('ledger')"))

    else:
        file = folder / "ledger.db"
        database = f"sqlite://{file}"

        def size():
            files = [file, file.with_name("ledger.db-wal")]
            return sum(one.stat().st_size for one in files if one.exists())

    names = ["a", "b"] if cluster else ["a"]
    instances = [Instance(name, database, folder, faults) for name in names]
    for instance in instances:
        instance.start().wait_ready()
    book = prepare(instances, WRITERS)
    keeper = Keeper(instances, faults, lambda _since: bool(cluster), options.seed)
    writers = Writers(book, instances, faults, options.seed, RATE)
    readers = Readers(book, instances, faults, options.seed)
    sampler = Sampler(instances, readers, size, seconds)
    disturbances = Disturbances(instances, database, folder, cluster, faults)
    counts = disturbances.run(seconds, sampler, random.Random(options.seed))
    for instance in instances:
        instance.wait_ready(60)
    time.sleep(3)
    unanswered = writers.finish()
    readers.finish()
    sampler.finish()
    fresh = newcomer(book, database, folder, size, faults, options.seed)
    judge(sampler, instances, fresh, faults)
    checked = final_check(book, instances, database, folder, faults)
    keeper.stop()
    for name in (name for name, count in counts.items() if count == 0 and seconds >= 60):
        faults.add(f"no result: no {name} in {seconds} s")
    if readers.count < 5 * seconds:
        faults.add(f"too few reads for a result: {readers.count} in {seconds} s")
    happened = ", ".join(f"{name} {count} times" for name, count in counts.items())
    memory = max((resident(instance) or 0) >> 20 for instance in instances)
    said = (
        f"soak {kind} {seconds} s, seed {options.seed}: {book.total('answered')} submissions "
        f"confirmed, {readers.count} reads, {unanswered} without a response; {happened}; "
        f"{memory} MiB at the end, a new instance {(fresh.memory[0] or 0) >> 20} MiB; {checked}"
    )
    for instance in instances:
        instance.stop()
    return said, sampler


def main():
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("minutes", type=float, metavar="MINUTES")
    parser.add_argument("--only", choices=["sqlite", "postgres"])
    parser.add_argument("--plot", type=Path, metavar="FILE")
    add_options(parser)
    options = parser.parse_args()
    kinds = [options.only] if options.only else ["sqlite", "postgres"]
    seconds = options.minutes * 60 / len(kinds)
    begin(options.minutes * 60 + 400 * len(kinds))
    folder, faults, said, runs = work_folder(options.keep), Faults(), [], {}
    for kind in kinds:
        place = folder / kind
        place.mkdir()
        place.chmod(0o755)  # PostgreSQL runs as another user
        sentence, runs[kind] = soak(kind, seconds, options, place, faults)
        said.append(sentence)
    if options.plot:
        options.plot.write_text(picture(runs), encoding="utf-8")
    return report("\n".join(said), faults)


if __name__ == "__main__":
    guarded(main)
