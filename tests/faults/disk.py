#!/usr/bin/env -S python3 -B
"""Full and read-only disks under a running service. Writes get 503 with a problem document, reads
still work, nothing confirmed is lost, and posts work again without a restart when there is space.
Small file systems are mounted in a separate mount namespace, which needs root. Prints one line for
each part; exit code 0, or 1 with the faults.

    tests/faults/disk.py [PART...]

sqlite-full          the ledger in a memory file system of 8 MiB, filled by posts; then a filler
                     file is removed
sqlite-read-only     the ledger on an ext4 image that becomes read-only, as after an error of the
                     device; then a service that is started with a ledger that it can only read
postgres-full        the data folder of PostgreSQL in a memory file system of 120 MiB, filled by a
                     filler file during posts
postgres-read-only   the data folder of PostgreSQL on an ext4 image that becomes read-only
"""

import argparse
import contextlib
import os
import subprocess
import sys
import time

from common import (
    Client,
    ClusterError,
    Fault,
    Faults,
    Instance,
    Lost,
    Refused,
    Writers,
    add_options,
    at_end,
    begin,
    binary,
    check_answered,
    final_check,
    guarded,
    own_cluster,
    prepare,
    problem_of,
    report,
    until,
    work_folder,
)

MIB = 1024 * 1024


