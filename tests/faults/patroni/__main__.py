"""Failovers by Patroni under two instances of the service, 8 writers and 4 readers.

    python3 -B tests/faults/patroni                two cases, less than 3 minutes
    python3 -B tests/faults/patroni --long         all cases
    python3 -B tests/faults/patroni --only NAME    one case; --list shows all

Three servers of PostgreSQL with Patroni and etcd run on hosts of their own (nodes.py). Instance a
reaches the leader through HAProxy, instance b has all servers in its address. All responses are
recorded and checked against the ledger (tests/faults/history): nothing confirmed is lost, doubled
or recorded in part, no response is older than documented, revisions never decrease. With
`synchronous_mode_strict` nothing confirmed may be lost at all. Without it, what was lost is
counted, and the service must report it.

After each failover two times are compared: when plain psql could commit again, which is the time
that Patroni needs, and when each instance accepted a post again. Prints one line for each case and
for the history of each cluster; exit code 0, or 1 with the faults. Needs root.
"""

import argparse
import math
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [
    str(HERE),
    str(HERE.parent),
    str(HERE.parent / "history"),
    str(HERE.parent / "attacks"),
    str(HERE.parents[1] / "postgres"),
]

from checker import NOTICE, Branch, History, Judge
from clients import UNITS, Disturbances, Recorder, Subject, ledger_of, made_key
from common import (
    ClusterError,
    Fault,
    Faults,
    Keeper,
    Lost,
    Refused,
    add_options,
    begin,
    binary,
    environment,
    guarded,
    own_cluster,
    report,
    until,
    work_folder,
)
from disk import enter_namespace
from hosts import Lan, require_hosts
from nodes import NEEDED, Ensemble, FarCentre, Node, Probe, kill_postgres
from programs import require_programs
from registry import Caller, Served

WRITERS, READERS = 8, 4
PERMITTED = 2.0  # seconds that the service may need beyond Patroni
CHECKED = 1.5  # seconds that HAProxy may need to notice the new leader
STILL = 12.0  # the same after a pause: the service tests its pooled connections one after the other
FAILOVER = 60  # seconds within which Patroni must have another leader
CASES = {}


@dataclass(frozen=True)
class Case:
    """A function `run(trial)` that disturbs a cluster and returns what happened in words. `strict`
    and `far` say of which cluster: with `synchronous_mode_strict`, with a second data centre."""

    run: object
    strict: bool
    far: bool
    short: bool


def case(*, strict=True, far=False, short=False):
    """Registers a function as a case."""

    def register(function):
        CASES[function.__name__.replace("_", "-")] = Case(function, strict, far, short)
        return function

    return register


def longest_gap(moments, since, until_then):
    """Returns the longest time without an event, as (begin, end)."""
    inside = [since, *sorted(at for at in moments if since < at < until_then), until_then]
    return max(
        zip(inside, inside[1:], strict=False), key=lambda pair: pair[1] - pair[0], default=None
    )


