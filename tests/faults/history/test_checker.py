"""Tests that the checker finds each kind of wrong history, and nothing in a correct one.

python3 -m unittest discover -s tests/faults/history"""

import copy
import math
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from checker import Branch, History, Judge, Read, Write

A, B = ("u", "outgoing", "2024-01"), ("u", "signed", "2024-01")


def sound():
    """Returns a history of two instances and two branches: the server was killed at 40 and put back
    at 42, so that the database lost revisions 4 and 5."""
    lost = Branch(
        0,
        40,
        {1: "h1", 2: "h2", 3: "h3", 4: "h4", 5: "h5"},
        [(A, 2, 10, "s2"), (B, 3, 20, "s3"), (A, 4, 11, "s4"), (B, 5, 21, "s5")],
    )
    final = Branch(
        42,
        math.inf,
        {1: "h1", 2: "h2", 3: "h3", 4: "k4", 5: "k5"},
        [(A, 2, 10, "s2"), (B, 3, 20, "s3"), (A, 4, 12, "t4"), (B, 4, 22, "t4"), (A, 5, 13, "t5")],
        {1: 0.5, 2: 1.5, 3: 2.5, 4: 50.5, 5: 51.5},
    )
    writes = [
        Write("a", 1, 2, {A: 10}, 201, 2, "h2", "s2", 1.5),
        Write("b", 2, 3, {B: 20}, 201, 3, "h3", "s3", 2.5),
        Write("a", 30, 31, {A: 11}, 201, 4, "h4", "s4", 30.5),
        Write("b", 32, 33, {B: 21}),  # unknown to the client: it was recorded and then lost
        Write("a", 50, 51, {A: 12, B: 22}, 201, 4, "k4", "t4", 50.5),
        Write("b", 51, 52, {A: 13}, 201, 5, "k5", "t5", 51.5),
        Write("b", 53, 54, {A: 14}, 503),
    ]
    reads = [
        Read("a", 4, 5, 200, 3, "h3", {A: 10, B: 20}),
        Read("b", 34, 35, 200, 5, "h5", {A: 11, B: 21}),
        Read("b", 34, 35, 200, 2, "h2", {A: 10, B: None}, as_of=2, question="as of 2"),
        Read("b", 34, 35, 200, 4, "h4", {A: 11, B: 20}, as_of_time="T", question="as of T"),
        Read("b", 44, 45, 409, at=5, at_hash="h5"),
        Read("a", 53, 54, 200, 5, "k5", {A: 13, B: 22}, at=4, at_hash="k4"),
        Read("b", 60, 61, 200, 5, "k5", {A: 13, B: 22}, not_modified=True),
        Read("a", 70, 71, 200, 2, "h2", {A: 10, B: None}, as_of=2, question="as of 2"),
        Read("b", 70, 71, 200, 3, "h3", {A: 10, B: 20}, as_of_time="T", question="as of T"),
        Read("b", 72, 73, 503, at=9),
    ]
    return History([lost, final], writes, reads, [(40, 43, None)])


def rows(branch, change):
    """Returns the branch with changed rows."""
    return Branch(
        branch.since, branch.until, branch.hashes, change(list(branch.rows)), branch.recorded
    )