def run(*command, allowed=(0,)):
    """Runs a command; raises a Fault when it fails."""
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False
    )
    if done.returncode not in allowed:
        raise Fault(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done


def enter_namespace():
    """Continues in a new mount namespace, whose mounts disappear with its last process in any
    case."""
    if os.environ.get("EGOV_KPI_OWN_MOUNTS"):
        return
    command = ["unshare", "--mount", "--propagation", "private"]
    may = (
        os.geteuid() == 0
        and subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0
    )
    if not may:
        raise Fault(
            "this test needs to mount file systems, which is not allowed here: run it as root "
            "with CAP_SYS_ADMIN"
        )
    os.environ["EGOV_KPI_OWN_MOUNTS"] = "1"
    os.execvp(command[0], [*command, sys.executable, "-B", *sys.argv])


class Disk:
    """A small file system at `at`: in memory, or an ext4 image beside it that can become read-only
    while files are open."""

    def __init__(self, at, mib, image=False):
        self.at, self._image = at, at.with_name(at.name + ".img") if image else None
        self._filler = at / "filler"
        at.mkdir(parents=True)
        if self._image:
            with open(self._image, "wb") as file:
                file.truncate(mib * MIB)
            run("mkfs.ext4", "-q", "-m", "0", self._image)
        at_end(self._unmount)
        self._mount(mib)
        with contextlib.suppress(OSError):
            (at / "lost+found").rmdir()

    def _mount(self, mib=None):
        if self._image:
            run("mount", "-o", "loop", self._image, self.at)
        else:
            run("mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=755", "egov-kpi-faults", self.at)

    def _unmount(self):
        subprocess.run(["umount", "--lazy", str(self.at)], capture_output=True, check=False)

    def give_to(self, owner):
        """Gives it to the user of PostgreSQL, for the data folder."""
        os.chown(self.at, *owner)
        self.at.chmod(0o700)

    def fill(self, mib=None):
        """Extends the filler file by `size`, or until the file system is full."""
        chunk = bytes(4096)
        with open(self._filler, "ab", buffering=0) as filler, contextlib.suppress(OSError):
            for _ in range(mib * MIB // len(chunk)) if mib else iter(int, 1):
                filler.write(chunk)

    def free(self):
        """Removes the filler file."""
        self._filler.unlink()

    def break_down(self):
        """Makes ext4 stop writing, as after an error of the device; open files stay open."""
        run("mount", "-o", "remount,abort", self.at)

    def repair(self):
        """Unmounts, checks and mounts it again; no process may use it meanwhile."""
        run("umount", self.at)
        run("e2fsck", "-f", "-p", self._image, allowed=(0, 1))
        self._mount()

    def read_only(self, only):
        """Mounts it read-only or writable again; no file on it may be open for writing."""
        run("mount", "-o", "remount,ro" if only else "remount,rw", self.at)


# -- checks of all parts


def wait_until_refused(book, faults, meanwhile=lambda: None, seconds=60):
    """Waits until a few posts have got 503; returns whether they did."""
    before, deadline = book.total("status 503"), time.monotonic() + seconds
    while book.total("status 503") < before + 5:
        if time.monotonic() > deadline:
            faults.add(f"no post got 503 within {seconds} s although nothing could be written")
            return False
        meanwhile()
        time.sleep(0.05)
    return True


def wait_until_answered(book, instance, faults, seconds):
    """Returns how long it takes until the same process accepts posts again."""
    began, process = time.monotonic(), instance.process
    while len(book.answers_since(began)) < 5 and time.monotonic() < began + seconds:
        time.sleep(0.02)
    answers = book.answers_since(began)
    if len(answers) < 5:
        faults.add(f"posts were not accepted again within {seconds} s")
    if process.poll() is not None or process is not instance.process:
        faults.add("the service ended", instance.last_words())
    return (
        f"accepted again after {answers[0][0] - began:.1f} s" if answers else "not accepted again"
    )


def check_series(book, instance, faults, may_refuse=False):
    """Checks that GET /series gives 200 with the newest confirmed figure, or 503 if that is
    allowed; returns the status."""
    with book.lock:
        number = max(number for number in book.answered if number % book.writers == 0)
    unit, month = book.unit(number), book.month(number)
    path = f"/api/v1/series?measure={book.flows[1]}&unit={unit}&from={month}&to={month}"
    try:
        reply = Client(instance).send("GET", path)
    except (Refused, Lost) as error:
        faults.add("a series request got no response", f"{type(error).__name__} {error}")
        return None
    if reply.status == 503 and may_refuse:
        if wrong := problem_of(reply):
            faults.add("a 503 response has a wrong body", wrong)
    elif reply.status != 200:
        faults.add(
            f"response {reply.status} to a series request",
            reply.body[:300].decode(errors="replace"),
        )
    elif f'"value":{number * 100 + 1},'.encode() not in reply.body:
        faults.add(
            "a series does not show a confirmed figure",
            f"number {number}: {reply.body[:300]!r}",
        )
    return reply.status


def check_readable(book, instance, faults):
    """Checks that while nothing can be written, reads work and give everything that was
    confirmed."""
    check_series(book, instance, faults)
    try:
        check_answered(book, [instance], faults)
    except Fault as fault:
        faults.add("confirmed figures cannot be read while nothing can be written", str(fault))


def say(part, book, words, unanswered, checked):
    """Returns the line of a part."""
    count = book.total
    return (
        f"{part}: {words}; {count('answered')} submissions confirmed, {count('retries')} "
        f"retries, {count('status 503')} times 503,"
        f" {count('lost')} responses lost, {unanswered} without a response; {checked}"
    )


def finish(part, book, writers, instance, database, folder, faults, old, words):
    """Ends the writers, checks the ledger and prints the line."""
    unanswered = writers.finish()
    checked = final_check(book, [instance], database, folder, faults, old)
    instance.stop()
    return report(say(part, book, words, unanswered, checked), faults)


# -- the parts


def sqlite_full(folder, options):
    """Posts fill the disk; later there is space again."""
    faults, disk = Faults(), Disk(folder / "disk", 8)
    disk.fill(3)
    database = f"sqlite://{disk.at}/ledger.db"
    instance = Instance("a", database, folder, faults).start().wait_ready()
    book = prepare([instance], 2)
    writers = Writers(book, [instance], faults, options.seed, rate=40, old=options.old)
    if wait_until_refused(book, faults):
        check_readable(book, instance, faults)
        if not instance.ready():
            faults.add("not ready while the disk was full, although reads are possible")
    full_at = book.total("answered")
    disk.free()
    again = wait_until_answered(book, instance, faults, 10)
    return finish(
        "sqlite-full",
        book,
        writers,
        instance,
        database,
        folder,
        faults,
        options.old,
        f"full after {full_at} submissions, {again}",
    )


def sqlite_read_only(folder, options):
    """ext4 becomes read-only under the open ledger; then a service is started with a read-only
    ledger."""
    faults, disk = Faults(), Disk(folder / "disk", 48, image=True)
    database = f"sqlite://{disk.at}/ledger.db"
    instance = Instance("a", database, folder, faults).start().wait_ready()
    book = prepare([instance], 2)
    writers = Writers(book, [instance], faults, options.seed, rate=40, old=options.old)
    until(lambda: book.total("answered") >= 20, 20, "20 submissions")
    disk.break_down()
    if wait_until_refused(book, faults):
        check_readable(book, instance, faults)
    code = instance.stop()
    if code not in (0, 3):
        faults.add(
            "after SIGTERM on a read-only disk the exit code was neither 0 nor 3",
            f"{code}: {instance.last_words()}",
        )
    disk.repair()
    instance.start().wait_ready()
    again = wait_until_answered(book, instance, faults, 10)
    unanswered = writers.finish()
    instance.stop()
    disk.read_only(True)
    started = start_read_only(book, instance, faults)
    disk.read_only(False)
    instance.start().wait_ready()
    checked = final_check(book, [instance], database, folder, faults, options.old)
    instance.stop()
    return report(
        say("sqlite-read-only", book, f"{again} after a repair; {started}", unanswered, checked),
        faults,
    )


def start_read_only(book, instance, faults):
    """Checks that a service started with a read-only ledger ends with code 3 and a sentence, or
    serves reads and refuses posts with 503."""
    instance.start()
    deadline = time.monotonic() + 15
    while instance.alive and not instance.ready() and time.monotonic() < deadline:
        time.sleep(0.05)
    if not instance.alive:
        code, words = instance.process.returncode, instance.last_words()
        if code != 3 or not words:
            faults.add(
                "with a read-only ledger the service did not end with code 3 and a sentence",
                f"{code}: {words}",
            )
        return f"with a read-only ledger it ends with code {code}: {words.rpartition(' | ')[2]!r}"
    reply = Client(instance).send(
        "POST",
        "/api/v1/observations",
        book.body(10**6 * book.writers),
        {"content-type": "application/json"},
    )
    if reply.status != 503 or problem_of(reply):
        faults.add(
            f"with a read-only ledger a post got {reply.status}",
            f"{problem_of(reply)}",
        )
    if instance.ready():
        check_series(book, instance, faults)
    instance.stop()
    return f"with a read-only ledger it serves reads and refuses a post with {reply.status}"


def postgres_full(folder, options):
    """A filler file takes all space during posts; it is removed, and the server restarted if it
    stopped."""
    faults, disk = Faults(), Disk(folder / "server" / "data", 120)
    settings = {"max_wal_size": "8MB", "min_wal_size": "2MB", "wal_keep_size": 0}
    cluster = own_cluster(
        folder / "server", options.keep, settings=settings, initdb=["--wal-segsize=1"]
    )
    disk.give_to(cluster.owner)
    cluster.start()
    database = cluster.create_database("ledger")
    instance = Instance("a", database, folder, faults).start().wait_ready()
    book = prepare([instance], 4)
    writers = Writers(book, [instance], faults, options.seed, rate=80, old=options.old)
    until(lambda: book.total("answered") >= 100, 30, "100 submissions")
    panicked, read = False, set()
    if wait_until_refused(book, faults, disk.fill):
        read.add(check_series(book, instance, faults, may_refuse=True))
        panicked = exhaust_log(cluster, disk)
        read.add(check_series(book, instance, faults, may_refuse=True))
    disk.free()
    until(
        lambda: not cluster.running or cluster.answers(),
        60,
        "PostgreSQL does not start with space again",
    )
    went_down = not cluster.running
    cluster.start()
    again = wait_until_answered(book, instance, faults, 30)
    how = (
        f"{'panicked' if panicked else 'did not panic'} and "
        f"{'was restarted' if went_down else 'recovered by itself'}"
    )
    words = f"PostgreSQL {how}, reads meanwhile got {statuses(read)}, {again}"
    return finish(
        "postgres-full", book, writers, instance, database, folder, faults, options.old, words
    )


def exhaust_log(cluster, disk, seconds=20):
    """At first PostgreSQL only refuses to extend its tables. Logical messages, which are written to
    the WAL only, fill the disk until the WAL has no space either and PostgreSQL panics; returns
    whether it did. The filler also takes space that a checkpoint or restart frees meanwhile."""
    deadline = time.monotonic() + seconds
    message = "SELECT pg_logical_emit_message(true, 'fill', repeat('x', 500000));"
    while time.monotonic() < deadline and "PANIC" not in cluster.log.read_text(errors="replace"):
        disk.fill()
        with contextlib.suppress(ClusterError, subprocess.TimeoutExpired):
            cluster.psql(message, seconds=5)
    for _ in range(20):
        disk.fill()
        time.sleep(0.1)
    return "PANIC" in cluster.log.read_text(errors="replace")


def postgres_read_only(folder, options):
    """ext4 becomes read-only under PostgreSQL, which is stopped, and restarted after a repair; the
    service keeps running."""
    faults, disk = Faults(), Disk(folder / "server" / "data", 256, image=True)
    cluster = own_cluster(folder / "server", options.keep, settings={"wal_keep_size": 0})
    disk.give_to(cluster.owner)
    cluster.start()
    database = cluster.create_database("ledger")
    instance = Instance("a", database, folder, faults).start().wait_ready()
    book = prepare([instance], 4)
    writers = Writers(book, [instance], faults, options.seed, rate=80, old=options.old)
    until(lambda: book.total("answered") >= 100, 30, "100 submissions")
    disk.break_down()
    read = set()
    if wait_until_refused(book, faults):
        read.add(check_series(book, instance, faults, may_refuse=True))
        time.sleep(3)
        read.add(check_series(book, instance, faults, may_refuse=True))
    was_down = not cluster.running
    cluster.kill9()
    disk.repair()
    cluster.start()
    again = wait_until_answered(book, instance, faults, 30)
    words = (
        f"PostgreSQL {'stopped' if was_down else 'kept running'}, reads meanwhile got "
        f"{statuses(read)}, after a repair {again}"
    )
    return finish(
        "postgres-read-only", book, writers, instance, database, folder, faults, options.old, words
    )


def statuses(read):
    """Formats the statuses seen."""
    return " and ".join(sorted(map(str, read))) or "not asked"


PARTS = {
    "sqlite-full": sqlite_full,
    "sqlite-read-only": sqlite_read_only,
    "postgres-full": postgres_full,
    "postgres-read-only": postgres_read_only,
}


def main():
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help="default: all")
    add_options(parser)
    options = parser.parse_args()
    parts = options.parts or list(PARTS)
    if unknown := set(parts) - set(PARTS):
        parser.error(f"unknown part {', '.join(sorted(unknown))}")
    binary()
    enter_namespace()
    begin(len(parts) * 240)
    code = 0
    for part in parts:
        folder = work_folder(options.keep) / part
        folder.mkdir(mode=0o755)
        try:
            code = max(code, PARTS[part](folder, options))
        except Fault as fault:
            code = max(code, report(part, fault))
    return code


if __name__ == "__main__":
    guarded(main)
