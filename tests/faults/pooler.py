#!/usr/bin/env -S python3 -B
"""PgBouncer between two instances and PostgreSQL.

In session mode writers post while PgBouncer is killed and started again; at the end the ledger must
agree exactly with what was confirmed (common.py). In transaction mode PgBouncer before 1.21 loses
prepared statements: the service must find that out at its start, name the cause and end.
Prints one line for each mode; exit code 0, or 1 with the faults.

    tests/faults/pooler.py --seconds 20
"""

import argparse
import os
import re
import subprocess
import time

from common import (
    HOST,
    Fault,
    Faults,
    Instance,
    Keeper,
    Writers,
    add_options,
    at_end,
    begin,
    final_check,
    free_port,
    guarded,
    own_cluster,
    owner,
    port_is_free,
    prepare,
    report,
    until,
    work_folder,
)
from programs import found, require_programs


class Pooler:
    """One PgBouncer in front of a server."""

    def __init__(self, folder, cluster, mode):
        self.port, self._process = free_port(), None
        self._config, self._log = folder / f"{mode}.ini", folder / f"{mode}.log"
        settings = {
            "listen_addr": HOST,
            "listen_port": self.port,
            "auth_type": "any",
            "pool_mode": mode,
            "default_pool_size": 40,
            "unix_socket_dir": "",
        }
        lines = ["[databases]", f"* = host={HOST} port={cluster.port} user=postgres", "[pgbouncer]"]
        lines += [f"{name} = {value}" for name, value in settings.items()]
        self._config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        at_end(self.kill)

    def start(self):
        """Starts it and waits until it listens. It refuses to run as root."""
        user, group = owner()
        who = {"user": user, "group": group, "extra_groups": []} if os.geteuid() == 0 else {}
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(
                [found("pgbouncer"), str(self._config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **who,
            )
        until(lambda: not port_is_free(self.port), 10, "PgBouncer does not listen")
        return self

    def kill(self):
        """Kills it."""
        if self._process:
            self._process.kill()
            self._process.wait()
            until(lambda: port_is_free(self.port), 10, "the port of PgBouncer is still in use")

    def url(self, database):
        """Returns the address of a database through it."""
        return f"postgres://postgres@{HOST}:{self.port}/{database}"


def version():
    """Returns the version of PgBouncer."""
    text = subprocess.run(
        [found("pgbouncer"), "--version"], capture_output=True, text=True, check=True
    ).stdout
    return re.search(r"[0-9]+\.[0-9]+", text).group(0)


def session_mode(options, folder, cluster):
    """Runs writers over two instances behind PgBouncer, which is killed once."""
    faults, pooler = Faults(), Pooler(folder, cluster, "session").start()
    direct = cluster.create_database("session")
    instances = [Instance(name, pooler.url("session"), folder, faults) for name in "ab"]
    for instance in instances:
        instance.start().wait_ready()
    book = prepare(instances, 8)
    keeper = Keeper(instances, faults, seed=options.seed)
    writers = Writers(book, instances, faults, options.seed)
    time.sleep(options.seconds / 2)
    pooler.kill()
    time.sleep(1)
    pooler.start()
    restarted = time.monotonic()
    until(lambda: book.answers_since(restarted), 20, "no post after PgBouncer started again")
    again = book.answers_since(restarted)[0][0] - restarted
    time.sleep(options.seconds / 2)
    unanswered = writers.finish()
    checked = final_check(book, instances, direct, folder, faults)
    keeper.stop()
    for instance in instances:
        instance.kill()
    return report(
        f"PgBouncer {version()}, session mode: {book.total('answered')} submissions confirmed, "
        f"PgBouncer killed once, first post {again:.1f} s after it was back, "
        f"{book.total('status 503')} times 503, {unanswered} without a response; {checked}",
        faults,
    )


def transaction_mode(folder, cluster):
    """Starts an instance behind PgBouncer in transaction mode, which must not serve."""
    faults, pooler = Faults(), Pooler(folder, cluster, "transaction").start()
    if tuple(map(int, version().split("."))) >= (1, 21):
        raise Fault("PgBouncer 1.21 or later: its prepared statements have not been tried")
    cluster.create_database("transaction")
    instance = Instance("t", pooler.url("transaction"), folder, faults).start()
    began = time.monotonic()
    while instance.alive and time.monotonic() < began + 30:
        time.sleep(0.1)
    words = instance.last_words()
    if instance.alive:
        faults.add("the service runs although statements get lost", words)
    elif "transaction mode" not in words:
        faults.add("the service does not name the cause", words)
    code = instance.process.poll()
    if code not in (None, 2):
        faults.add("the exit code is not 2", code)
    instance.kill()
    return report(
        f"PgBouncer {version()}, transaction mode: the service ends with code {code} and says "
        f"{words[-120:]!r}",
        faults,
    )


def main():
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=20)
    add_options(parser)
    options = parser.parse_args()
    begin(options.seconds + 150)
    require_programs("pgbouncer")
    folder = work_folder(options.keep)
    cluster = own_cluster(folder / "postgresql", options.keep, settings={"fsync": "off"}).start()
    return max(session_mode(options, folder, cluster), transaction_mode(folder, cluster))


if __name__ == "__main__":
    guarded(main)
