"""Two instances with one PostgreSQL under kills, pauses, broken connections, a wrong clock and
failovers to an older copy. All responses to clients are recorded and checked afterwards
(checker.py).

    python3 -B tests/faults/history --seconds 45              short
    python3 -B tests/faults/history --seconds 600             at length
    python3 -B tests/faults/history --no-hashes --no-clocks   for an old program without
                                                              `revision_hash`, or without one
                                                              clock for all instances
    python3 -m unittest discover -s tests/faults/history      tests of the checker

Each instance connects to PostgreSQL through a proxy (proxy.py). The clock of instance b is 30 s
ahead (libfaketime, installed when it is missing). A failover to an older copy: PostgreSQL is killed
and its folder copied; later it is killed again and the folder replaced by the copy. At the end the
replaced folder is started once more, which shows the revisions that the database lost. Prints one
line; exit code 0, or 1 with the faults."""

import argparse
import contextlib
import itertools
import json
import math
import os
import random
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [
    str(HERE),
    str(HERE.parent),
    str(HERE.parent / "attacks"),
    str(HERE.parents[1] / "postgres"),
]

from checker import NOTICE, Branch, History, Judge
from clients import (
    UNITS,
    Disturbances,
    Recorder,
    Subject,
    ledger_of,
    made_key,
)
from cluster import children_of
from common import (
    HOST,
    Fault,
    Faults,
    Keeper,
    add_options,
    at_end,
    begin,
    binary,
    environment,
    guarded,
    own_cluster,
    report,
    until,
    work_folder,
)
from registry import Served

WRITERS, READERS = 4, 4
SKEW = 30  # seconds by which the clock of instance b is ahead
LOST = re.compile(r"lost|gone|another history|other history|rolled back|no longer", re.IGNORECASE)
FAKETIME = "/usr/lib/*/faketime/libfaketime.so.1"


def faketime():
    """Returns the library that changes a clock; installs it when it is missing."""
    for _ in range(2):
        if found := sorted(Path("/").glob(FAKETIME[1:])):
            return str(found[0])
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "libfaketime"]
        subprocess.run(
            command,
            check=False,
            capture_output=True,
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
        )
    raise Fault("libfaketime is missing and cannot be installed")


class Proxy:
    """The connections between the instances and PostgreSQL."""

    def __init__(self, target, names):
        command = [sys.executable, "-B", str(HERE / "proxy.py"), str(target), *names]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        at_end(self._process.kill)
        self.ports = {name: int(self._process.stdout.readline()) for name in names}

    def tell(self, *words):
        """Sends a command to the proxy."""
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()


