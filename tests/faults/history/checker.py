"""Checks a recorded history of requests against the ledger at the end.

A register is a unit, an indicator and a month. The ledger is a sequence of revisions, each with a
hash. A database that is put back to an older copy begins another sequence that shares its beginning
with the one before. Each such sequence is a `Branch`. The last branch is the ledger at the end; the
others were lost by the database. Every response must agree with one of them."""

import bisect
import collections
import itertools
import math
from dataclasses import dataclass, field

STALENESS = (
    2.0  # seconds within which another instance shows a confirmed change, without a disturbance
)
NOTICE = (
    5.0  # seconds after which an instance no longer shows a lost history, without a disturbance
)
CLOCK = 1.5  # seconds by which `recorded_at` may lie outside its request


@dataclass
class Branch:
    """One history of the ledger, which the database had from `since` until `until` (when its server
    was killed; never for the last one). Between `until` of one and `since` of the next there was no
    server."""

    since: float
    until: float
    hashes: dict  # revision -> hash
    rows: list  # (register, revision, value, submission)
    recorded: dict = field(default_factory=dict)  # revision -> seconds since 1970

    def __post_init__(self):
        self._registers = collections.defaultdict(list)
        for register, revision, value, _ in sorted(self.rows, key=lambda row: row[1]):
            self._registers[register].append((revision, value))
        self.submissions = {(submission, revision) for _, revision, _, submission in self.rows}
        self.head = max(self.hashes, default=0)

    def state(self, register, revision):
        """Returns the value of a register at a revision, or None."""
        changes = self._registers[register]
        at = bisect.bisect_right(changes, revision, key=lambda change: change[0])
        return changes[at - 1][1] if at else None

    def shows(self, revision, values):
        """Whether all registers have the given values at a revision of this branch."""
        return revision <= self.head and all(
            self.state(register, revision) == value for register, value in values.items()
        )

    def holds(self, revision, hash_):
        """Whether this branch has a revision with the given hash."""
        return self.hashes.get(revision) == hash_


@dataclass
class Write:
    """A POST of figures. `status` is None without a response."""

    instance: str
    begin: float
    end: float
    values: dict  # register -> value; each value is sent only once
    status: int | None = None
    revision: int | None = None
    hash: str | None = None
    submission: str | None = None
    recorded_at: float | None = None


@dataclass
class Read:
    """A GET of registers. `at` and `at_hash`: the value of `min_revision`. `as_of` and
    `as_of_hash`: the revision of `as_of`; `as_of_time`: its time. `not_modified`: the response was
    304, and `revision`, `hash` and `values` are those of the response whose tag was sent. `repeat`:
    a request about the past that is repeated at the end."""

    instance: str
    begin: float
    end: float
    status: int | None = None
    revision: int | None = None
    hash: str | None = None
    values: dict | None = None
    at: int | None = None
    at_hash: str | None = None
    as_of: int | None = None
    as_of_hash: str | None = None
    as_of_time: str | None = None
    question: str = ""
    not_modified: bool = False

    @property
    def of_the_past(self):
        """Whether the response is about the past and so must never change."""
        return self.as_of is not None or self.as_of_time is not None


@dataclass
class History:
    """All recorded events. `disturbed` lists (begin, end, who): `who` is an instance, or None for
    all."""

    branches: list
    writes: list
    reads: list
    disturbed: list = field(default_factory=list)
    hashes: bool = True
    clocks: bool = True

    def quiet(self, instance, begin, end):
        """Whether an instance had no disturbance in this time."""
        return not any(
            who in (None, instance) and started < end and begin < ended
            for started, ended, who in self.disturbed
        )

    @property
    def final(self):
        """The branch of the ledger at the end."""
        return self.branches[-1]

    def alive(self, begin, end):
        """Returns the branches that the database had at some time between two times."""
        return [branch for branch in self.branches if branch.since <= end and begin <= branch.until]

    def lost_at(self, event):
        """Returns when the database lost the revision of a response: infinity if never, None if
        unknown."""
        if event.revision is None:
            return None
        holders = [branch for branch in self.branches if self._held(branch, event)]
        return holders[-1].until if holders else None

    def _held(self, branch, event):
        if self.hashes:
            return branch.holds(event.revision, event.hash)
        if isinstance(event, Write):
            return (event.submission, event.revision) in branch.submissions
        # Without hashes a response belongs to the branch of its time; around a change it is
        # unknown.
        return (
            branch.since + 2 * NOTICE <= event.begin
            and event.end <= branch.until
            and event.revision <= branch.head
        )


