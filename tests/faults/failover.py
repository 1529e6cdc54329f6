#!/usr/bin/env -S python3 -B
"""Kills the primary PostgreSQL and promotes its synchronous standby. The service switches by
itself, and nothing confirmed is lost.

Two instances have both servers in their address (target_session_attrs=read-write); writers post to
both instances. The primary is killed with SIGKILL and stays down; the standby is promoted. Both
instances must accept posts within 30 s, without a restart. At the end the new primary must agree
exactly with what was confirmed (common.py). Prints one line for each round; exit code 0, or 1 with
the faults.

    tests/faults/failover.py --rounds 3
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
    url_of,
    work_folder,
)

BOUND = 30  # seconds from the promotion to the first accepted post, at each instance
ROUND = 200  # time limit of a round in seconds


def started_pair(folder, keep):
    """A primary and its synchronous standby, without which it commits nothing."""
    primary, standby = (
        own_cluster(folder / "primary", keep).start(),
        own_cluster(folder / "standby", keep),
    )
    primary.create_database("ledger")
    standby.standby_of(primary).start()
    primary.make_synchronous(["standby"])
    return primary, standby


def wait_for_answers(book, instances, moment, faults):
    """Returns how long after `moment` each instance first accepted a post."""
    first = {}
    while len(first) < len(instances) and time.monotonic() < moment + BOUND:
        time.sleep(0.02)
        for at, name in book.answers_since(moment):
            first.setdefault(name, at - moment)
    for instance in instances:
        if instance.name not in first:
            faults.add(f"{instance.name} accepted no post within {BOUND} s after the promotion")
    return first


def one_round(number, options, seed):
    """Runs one failover with a new pair of servers; returns the exit code."""
    folder, faults = work_folder(options.keep), Faults()
    primary, standby = started_pair(folder, options.keep)
    orders = {"a": [primary, standby], "b": [standby, primary]}
    addresses = {
        name: url_of(order, "ledger", target_session_attrs="read-write")
        for name, order in orders.items()
    }
    instances = [
        Instance(name, address, folder, faults).start() for name, address in addresses.items()
    ]
    for instance in instances:
        instance.wait_ready()
    book = prepare(instances, options.writers)
    keeper = Keeper(
        instances, faults, seed=seed
    )  # no instance is killed; this only notices one that ends by itself
    writers = Writers(book, instances, faults, seed, old=options.old)
    dice = random.Random(seed)
    time.sleep(options.before * dice.uniform(0.7, 1.3))
    before = book.total("answered")
    primary.kill9()
    time.sleep(dice.uniform(0, 3))
    ordered = time.monotonic()
    standby.promote()
    promoted = time.monotonic() - ordered
    first = wait_for_answers(book, instances, ordered, faults)
    time.sleep(options.after)
    after = len(book.answers_since(ordered))
    unanswered = writers.finish()
    checked = final_check(book, instances, standby.url("ledger"), folder, faults, options.old)
    keeper.stop()
    for name, count in (("before", before), ("after", after)):
        if count < 10:
            faults.add(f"too few submissions for a result: {count} confirmed {name} the failover")
    waited = (
        ", ".join(f"{name} after {seconds:.1f} s" for name, seconds in sorted(first.items()))
        or "never"
    )
    for instance in instances:
        instance.kill()
    for cluster in (primary, standby):
        cluster.stop("immediate")
    return report(
        f"failover {number}, seed {seed}: promoted in {promoted:.1f} s, first post accepted "
        f"by {waited}; {before} submissions confirmed before,"
        f" {after} after, {book.total('retries')} retries, {book.total('lost')} responses "
        f"lost, {book.total('status 503')} times 503,"
        f" {unanswered} without a response; {checked}",
        faults,
    )


def main():
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument(
        "--before",
        type=float,
        default=5,
        help="approximate seconds of posts before the primary is killed",
    )
    parser.add_argument(
        "--after",
        type=float,
        default=5,
        help="seconds of posts after the first responses with the new primary",
    )
    add_options(parser)
    options = parser.parse_args()
    begin(options.rounds * (ROUND + options.before + options.after))
    return max(
        one_round(number + 1, options, options.seed + number) for number in range(options.rounds)
    )


if __name__ == "__main__":
    guarded(main)
