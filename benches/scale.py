#!/usr/bin/env -S python3 -B
"""What one more instance over the same PostgreSQL costs and brings: memory, connections, time to
the first response, submissions per second. docs/scale.md has results.

    EGOV_KPI=target/release/egov-kpi benches/scale.py --size 10x180 --instances 1,2,4

Imports invented figures, then starts the given numbers of instances one after the other over them.
Eight clients post to all of them for some seconds; each submission has 20 figures. Prints one line
for each number of instances."""

import argparse
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "faults"), str(ROOT / "tests" / "faults" / "attacks")]

from common import (
    Client,
    Fault,
    Faults,
    Instance,
    Writers,
    add_options,
    begin,
    binary,
    environment,
    guarded,
    own_cluster,
    prepare,
    work_folder,
)
from registry import Served

MIB = 1 << 20


def imported(database, size, folder):
    """Imports invented figures; returns how long that took in seconds."""
    units, figures = folder / "units.json", folder / "figures.csv"
    with open(figures, "wb") as file:
        subprocess.run(
            [binary(), "generate", "--size", size, "--units", str(units)], stdout=file, check=True
        )
    began = time.monotonic()
    done = subprocess.run(
        [binary(), "import", str(units), str(figures), "--database", database, "--log", "error"],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )
    if done.returncode:
        raise Fault(f"import ended with {done.returncode}: {done.stderr[-300:]}")
    return time.monotonic() - began


def measured(count, cluster, options, folder):
    """Runs `count` instances and posts to them; returns the line of results."""
    database, faults = cluster.url(f"run{count}"), Faults()
    cluster.psql(f"CREATE DATABASE run{count} TEMPLATE ledger")
    instances = [
        Served(f"i{count}{nth}", database, folder, faults, "--rate-limit", "off", "--log", "error")
        for nth in range(count)
    ]
    began = time.monotonic()
    instances[0].start().wait_ready(600)
    ready = time.monotonic() - began
    for instance in instances[1:]:
        instance.start().wait_ready(600)
    book = prepare(instances, 8)
    writers = Writers(book, instances, faults, options.seed, rate=100_000)
    time.sleep(2)
    before = book.total("answered")
    time.sleep(options.seconds)
    posted = (book.total("answered") - before) / options.seconds
    connections = int(
        cluster.psql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'egov-kpi'")
    )
    writers.finish()
    memory = max(instance.memory("VmRSS") for instance in instances)
    figures = Client(instances[0]).read("/api/v1/ledger")["figures"]
    for instance in instances:
        instance.kill()
    if faults:
        raise Fault(str(faults))
    return (
        f"{options.size}, {figures:,} figures, {count} instances: {memory / MIB:.0f} MiB each, "
        f"ready after {ready:.1f} s, {connections / count:.1f} connections each, {posted:.0f} "
        f"submissions a second by all together"
    )


def main():
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", default="1x180", help="PROVINCESxUNITS, as for `generate`")
    parser.add_argument("--instances", default="1,2,4")
    parser.add_argument("--seconds", type=float, default=8)
    add_options(parser)
    options = parser.parse_args()
    begin(3_600)
    folder = work_folder(options.keep)
    cluster = own_cluster(folder / "postgresql", options.keep).start()
    took = imported(cluster.create_database("ledger"), options.size, folder)
    size = int(cluster.psql("SELECT pg_database_size('ledger')"))
    print(f"{options.size}: imported in {took:.0f} s, database of {size / MIB:.0f} MiB", flush=True)
    Instance.key = subprocess.run(
        [binary(), *("keys", "add", "--name", "scale", "--role", "admin")]
        + ["--database", cluster.url("ledger")],
        capture_output=True,
        text=True,
        check=True,
        env=environment(),
    ).stdout.strip()
    for count in map(int, options.instances.split(",")):
        print(measured(count, cluster, options, folder), flush=True)
    return 0


if __name__ == "__main__":
    guarded(main)
