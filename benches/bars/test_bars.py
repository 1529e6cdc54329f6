"""Tests of what benches/run makes of its measurements.

python3 -B -m unittest discover -s benches/bars"""

import os
import sys
import tempfile
import unittest
import unittest.mock
import xml.etree.ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "benches"), str(ROOT / "tests" / "faults")]

from common import Fault

from bars import chart, contest, page, rows, world


def samples(*rates):
    """Samples with these rates."""
    return [contest.Sample(rate, rate * 2, rate * 3) for rate in rates]


class Contests(unittest.TestCase):
    """Runs in turn and their ratios."""

    def test_programs_take_turns_after_a_warm_up(self):
        called = []

        def run(name):
            called.append(name)
            return contest.Sample(1.0)

        found = contest.alternate({"a": lambda: run("a"), "b": lambda: run("b")}, 2)
        self.assertEqual(called, ["a", "b"] * 3)
        self.assertEqual([len(kept) for kept in found.values()], [2, 2])

    def test_a_failed_request_ends_the_run(self):
        with self.assertRaises(Fault):
            contest.alternate({"a": lambda: contest.Sample(1.0, bad=1)}, 1)

    def test_ratios_are_of_the_same_round(self):
        ratio = contest.Ratio.between(samples(1, 4, 9), samples(2, 4, 3))
        self.assertEqual((ratio.least, ratio.median, ratio.most), (0.5, 1, 3))
        self.assertEqual(contest.median(samples(1, 4, 9), "p99"), 12)


class Commands(unittest.TestCase):
    """The command that the document shows."""

    def test_it_names_no_file_of_the_machine_and_the_program_of_the_repository(self):
        given = ["--worlds", "/a", "--rounds", "3", "--write=/b"]
        for program, shown in [
            (str(ROOT / "target" / "dist" / "egov-kpi"), "EGOV_KPI=target/dist/egov-kpi "),
            ("/elsewhere/egov-kpi", ""),
        ]:
            with unittest.mock.patch.dict(os.environ, {"EGOV_KPI": program}):
                self.assertEqual(page.command(given), f"{shown}benches/run --rounds 3")


class Results(unittest.TestCase):
    """Rows, the document and the chart."""

    def test_the_median_decides_about_a_bar(self):
        def reached(median, bar):
            return rows.Row("i", "", "", contest.Ratio(median, 0.1, 9), bar).reached

        self.assertEqual([reached(0.9, ">= 0.9"), reached(0.89, ">= 0.9")], [True, False])
        self.assertEqual([reached(3, "<= 3"), reached(3.1, "<= 3")], [True, False])
        self.assertIsNone(reached(1, ""))
        self.assertIsNone(rows.Row("i", "", "").reached)

    def test_numbers_have_three_digits(self):
        wanted = {0: "0", 0.01234: "0.0123", 1.5: "1.50", 42.06: "42.1", 1234.5: "1,234"}
        self.assertEqual({value: rows.number(value) for value in wanted}, wanted)

    def test_rows_are_kept_as_soon_as_they_are_known(self):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "rows.md")
            kept = rows.Rows(file)
            kept.add("Q1", "1/s", "2/s", contest.Ratio(0.5, 0.4, 0.6), ">= 0.9")
            self.assertIn(
                "| Q1 | 1/s | 2/s | 0.500 (0.400..0.600) | >= 0.9 | **no** |", file.read_text()
            )

    def test_only_the_text_between_the_markers_changes(self):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "page.md")
            file.write_text(f"a\n{page.BEGIN}\nold\n{page.END}\nz\n")
            page.write(file, "new")
            self.assertEqual(file.read_text(), f"a\n{page.BEGIN}\nnew\n{page.END}\nz\n")
            file.write_text("no markers")
            with self.assertRaises(Fault):
                page.write(file, "new")

    def test_the_section_names_what_was_missed_and_left_out(self):
        missed = rows.Row("Q1", "", "", contest.Ratio(0.5, 0.4, 0.6), ">= 0.9")
        text = page.section([missed], "benches/run", ["no rows of X"], 1.0)
        self.assertIn("not reached: Q1.", text)
        self.assertIn("Left out: no rows of X.", text)

    def test_the_document_has_the_markers(self):
        text = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
        self.assertLess(0, text.find(page.BEGIN))
        self.assertLess(text.find(page.BEGIN), text.find(page.END))

    def test_the_chart_is_wellformed_and_has_all_points(self):
        lines = {"Q1": {1: 9000.0, 63: 8000.0}, "Q4": {1: 5000.0, 63: 150.0}}
        drawn = xml.etree.ElementTree.fromstring(chart.picture(lines, "a < b"))
        circles = drawn.findall("{http://www.w3.org/2000/svg}circle")
        self.assertEqual(len(circles), 4)
        for circle in circles:
            self.assertTrue(chart.LEFT <= float(circle.get("cx")) <= chart.WIDTH - chart.RIGHT)
            self.assertTrue(chart.TOP <= float(circle.get("cy")) <= chart.HEIGHT - chart.BOTTOM)

    def test_sizes(self):
        self.assertEqual(world.sizes("L"), (63, 180))
        self.assertEqual(world.sizes("7x20"), (7, 20))
        with self.assertRaises(Fault):
            world.sizes("big")


if __name__ == "__main__":
    unittest.main()