class Trial:
    """One cluster with both instances and all clients, and the cases that it goes through."""

    def __init__(self, options, strict, far):
        self.options, self.strict = options, strict
        self.mode = "strict" if strict else "asynchronous"
        self.faults, self.folder = Faults(), work_folder(options.keep)
        self.lan = Lan("f" if far else "s" if strict else "a")
        self.ensemble = Ensemble(self.lan, self.folder, strict).start()
        self.far = FarCentre(self.ensemble, self.folder).start() if far else None
        self.broken, self.recorder = Disturbances(), Recorder()
        self.key = made_key(self.ensemble.leader().url)
        addresses = {"a": self.ensemble.proxy_address, "b": self.ensemble.address()}
        if far:
            addresses = dict.fromkeys(addresses, self.ensemble.address(self.far.node))
        self.instances = [
            Served(name, url, self.folder, self.faults, "--rate-limit", "off", "--log", "warn")
            .start()
            .wait_ready(60)
            for name, url in addresses.items()
        ]
        self.subject = Subject(options, self.instances, self.key, self.recorder, self.faults)
        self.lives, self.threads = [[time.monotonic(), math.inf, None]], []

    def far_nodes(self):
        """Returns the server in the second data centre, if there is one."""
        return [self.far.node] if self.far else []

    def leader(self):
        """Returns the node that leads, in either data centre."""
        nodes = [*self.ensemble.nodes, *self.far_nodes()]
        return until(lambda: next((n for n in nodes if n.leads), None), 30, "no leader")

    def start_clients(self):
        """Starts all writers and readers."""
        self.subject.prepare()
        self.keeper = Keeper(self.instances, self.faults, seed=self.options.seed)
        calls = [(self.subject.writer, f"w{self.options.seed}/{n}") for n in range(WRITERS)]
        calls += [(self.subject.reader, f"r{self.options.seed}/{n}") for n in range(READERS)]
        for call in calls:
            thread = threading.Thread(target=self._guarded, args=call, daemon=True)
            thread.start()
            self.threads.append(thread)

    def _guarded(self, call, seed):
        try:
            call(seed)
        except Exception as error:  # an error of the test itself must be visible
            self.faults.add(f"a client ended: {type(error).__name__}", str(error))

    def posts(self, instance):
        """Returns when an instance confirmed posts."""
        with self.recorder.lock:
            return [
                write.end
                for write in self.recorder.writes
                if write.instance == instance.name and write.status in (200, 201)
            ]

    def wait_for_posts(self, since, seconds=45):
        """Waits until both instances have confirmed some posts after a time."""
        for instance in self.instances:
            deadline = time.monotonic() + seconds
            while sum(at > since for at in self.posts(instance)) < 3:
                if time.monotonic() > deadline:
                    self.faults.add(
                        f"{instance.name} accepted no posts within {seconds} s",
                        instance.last_words(),
                    )
                    return
                time.sleep(0.05)

    def run(self, name, function):
        """Runs one case with its measurements; returns its exit code."""
        found_before = str(self.faults)
        self.ensemble.wait_complete()
        time.sleep(4)  # undisturbed
        before, probe = self.leader(), Probe([*self.ensemble.nodes, *self.far_nodes()])
        until(probe.moments, 20, "psql cannot commit")
        with self.broken.during(None, settle=NOTICE):
            since = time.monotonic()
            told = self.disturb(name, function)
            self.wait_for_posts(time.monotonic())
            if not self.far:
                self.ensemble.wait_complete(90)
        ended = time.monotonic()
        after = self.leader()
        moved = (
            f"{before.name} to {after.name}" if before is not after else f"stays at {after.name}"
        )
        times = self.times(name, probe, since, ended)
        probe.stop()
        new = self.faults.new_since(found_before)
        print(f"patroni {self.mode}, {name}: {told}; {moved}; {times}; {new}", flush=True)

    def disturb(self, name, function):
        """Runs the disturbance of a case; one that cannot be done is a fault of this case."""
        self.possible_again, self.permitted = None, PERMITTED
        try:
            return function(self)
        except (Fault, ClusterError) as fault:
            self.faults.add(f"{name} did not come to its end", str(fault))
            for node in self.ensemble.nodes:
                node.host.heal()
                node.host.resume()
            return "interrupted"

    def times(self, name, probe, since, ended):
        """Compares the longest time without a commit by psql and without a post at each
        instance. When psql is no measure, the case says when posts were possible again."""
        began, again = longest_gap(probe.moments(), since, ended)
        again = self.possible_again or again
        words = [f"psql without a commit for {again - began:.1f} s"]
        if self.possible_again:
            words = [f"possible again {again - since:.1f} s after the beginning"]
        for instance in self.instances:
            url = instance.database
            start, end = longest_gap(self.posts(instance), since, ended)
            words.append(
                f"{instance.name} without a post for {end - start:.1f} s, again {end - again:+.1f}"
                " s after that"
            )
            permitted = self.permitted + (CHECKED if str(self.ensemble.proxy_port) in url else 0)
            # Where revisions are lost, the instance also reads the whole ledger again.
            bound = self.strict and not self.far
            if bound and end - again > permitted and end - start > permitted:
                self.faults.add(
                    f"{instance.name} accepted posts more than {permitted} s later than possible",
                    f"{name}: {end - again:.1f} s",
                )
        return ", ".join(words)

    # -- the end

    def finish(self):
        """Ends the clients and checks everything that they recorded; returns the exit code."""
        time.sleep(3)
        self.recorder.ending.set()
        for thread in self.threads:
            thread.join(40)
        self.broken.ending.set()
        time.sleep(NOTICE)  # both instances have read everything
        for caller, instance in zip(self.subject.callers(), self.instances, strict=True):
            if self.subject.ask(caller, UNITS[0], "observations").status != 200:
                self.faults.add(f"{instance.name} does not read its ledger at the end")
        branches = self.branches()
        self.check_lost_are_told(branches[-1])
        self.keeper.stop()
        history = History(branches, self.recorder.writes, self.recorder.reads, self.broken.all)
        if self.options.keep:
            self.write_history(history)
        judge = Judge(history)
        for rule, example in judge.run():
            self.faults.add(rule, example)
        lost = judge.counts["writes that the database lost"]
        if self.strict and lost and not self.far:
            self.faults.add("confirmed writes are lost although the mode is strict", str(lost))
        self.verify()
        for instance in self.instances:
            instance.check_log()
            instance.kill()
        counts = ", ".join(f"{count} {what}" for what, count in sorted(judge.counts.items()))
        return report(
            f"patroni {self.mode}, history, seed {self.options.seed}: {counts}", self.faults
        )

    def write_history(self, history):
        """Writes the record and the ledger into the folder, for an investigation."""
        notes = [vars(note) for note in (*history.writes, *history.reads)]
        lines = [str(note) for note in (*notes, *(vars(one) for one in history.branches))]
        (self.folder / "history").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def check_lost_are_told(self, final):
        """Names the last revision of each lost history at both instances: they must respond with
        409. The instance that had confirmed it must have logged the loss and count it; the other
        one may never have known that revision."""
        for since, killed, gone in self.lives:
            if gone is None:
                continue
            with self.recorder.lock:
                answered = [
                    write
                    for write in self.recorder.writes
                    if write.hash and since <= write.end <= killed + 1
                ]
            last = max(answered, key=lambda write: write.revision)
            if final.holds(last.revision, last.hash):
                print(f"  the last confirmed revision {last.revision} is not lost", flush=True)
                continue
            for caller, instance in zip(self.subject.callers(), self.instances, strict=True):
                named = (last.revision, last.hash)
                status = self.subject.ask(caller, UNITS[0], at=named).status
                counted, logged = self.told_by(instance)
                print(
                    f"  {instance.name}: {status} for revision {last.revision}, which "
                    f"{last.instance} had confirmed; metrics count {counted:.0f} lost revisions, "
                    f"the log {'tells' if logged else 'does not tell'} them",
                    flush=True,
                )
                if status != 409:
                    self.faults.add("no 409 for the last revision of a lost history", str(status))
                elif instance.name == last.instance and not (logged and counted):
                    self.faults.add(f"{instance.name} does not report that revisions are lost")

    def told_by(self, instance):
        """Returns how many lost revisions an instance counts, and whether its log names them."""
        metrics = Caller(instance, self.key).get("/metrics").body.decode()
        (count,) = (
            float(line.split()[-1])
            for line in metrics.splitlines()
            if line.startswith("egov_kpi_lost_revisions_total ")
        )
        lines = instance.log().splitlines()
        return count, any("lost" in line and "revision" in line for line in lines)

    def branches(self):
        """Reads the ledger and each lost history, each through a new instance."""
        found = []
        for since, killed, gone in self.lives:
            if gone is None:
                found.append(Branch(since, killed, *self.read_ledger("now", self.leader().url)))
                continue
            cluster = own_cluster(gone, self.options.keep)
            (gone / "made").write_text("copied\n", encoding="utf-8")
            cluster.start()
            ledger = self.read_ledger(gone.name, cluster.url("ledger"))
            found.append(Branch(since, killed, *ledger))
            cluster.stop("immediate")
        return found

    def read_ledger(self, name, database):
        """Reads a ledger through an instance that is started for it."""
        served = Served(name, database, self.folder, self.faults, "--rate-limit", "off")
        try:
            return ledger_of(served.start().wait_ready(60), self.key)
        except (Lost, Refused) as error:
            raise Fault(f"the ledger {name} cannot be read: {error}") from None
        finally:
            served.kill()

    def verify(self):
        """Checks the ledger with `egov-kpi verify`."""
        done = subprocess.run(
            [binary(), "verify", "--database", self.leader().url],
            capture_output=True,
            text=True,
            check=False,
            env=environment(),
        )
        if done.returncode:
            self.faults.add("verify finds errors", (done.stdout + done.stderr)[-300:])

    def wait_for_other(self, old, seconds=FAILOVER):
        """Waits until another node than `old` leads and commits; returns it."""
        others = [node for node in self.ensemble.nodes if node is not old]
        return until(
            lambda: next(
                (node for node in others if node.leads and node.sql(Probe.STATEMENT) is not None),
                None,
            ),
            seconds,
            "no other node leads",
        )