class WrongHistories(unittest.TestCase):
    """Each test changes one detail of a correct history."""

    def setUp(self):
        """Prepares a correct history."""
        self.history = copy.deepcopy(sound())
        self.writes, self.reads, self.branches = (
            self.history.writes,
            self.history.reads,
            self.history.branches,
        )

    def found(self):
        """Returns the broken rules."""
        return sorted({rule for rule, _ in Judge(self.history).run()})

    def expect(self, *rules):
        """Checks that exactly these rules are broken."""
        self.assertEqual(self.found(), sorted(rules))

    def change_rows(self, nth, change):
        """Changes the rows of a branch."""
        self.branches[nth] = rows(self.branches[nth], change)

    def test_a_sound_history_has_no_fault(self):
        self.expect()

    def test_a_sound_history_has_no_fault_without_hashes(self):
        self.history.hashes = False
        for event in self.writes + self.reads:
            event.hash = None
        self.reads = self.history.reads = [read for read in self.reads if not read.at_hash]
        self.expect()

    def test_an_answered_change_that_is_nowhere(self):
        self.change_rows(1, lambda found: found[:-1])
        self.assertIn("a confirmed change is missing", self.found())

    def test_an_answered_change_that_only_the_final_history_lacks_though_no_database_was_lost(self):
        self.branches.pop(0)
        self.assertIn("a confirmed change is missing", self.found())

    def test_a_change_answered_after_its_database_was_gone(self):
        self.writes[2].begin, self.writes[2].end, self.writes[2].recorded_at = 44, 45, 44.5
        self.expect("a change was confirmed after its database was killed, and is lost")

    def test_a_change_recorded_twice(self):
        self.branches[1].hashes[6] = "k6"
        self.change_rows(1, lambda found: [*found, (A, 6, 13, "t6")])
        self.assertIn("a change is recorded twice", self.found())

    def test_a_figure_that_nobody_sent(self):
        self.branches[1].hashes[6] = "k6"
        self.change_rows(1, lambda found: [*found, (A, 6, 99, "t6")])
        self.expect("a recorded figure differs from all that were sent")

    def test_a_half_submission(self):
        self.change_rows(1, lambda found: [row for row in found if row[2] != 22])
        self.assertIn("a submission is recorded partly, or mixed with another", self.found())

    def test_a_change_answered_as_unchanged(self):
        self.writes[5].submission = None
        self.expect("a new figure was reported as unchanged")

    def test_a_change_recorded_otherwise(self):
        self.change_rows(
            1, lambda found: [(*row[:2], 15, row[3]) if row[2] == 13 else row for row in found]
        )
        self.assertIn("a change is recorded differently than confirmed", self.found())

    def test_a_gap(self):
        del self.branches[1].hashes[1]
        self.expect("revisions have a gap")

    def test_times_that_go_back(self):
        self.branches[1].recorded[4] = 52.0
        self.expect("recorded_at decreases while the revision grows")

    def test_a_change_dated_by_a_wrong_clock(self):
        self.writes[5].recorded_at += 30
        self.expect("a change is dated outside of its request")

    def test_an_answer_older_than_min_revision(self):
        self.reads.append(Read("a", 46, 47, 200, 3, "h3", {A: 10, B: 20}, at=4))
        self.expect("a response is older than min_revision")

    def test_an_answer_of_a_state_that_never_was(self):
        self.reads[5].values[B] = 20
        self.expect("a response shows a state that the ledger never had")

    def test_half_a_submission_seen(self):
        self.reads.append(Read("a", 52, 52.5, 200, 4, "k4", {A: 12, B: 20}))
        self.expect("a response shows a state that the ledger never had")

    def test_an_answer_of_a_revision_that_never_was(self):
        self.reads[5].hash = "x5"
        self.expect("a response is of a revision that no history has")

    def test_a_stale_answer_of_the_same_instance(self):
        self.reads.append(Read("a", 52.1, 52.2, 200, 3, "h3", {A: 10, B: 20}))
        self.expect("an instance shows an older state than before")

    def test_a_stale_answer_of_the_other_instance(self):
        self.reads[5].revision, self.reads[5].hash, self.reads[5].values = 4, "k4", {A: 12, B: 22}
        self.reads[5].begin, self.reads[5].end = 55, 56
        self.expect("a confirmed change is not shown after 2.0 s")

    def test_a_stale_answer_of_the_other_instance_is_excused_while_something_is_broken(self):
        self.reads[5].revision, self.reads[5].hash, self.reads[5].values = 4, "k4", {A: 12, B: 22}
        self.reads[5].begin, self.reads[5].end = 55, 56
        self.history.disturbed.append((52, 54, "a"))
        self.expect()

    def test_an_instance_that_goes_on_with_a_lost_history(self):
        self.reads.append(Read("b", 49, 49.5, 200, 5, "h5", {A: 11, B: 21}))
        self.expect("an instance still uses a history that the database lost")

    def test_a_tag_that_hides_a_lost_history(self):
        self.reads.append(Read("b", 49, 49.5, 200, 5, "h5", {A: 11, B: 21}, not_modified=True))
        self.expect("an instance still uses a history that the database lost")

    def test_a_client_that_is_not_told(self):
        self.reads.append(Read("a", 53, 54, 200, 5, "k5", {A: 13, B: 22}, at=4, at_hash="h4"))
        self.expect("a client got no 409 although its revision is of another history")

    def test_a_client_that_is_told_wrongly(self):
        self.reads.append(Read("a", 53, 54, 409, at=4, at_hash="k4"))
        self.expect("409 for a revision that the ledger has")

    def test_an_answer_of_the_past_that_changes(self):
        self.reads.append(
            Read("a", 74, 75, 200, 4, "k4", {A: 12, B: 22}, as_of_time="T", question="as of T")
        )
        self.expect("a response about the past changed")

    def test_an_answer_of_the_past_of_a_later_revision(self):
        self.reads.append(
            Read("a", 74, 75, 200, 3, "h3", {A: 10, B: 20}, as_of=2, question="as of two")
        )
        self.expect("a response about the past is of a later revision")

    def test_answers_without_a_hash(self):
        self.writes[0].hash = self.reads[0].hash = None
        self.expect("a receipt has no revision_hash", "a response has no revision_hash")

    def test_a_receipt_with_another_hash(self):
        self.writes[5].hash = "h5"
        self.expect("a receipt has another hash than its revision")

    def test_a_revision_that_is_said_not_to_be_there(self):
        self.reads.append(Read("b", 60, 61, 422, as_of=5))
        self.expect("an instance does not know a revision that was confirmed before")

    def test_a_revision_that_is_not_there_yet_or_no_more(self):
        self.reads += [Read("b", 60, 61, 422, as_of=6), Read("b", 52.5, 52.6, 422, as_of=5)]
        self.expect()

    def test_wrong_statuses(self):
        self.writes[0].status, self.reads[0].status = 500, 404
        self.expect("response 404 to a read", "response 500 to a write")


if __name__ == "__main__":
    unittest.main()