class Nemesis:
    """Causes one disturbance after the other."""

    KINDS = ("kill", "pause", "reset", "cut", "delay", "server kill", "server pause", "quiet")

    def __init__(self, cluster, instances, proxy, seed, failovers):
        self.cluster, self.instances, self.proxy, self.failovers = (
            cluster,
            instances,
            proxy,
            failovers,
        )
        self.dice, self.broken = random.Random(f"nemesis {seed}"), Disturbances()
        self.done, self.lives = (
            {},
            [[time.monotonic(), math.inf, None]],
        )  # since, until and folder of each history of the database
        self.copy, self.deadline = cluster.folder / "copy", 0.0
        ways = (
            self.kill,
            self.pause,
            self.reset,
            self.cut,
            self.delay,
            self.server_kill,
            self.server_pause,
            self.quiet,
        )
        self.breaks = {
            way.__name__.replace("_", " "): way for way in (*ways, self.take_copy, self.put_back)
        }

    def run(self, seconds):
        """Runs until the time is up. A short run has each disturbance once; a longer one puts the
        database back about every minute."""
        self.deadline, bag = time.monotonic() + seconds, []
        while time.monotonic() < self.deadline:
            if not bag:
                bag = list(self.KINDS)
                self.dice.shuffle(bag)
                if not self.failovers:
                    continue
                third = len(bag) // 3
                bag[third:third], bag[-1:-1] = (
                    ["put back"],
                    ["take copy"],
                )  # used from the end: first the copy, later putting it back
            kind = bag.pop()
            self.done[kind] = self.done.get(kind, 0) + 1
            self.breaks[kind]()
            time.sleep(self.dice.uniform(0.2, 1.0))

    def some(self):
        """Returns one of the instances."""
        return self.dice.choice(self.instances)

    def quiet(self):
        """Waits some seconds without a disturbance; staleness is checked only in such times."""
        time.sleep(min(8, max(0.0, self.deadline - time.monotonic())))

    def kill(self):
        """Kills an instance with SIGKILL; the keeper restarts it."""
        victim = self.some()
        with self.broken.during(victim.name, settle=4):
            victim.kill()
            until(victim.ready, 40, "the killed instance is not ready again")

    def pause(self):
        """Stops an instance for some seconds (SIGSTOP)."""
        victim = self.some()
        with self.broken.during(victim.name), contextlib.suppress(ProcessLookupError):
            pid = victim.process.pid
            os.kill(pid, 19)
            time.sleep(self.dice.uniform(0.5, 3))
            os.kill(pid, 18)

    def reset(self):
        """Resets all connections between an instance and the database."""
        victim = self.some().name
        with self.broken.during(victim):
            self.proxy.tell(victim, "reset")

    def cut(self):
        """Interrupts the traffic between an instance and the database."""
        victim = self.some().name
        with self.broken.during(victim):
            self.proxy.tell(victim, "cut")
            time.sleep(self.dice.uniform(0.5, 4))
            if self.dice.random() < 0.5:
                self.proxy.tell(victim, "reset")
            self.proxy.tell(victim, "heal")

    def delay(self):
        """Delays the traffic between an instance and the database."""
        victim = self.some().name
        with self.broken.during(victim):
            self.proxy.tell(victim, "delay", self.dice.uniform(0.02, 0.2))
            time.sleep(self.dice.uniform(1, 3))
            self.proxy.tell(victim, "heal")

    def server_kill(self):
        """Kills PostgreSQL with SIGKILL and restarts it."""
        with self.broken.during(None):
            self.cluster.kill9()
            time.sleep(self.dice.uniform(0, 1))
            self.cluster.start()

    def server_pause(self):
        """Stops PostgreSQL for some seconds (SIGSTOP)."""
        with self.broken.during(None):
            all_of_it = [self.cluster.pid, *children_of(self.cluster.pid)]
            for signal in (19, 18):
                for pid in all_of_it:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal)
                if signal == 19:
                    time.sleep(self.dice.uniform(0.5, 3))

    def take_copy(self):
        """Copies the folder of PostgreSQL while the server is down."""
        with self.broken.during(None):
            self.cluster.kill9()
            shutil.rmtree(self.copy, ignore_errors=True)
            subprocess.run(["cp", "-a", self.cluster.data, self.copy], check=True)
            (self.copy / "postmaster.pid").unlink(missing_ok=True)
            self.cluster.start()

    def put_back(self):
        """Kills PostgreSQL and restarts it with the older copy, which lacks confirmed revisions."""
        if not self.copy.exists():
            self.take_copy()
        time.sleep(self.dice.uniform(1, 3))
        with self.broken.during(None, settle=NOTICE):
            self.cluster.kill9()
            self.lives[-1][1] = time.monotonic()
            gone = self.cluster.folder.parent / f"lost{len(self.lives)}"
            gone.mkdir(mode=0o755)
            os.chown(gone, *self.cluster.owner)
            shutil.move(self.cluster.data, gone / "data")
            self.lives[-1][2] = gone
            subprocess.run(["cp", "-a", self.copy, self.cluster.data], check=True)
            self.lives.append([time.monotonic(), math.inf, None])
            self.cluster.start()