# -- cases with synchronous_mode_strict


@case(short=True)
def killed(trial):
    """The leader's host fails: all its processes are killed."""
    leader = trial.ensemble.leader()
    leader.host.kill()
    trial.wait_for_other(leader)
    trial.wait_for_posts(time.monotonic())
    leader.start()
    return "the leader's processes killed, started again after the failover"


@case()
def paused(trial):
    """The leader's host stands still and continues when there is another leader."""
    leader, trial.permitted = trial.ensemble.leader(), STILL
    leader.host.pause()
    trial.wait_for_other(leader)
    trial.wait_for_posts(time.monotonic())
    leader.host.resume()
    return "the leader's processes stopped and continued after the failover"


@case()
def partitioned_from_etcd(trial):
    """The leader cannot reach etcd; clients and standbys still reach it."""
    leader = trial.ensemble.leader()
    leader.host.cut(trial.ensemble.etcd.address)
    trial.wait_for_other(leader)
    trial.wait_for_posts(time.monotonic())
    leader.host.heal()
    return "the leader cut off from etcd, healed after the failover"


@case()
def partitioned_with_its_clients(trial):
    """The leader reaches neither etcd nor its standbys; clients still reach it."""
    leader = trial.ensemble.leader()
    others = [node.address for node in trial.ensemble.nodes if node is not leader]
    leader.host.cut(trial.ensemble.etcd.address, *others)
    trial.wait_for_other(leader)
    trial.wait_for_posts(time.monotonic())
    leader.host.heal()
    return "the leader cut off from etcd and standbys, not from the service"


