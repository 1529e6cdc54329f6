#!/usr/bin/env -S python3 -B
"""kill -9 of the service and of PostgreSQL during writes.

Two instances use one PostgreSQL; writers post to both. Every one to three seconds one of the three
is killed and restarted. At the end the ledger must agree exactly with what was confirmed
(common.py). Prints one line; exit code 0, or 1 with the faults.

    tests/faults/kill.py 60     one minute; `--seed N` repeats the same order of kills
    tests/faults/kill.py 20 --database sqlite:///tmp/x.db --instances 1
                                an existing ledger: only the service is killed
"""

import argparse
import random
import time

from common import (
    Faults,
    Instance,
    Keeper,
    Writers,
    add_options,
    begin,
    final_check,
    guarded,
    own_cluster,
    prepare,
    report,
    work_folder,
)

SERVER = "the server"


class Outages:
    """Records when PostgreSQL was down: an instance may give up at its start during that time."""

    def __init__(self):
        self._last, self._now = float("-inf"), False

    def begin(self):
        """PostgreSQL is about to be killed."""
        self._now = True

    def end(self):
        """PostgreSQL responds again."""
        self._last, self._now = time.monotonic(), False

    def touched(self, since):
        """Whether PostgreSQL was down at any time since `since`."""
        return self._now or self._last + 1 > since


def kill_at_random(seconds, instances, cluster, outages, dice):
    """Kills one after the other until the time is up; returns the number of kills of each."""
    kills = dict.fromkeys(
        [*(instance.name for instance in instances), *([SERVER] if cluster else [])], 0
    )
    bag, deadline = [], time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        time.sleep(min(left, dice.uniform(1, 3)))
        if not bag:  # each once, in random order
            bag = [*instances, *([cluster] if cluster else [])]
            dice.shuffle(bag)
        victim = bag.pop()
        if victim is cluster:
            outages.begin()
            cluster.kill9()
            time.sleep(dice.uniform(0, 1))
            cluster.start()
            outages.end()
            kills[SERVER] += 1
        else:
            victim.kill()  # the keeper restarts it
            kills[victim.name] += 1
    return kills


def too_quiet(seconds, answered, kills, faults):
    """Checks that enough happened in the run for a result."""
    if answered < seconds * 3:
        faults.add(
            f"too few submissions for a result: {answered} confirmed in {seconds} s, at least "
            f"{seconds * 3} are needed"
        )
    if seconds >= 15:
        for name in (name for name, count in kills.items() if count == 0):
            faults.add(f"no result: {name} was never killed")


def say(seconds, seed, kills, book, unanswered, checked):
    """Returns the line of the test."""
    killed = ", ".join(f"{name} {count} times" for name, count in kills.items())
    count = book.total
    return (
        f"kill {seconds} s, seed {seed}: killed {killed}; {count('answered')} submissions "
        f"confirmed, {count('retries')} retries of"
        f" {count('repeated submissions')}, {count('lost')} responses lost, "
        f"{count('status 503')} times 503, {count('read back')} read back at once,"
        f" {count('repeated after the response')} repeated after the response, {unanswered} "
        f"without a response; {checked}"
    )


def main():
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("seconds", type=int, metavar="SECONDS")
    parser.add_argument(
        "--database",
        help="address of an existing ledger; default: a new PostgreSQL, which is killed too",
    )
    parser.add_argument("--instances", type=int, default=2)
    parser.add_argument("--writers", type=int, default=8)
    add_options(parser)
    options = parser.parse_args()
    seed = options.seed
    begin(options.seconds + 110)
    folder, faults, outages = work_folder(options.keep), Faults(), Outages()
    cluster = None
    if options.database is None:
        cluster = own_cluster(folder / "postgresql", options.keep).start()
    database = options.database or cluster.create_database("ledger")
    instances = [
        Instance("abcdefgh"[nth], database, folder, faults) for nth in range(options.instances)
    ]
    for instance in instances:
        instance.start().wait_ready()
    book = prepare(instances, options.writers)
    keeper = Keeper(instances, faults, outages.touched, seed)
    rate = max(8.0, min(160.0, 20_000 / max(1, options.seconds)))  # keeps the final check short
    writers = Writers(book, instances, faults, seed, rate, options.old)
    kills = kill_at_random(options.seconds, instances, cluster, outages, random.Random(seed))
    answered = book.total("answered")
    unanswered = writers.finish()
    checked = final_check(book, instances, database, folder, faults, options.old)
    keeper.stop()
    too_quiet(options.seconds, answered, kills, faults)
    return report(say(options.seconds, seed, kills, book, unanswered, checked), faults)


if __name__ == "__main__":
    guarded(main)