class Run:
    """One run from the start to the result."""

    def __init__(self, options):
        self.options, self.faults, self.folder = options, Faults(), work_folder(options.keep)
        # fsync is not needed: killing PostgreSQL loses nothing that the operating system already
        # has.
        self.cluster = own_cluster(
            self.folder / "postgresql", options.keep, settings={"fsync": "off"}
        ).start()
        self.direct = self.cluster.create_database("ledger")
        self.proxy = Proxy(self.cluster.port, ["a", "b"])
        self.key = made_key(self.direct)
        skew = (
            {}
            if options.no_clocks
            else {
                "LD_PRELOAD": faketime(),
                "FAKETIME": f"+{SKEW}s",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }
        )
        self.instances = [self.instance("a", {}), self.instance("b", skew)]
        self.recorder = Recorder()
        self.subject = Subject(options, self.instances, self.key, self.recorder, self.faults)

    def instance(self, name, env):
        """Starts one instance behind its proxy and waits until it is ready."""
        url = f"postgres://postgres@{HOST}:{self.proxy.ports[name]}/ledger"
        return (
            Served(
                name, url, self.folder, self.faults, "--rate-limit", "off", "--log", "warn", env=env
            )
            .start()
            .wait_ready(60)
        )

    def run(self):
        """Runs everything; returns the exit code."""
        self.subject.prepare()
        nemesis = Nemesis(
            self.cluster,
            self.instances,
            self.proxy,
            self.options.seed,
            not self.options.no_failovers,
        )
        keeper = Keeper(
            self.instances,
            self.faults,
            lambda since: nemesis.broken.touched(since - 1),
            self.options.seed,
        )
        calls = [*((self.subject.writer, f"w{self.options.seed}/{n}") for n in range(WRITERS))]
        calls += [(self.subject.reader, f"r{self.options.seed}/{n}") for n in range(READERS)]
        threads = [threading.Thread(target=self.guarded, args=call, daemon=True) for call in calls]
        for thread in threads:
            thread.start()
        try:
            nemesis.run(self.options.seconds)
            time.sleep(4)
        finally:
            self.recorder.ending.set()
        for thread in threads:
            thread.join(40)
        nemesis.broken.ending.set()
        self.finish(nemesis)
        keeper.stop()
        for instance in self.instances:
            instance.check_log()
        return self.judge(nemesis)

    def guarded(self, call, seed):
        """Starts a thread whose own errors are reported as faults."""
        try:
            call(seed)
        except Exception as error:
            self.faults.add(f"a client ended: {type(error).__name__}", str(error))

    def finish(self, nemesis):
        """Ends all disturbances. Then both instances must accept writes, repeat responses about the
        past, and report lost revisions."""
        dice, callers = random.Random(self.options.seed), self.subject.callers()
        for instance, caller in zip(self.instances, callers, strict=True):
            deadline = time.monotonic() + 30
            while self.subject.write(caller, dice, retried=False).status not in (200, 201):
                if time.monotonic() > deadline:
                    self.faults.add(
                        (
                            "an instance accepts no write within 30 s after the end of all "
                            "disturbances"
                        ),
                        instance.name,
                    )
                    break
                time.sleep(0.2)
        time.sleep(2.5)
        self.ask_again(callers, dice)
        self.ask_of_the_lost(callers, nemesis)

    def ask_again(self, callers, dice):
        """Repeats the requests about the past at both instances."""
        past = {
            read.question: read
            for read in self.recorder.reads
            if read.status == 200 and read.of_the_past
        }
        chosen = dice.sample(list(past.values()), min(len(past), 30 + self.options.seconds))

        until_then = time.monotonic() + 10 + self.options.seconds / 10

        def ask_all(caller):
            for read in chosen:
                if time.monotonic() > until_then:
                    return
                unit = next(iter(read.values))[0]
                kind = "series" if "/series?" in read.question else "observations"
                as_of = (read.as_of, read.as_of_hash) if read.as_of is not None else None
                self.subject.ask(caller, unit, kind, as_of=as_of, as_of_time=read.as_of_time)

        threads = [threading.Thread(target=ask_all, args=(caller,)) for caller in callers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def ask_of_the_lost(self, callers, nemesis):
        """Names the last revision of a lost database at both instances, which must respond with
        409."""
        if not self.subject.hashes:
            return
        for since, killed, gone in nemesis.lives:
            if gone is None:
                continue
            answered = [
                write
                for write in self.recorder.writes
                if write.hash and since <= write.end <= killed
            ]
            if answered:
                last = max(answered, key=lambda write: write.revision)
                for caller in callers:
                    self.subject.ask(caller, UNITS[0], at=(last.revision, last.hash))
                    self.subject.ask(caller, UNITS[0], as_of=(last.revision, last.hash))

    def branches(self, nemesis):
        """Reads the ledger and, after starting them once more, each lost database."""
        found = []
        for since, killed, gone in nemesis.lives:
            served, cluster = self.instances[0], None
            if gone is not None:
                cluster = own_cluster(gone, self.options.keep, settings={"fsync": "off"})
                (gone / "made").write_text("copied\n")
                (gone / "data" / "postmaster.pid").unlink(missing_ok=True)
                cluster.start()
                served = (
                    Served(
                        gone.name,
                        cluster.url("ledger"),
                        self.folder,
                        self.faults,
                        "--rate-limit",
                        "off",
                    )
                    .start()
                    .wait_ready(60)
                )
            found.append(Branch(since, killed, *ledger_of(served, self.key)))
            if cluster:
                served.kill()
                cluster.stop("immediate")
        return found

    def judge(self, nemesis):
        """Checks the record and prints the line."""
        branches = self.branches(nemesis)
        told = 0
        for before, after in itertools.pairwise(branches):
            lost = [
                revision
                for revision, hash_ in before.hashes.items()
                if after.hashes.get(revision) != hash_
            ]
            told += len(lost)
        history = History(
            branches,
            self.recorder.writes,
            self.recorder.reads,
            nemesis.broken.all,
            self.subject.hashes,
            self.subject.clocks,
        )
        judge = Judge(history)
        for rule, example in judge.run():
            self.faults.add(rule, example)
        if (
            self.subject.hashes
            and told
            and not any(LOST.search(line) and "revision" in line for line in self.logs())
        ):
            self.faults.add("no instance logs that revisions are lost", f"{told} revisions were")
        self.verify()
        answered = judge.counts["writes answered"]
        if answered < self.options.seconds:
            self.faults.add(f"too few writes for a result: {answered} confirmed")
        if self.options.keep:
            lines = [
                json.dumps(
                    {"type": type(note).__name__} | vars(note) | {"values": str(note.values)}
                )
                for note in history.writes + history.reads
            ]
            (self.folder / "history.jsonl").write_text("\n".join(lines))
        counts = ", ".join(f"{count} {what}" for what, count in sorted(judge.counts.items()))
        faults = ", ".join(f"{kind} {count}" for kind, count in sorted(nemesis.done.items()))
        return (
            f"history {self.options.seconds} s, seed {self.options.seed}: {faults}; {counts};"
            f" {told} revisions lost by the database in {len(branches) - 1} failovers"
        )

    def logs(self):
        """Returns all log lines of the instances."""
        return [line for instance in self.instances for line in instance.log().splitlines()]

    def verify(self):
        """Checks the ledger with `egov-kpi verify`."""
        done = subprocess.run(
            [binary(), "verify", "--database", self.direct],
            capture_output=True,
            text=True,
            check=False,
            env=environment(),
        )
        if done.returncode:
            self.faults.add("verify finds errors", (done.stdout + done.stderr)[-300:])


def main():
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=45)
    parser.add_argument(
        "--no-hashes", action="store_true", help="for a program without revision_hash"
    )
    parser.add_argument(
        "--no-clocks",
        action="store_true",
        help="for a program without one clock for all instances: no clock is changed",
    )
    parser.add_argument(
        "--no-failovers",
        action="store_true",
        help="never put the database back to an older copy",
    )
    add_options(parser)
    options = parser.parse_args()
    begin(options.seconds * 2 + 240)
    run = Run(options)
    return report(run.run(), run.faults)


if __name__ == "__main__":
    guarded(main)