@case(short=True)
def switched_over(trial):
    """An administrator moves the leader."""
    leader, candidate = trial.ensemble.leader(), trial.ensemble.synchronous()
    body = {"leader": leader.name, "candidate": candidate.name}
    status, said = leader.api("/switchover", body, "POST", timeout=40)
    if status != 200:
        raise Fault(f"switchover: response {status} {said}")
    trial.wait_for_other(leader)
    return "switchover by hand"


@case()
def disk_full(trial):
    """The leader's disk fills up; later there is space again."""
    leader = trial.ensemble.leader()
    leader.disk.fill()
    since = time.monotonic()
    time.sleep(15)
    with trial.recorder.lock:
        refused = sum(write.status == 503 and write.end > since for write in trial.recorder.writes)
    leader.disk.free()
    trial.possible_again = time.monotonic()
    leads = "still leads" if leader.leads else "no longer leads"
    return f"the leader's disk full for 15 s ({leads} then), {refused} writes refused at last"


@case()
def replica_lags(trial):
    """One standby is cut off from the leader and lags; then the leader fails. The other standby,
    which confirmed everything, must take over."""
    leader, current = trial.ensemble.leader(), trial.ensemble.synchronous()
    (lagging,) = (n for n in trial.ensemble.nodes if n not in (leader, current))
    lagging.host.cut(leader.address)
    time.sleep(8)
    received = lagging.sql("SELECT pg_last_wal_receive_lsn()")
    lag = leader.sql(f"SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '{received}')")
    leader.host.kill()
    ahead = trial.wait_for_other(leader)
    lagging.host.heal()
    leader.start()
    if ahead is lagging:
        trial.faults.add("the standby that lags was promoted")
    return f"a standby {lag} bytes behind, then the leader killed"


@case()
def synchronous_standby_stalls(trial):
    """The standby for which commits wait is cut off. Commits wait until PostgreSQL gives it up and
    Patroni chooses the other one."""
    leader, current = trial.ensemble.leader(), trial.ensemble.synchronous()
    current.host.cut(leader.address)
    until(lambda: trial.ensemble.synchronous() is not current, 40, "Patroni keeps a dead standby")
    trial.wait_for_posts(time.monotonic())
    current.host.heal()
    return "the synchronous standby cut off from the leader"