class Judge:
    """Applies all rules; `faults` is a list of (rule, example)."""

    def __init__(self, history):
        self.history, self.faults = history, []
        self.counts = collections.Counter()

    def fault(self, rule, example):
        """Adds a broken rule."""
        self.faults.append((rule, str(example)))

    def run(self):
        """Applies all rules; returns the faults."""
        self.branches()
        for write in self.history.writes:
            self.write(write)
        for read in self.history.reads:
            self.read(read)
        self.same_instance()
        self.other_instance()
        self.past()
        return self.faults

    def branches(self):
        """In each branch every value was sent and occurs once, submissions are complete, revisions
        have no gap, and times do not decrease."""
        sent = {}
        for write in self.history.writes:
            for register, value in write.values.items():
                sent[value] = (register, write)
        for branch in self.history.branches:
            seen = {}
            parts = collections.defaultdict(dict)
            for register, revision, value, submission in branch.rows:
                if value in seen:
                    self.fault(
                        "a change is recorded twice",
                        f"{value} in revisions {seen[value]} and {revision}",
                    )
                seen[value] = revision
                if value not in sent or sent[value][0] != register:
                    self.fault(
                        "a recorded figure differs from all that were sent",
                        f"{register} {value} in revision {revision}",
                    )
                else:
                    parts[submission, revision][register] = value
            for (submission, revision), values in parts.items():
                write = sent[next(iter(values.values()))][1]
                if values != write.values:
                    self.fault(
                        "a submission is recorded partly, or mixed with another",
                        f"{submission} in revision {revision}: {values}",
                    )
            if sorted(branch.hashes) != list(range(1, branch.head + 1)):
                self.fault(
                    "revisions have a gap",
                    f"{len(branch.hashes)} revisions, the newest is {branch.head}",
                )
            for (before, earlier), (after, later) in itertools.pairwise(
                sorted(branch.recorded.items())
            ):
                if later < earlier:
                    self.fault(
                        "recorded_at decreases while the revision grows",
                        f"{before} and {after}: by {earlier - later:.3f} s",
                    )

    def write(self, write):
        """A confirmed change is in the ledger as confirmed, or the database lost it."""
        if write.status is None or write.status == 503:
            self.counts["writes without a response"] += 1
            return
        if write.status not in (200, 201):
            self.fault(f"response {write.status} to a write", write)
            return
        self.counts["writes answered"] += 1
        if write.submission is None:
            self.fault("a new figure was reported as unchanged", write)
            return
        if self.history.hashes and write.hash is None:
            self.fault("a receipt has no revision_hash", write)
            return
        if self.history.clocks and write.recorded_at is not None:
            early, late = write.begin - write.recorded_at, write.recorded_at - write.end
            if max(early, late) > CLOCK:
                self.fault(
                    "a change is dated outside of its request",
                    f"by {max(early, late):.1f} s at {write.instance}",
                )
        holders = [
            branch
            for branch in self.history.branches
            if (write.submission, write.revision) in branch.submissions
        ]
        if not holders:
            self.fault("a confirmed change is missing", write)
            return
        if not holders[-1].shows(write.revision, write.values):
            self.fault("a change is recorded differently than confirmed", write)
        if self.history.hashes and not holders[-1].holds(write.revision, write.hash):
            self.fault("a receipt has another hash than its revision", write)
        if holders[-1] is self.history.final:
            return
        self.counts["writes that the database lost"] += 1
        if write.begin > holders[-1].until:
            self.fault("a change was confirmed after its database was killed, and is lost", write)

    def read(self, read):
        """A response shows one state that the ledger had, not older than requested."""
        if read.status is None or read.status == 503:
            self.counts["reads without a response"] += 1
            return
        if read.status == 409 and (read.at_hash or read.as_of_hash):
            self.counts["reads with 409"] += 1
            self.conflict(read)
            return
        if read.status == 422 and read.as_of is not None:
            self.counts["reads of a revision not reached"] += 1
            self.not_reached(read)
            return
        if read.status != 200:
            self.fault(f"response {read.status} to a read", read)
            return
        self.counts["reads answered"] += 1
        if self.history.hashes and read.hash is None:
            self.fault("a response has no revision_hash", read.question)
            return
        if read.at is not None and read.revision < read.at:
            self.fault(
                "a response is older than min_revision",
                f"{read.revision} instead of {read.at}: {read.question}",
            )
        if read.as_of is not None and read.revision > read.as_of:
            self.fault(
                "a response about the past is of a later revision",
                f"{read.revision} instead of {read.as_of}: {read.question}",
            )
        branches = self.history.branches
        if self.history.hashes:
            branches = [branch for branch in branches if branch.holds(read.revision, read.hash)]
            if not branches:
                self.fault(
                    "a response is of a revision that no history has",
                    f"{read.revision}-{read.hash} at {read.instance}",
                )
                return
        if not any(branch.shows(read.revision, read.values) for branch in branches):
            self.fault(
                "a response shows a state that the ledger never had",
                f"{read.question} at {read.instance}, revision {read.revision}: {read.values}",
            )
            return
        for revision, hash_ in ((read.at, read.at_hash), (read.as_of, read.as_of_hash)):
            if hash_ and not any(branch.holds(revision, hash_) for branch in branches):
                self.fault(
                    "a client got no 409 although its revision is of another history",
                    f"{revision}-{hash_}: {read.question}",
                )
        if not read.of_the_past and self.history.quiet(
            read.instance, read.begin - NOTICE, read.end
        ):
            there = self.history.alive(read.begin - NOTICE, read.end)
            if not any(
                branch in there and branch.shows(read.revision, read.values) for branch in branches
            ):
                self.fault(
                    "an instance still uses a history that the database lost",
                    f"{read.instance}, revision {read.revision}: {read.question}",
                )

    def not_reached(self, read):
        """422 says that the requested revision has not been reached; it must not have been
        confirmed long before."""
        if not self.history.quiet(read.instance, read.begin - NOTICE, read.end):
            return
        for event in self._answered(self.history.writes):
            if (
                event.revision >= read.as_of
                and event.end + STALENESS < read.begin
                and (self.history.lost_at(event) or 0) > read.end
            ):
                self.fault(
                    "an instance does not know a revision that was confirmed before",
                    f"{read.as_of} at {read.instance}",
                )
                return

    def conflict(self, read):
        """409 says that the named revision belongs to a lost history, which must be true."""
        revision, hash_ = (read.at, read.at_hash) if read.at_hash else (read.as_of, read.as_of_hash)
        holders = [branch for branch in self.history.branches if branch.holds(revision, hash_)]
        if any(branch.until > read.end for branch in holders):
            self.fault(
                "409 for a revision that the ledger has", f"{revision}-{hash_} at {read.instance}"
            )

    def _answered(self, events):
        return [
            event for event in events if event.status in (200, 201) and event.revision is not None
        ]

    def same_instance(self):
        """An instance never shows an older state than in an earlier response, unless the database
        lost it."""
        reads = [read for read in self._answered(self.history.reads) if not read.of_the_past]
        before = self._answered(self.history.writes) + reads
        for instance in {event.instance for event in before}:
            self._not_behind(
                [event for event in before if event.instance == instance],
                [read for read in reads if read.instance == instance],
                0.0,
                "an instance shows an older state than before",
            )

    def other_instance(self):
        """Without a disturbance every instance shows a confirmed change within the documented
        time."""
        reads = [read for read in self._answered(self.history.reads) if not read.of_the_past]
        quiet = [
            read
            for read in reads
            if self.history.quiet(read.instance, read.begin - STALENESS - 0.5, read.end)
        ]
        self.counts["reads in undisturbed times"] = len(quiet)
        self._not_behind(
            self._answered(self.history.writes),
            quiet,
            STALENESS,
            f"a confirmed change is not shown after {STALENESS} s",
        )

    def _not_behind(self, before, reads, lag, rule):
        """Each read shows at least the newest revision of all responses up to `lag` seconds before
        it began, unless that revision was lost meanwhile."""
        lost = {id(event): self.history.lost_at(event) for event in before}
        known = collections.defaultdict(int)  # time of the loss -> newest revision shown so far
        source = {}
        waiting = sorted(
            (event for event in before if lost[id(event)] is not None), key=lambda event: event.end
        )
        at = 0
        for read in sorted(reads, key=lambda read: read.begin):
            while at < len(waiting) and waiting[at].end + lag < read.begin:
                event = waiting[at]
                if event.revision > known[lost[id(event)]]:
                    known[lost[id(event)]], source[lost[id(event)]] = event.revision, event
                at += 1
            for when, revision in known.items():
                if read.end < when and read.revision < revision:
                    event = source[when]
                    self.fault(
                        rule,
                        (
                            f"{read.instance} at revision {read.revision}, {event.instance} had "
                            f"shown {revision} {read.begin - event.end:.2f} s before"
                        ),
                    )

    def past(self):
        """A response about the past never changes, unless its revision was lost."""
        given = collections.defaultdict(list)
        for read in self._answered(self.history.reads):
            if read.of_the_past and not read.not_modified:
                given[read.question].append(read)
        for question, reads in given.items():
            kept = [read for read in reads if self.history.lost_at(read) == math.inf]
            self.counts["responses about the past, repeated"] += len(kept) - 1 if kept else 0
            for one, other in itertools.pairwise(kept):
                if (one.values, one.revision) != (other.values, other.revision):
                    self.fault(
                        "a response about the past changed",
                        (
                            f"{question}: {one.values} of revision {one.revision}, then "
                            f"{other.values} of {other.revision}"
                        ),
                    )