@case()
def restarted(trial):
    """PostgreSQL of the leader is killed while its standbys are cut off, and Patroni starts it
    again. Commits that no standby has are visible there."""
    leader = trial.ensemble.leader()
    others = [node.address for node in trial.ensemble.nodes if node is not leader]
    leader.host.cut(*others)
    time.sleep(1)  # commits wait now
    kill_postgres(leader)
    until(lambda: leader.sql("SELECT 1"), 20, "PostgreSQL does not start again")
    time.sleep(4)  # the service asks there whether its changes were recorded
    leader.host.heal()
    return "standbys cut off, PostgreSQL killed and started again, then the standbys are back"


# -- a case without synchronous_mode


@case(strict=False)
def killed_with_lag(trial):
    """The standbys are cut off for a moment; then the leader's host fails."""
    leader = trial.ensemble.leader()
    others = [node.address for node in trial.ensemble.nodes if node is not leader]
    leader.host.cut(*others)
    cut = time.monotonic()
    time.sleep(1.5)
    leader.host.kill()
    killed_at = time.monotonic()
    gone = trial.folder / f"lost{len(trial.lives)}"
    gone.mkdir(mode=0o755)
    leader.copy_of_data(gone)
    trial.lives[-1][1:] = [killed_at, gone]
    trial.lives.append([killed_at, math.inf, None])
    trial.wait_for_other(leader)
    leader.host.heal()  # not before: the kernel would still send what the leader had written
    trial.wait_for_posts(time.monotonic())
    leader.start()
    return f"standbys cut off {killed_at - cut:.1f} s before the leader was killed"


# -- a case with a second data centre


@case(far=True)
def data_centre_lost(trial):
    """All hosts of the first data centre fail. The standby in the second one, which follows without
    being waited for, is made the leader by hand."""
    leader, far = trial.ensemble.leader(), trial.far
    lag = leader.sql(
        "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), flush_lsn) || ' bytes, ' ||"
        " coalesce(round(extract(epoch FROM flush_lag) * 1000)::text, '?') || ' ms'"
        " FROM pg_stat_replication WHERE application_name = 'far'"
    )
    far.line.tell("cut")  # the line fails with the data centre
    for host in (*(node.host for node in trial.ensemble.nodes), trial.ensemble.etcd.host):
        host.kill()
    killed_at = time.monotonic()
    gone = trial.folder / f"lost{len(trial.lives)}"
    gone.mkdir(mode=0o755)
    leader.copy_of_data(gone)
    trial.lives[-1][1:] = [killed_at, gone]
    trial.lives.append([killed_at, math.inf, None])
    far.line.tell("heal")
    ordered = time.monotonic()
    far.promote()
    return (
        f"a line of 15 to 20 ms, before the failure {lag} behind; all hosts killed, promoted in "
        f"{time.monotonic() - ordered:.1f} s"
    )


def main():
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--long", action="store_true", help="all cases")
    parser.add_argument("--only", action="append", choices=sorted(CASES), help="one case")
    parser.add_argument("--list", action="store_true", help="list the cases")
    parser.add_argument(
        "--etcd3",
        action="store_true",
        help="etcd's newer protocol, with which Patroni 3.0.2 may have two leaders",
    )
    add_options(parser)
    options = parser.parse_args()
    Node.API = "etcd3" if options.etcd3 else "etcd"
    options.no_hashes = options.no_clocks = False
    if options.list:
        for name, entry in CASES.items():
            print(f"{name}: {' '.join(entry.run.__doc__.split())}")
        return 0
    enter_namespace()
    chosen = {
        name: entry
        for name, entry in CASES.items()
        if (name in options.only if options.only else options.long or entry.short)
    }
    begin(170 + 120 * len(chosen))
    require_programs(*NEEDED)
    require_hosts()
    code = 0
    for strict, far in ((True, False), (False, False), (True, True)):
        now = {
            name: entry.run
            for name, entry in chosen.items()
            if (entry.strict, entry.far) == (strict, far)
        }
        if now:
            trial = Trial(options, strict, far)
            trial.start_clients()
            for name, function in now.items():
                trial.run(name, function)
            code = max(code, trial.finish())
    return code


if __name__ == "__main__":
    guarded(main)
