"""The rows of the result: what was measured, beside what, and whether the bar is reached."""

import json
import math
from dataclasses import asdict, dataclass

from bars.contest import Ratio


@dataclass
class Row:
    """One row. `ours` and `beside` are ready texts; `bar` is `>= 0.9` or `<= 3`, or empty."""

    item: str
    ours: str
    beside: str
    ratio: Ratio | None = None
    bar: str = ""

    @property
    def reached(self):
        """Whether the median reaches the bar; None without a bar or a ratio."""
        if not self.bar or self.ratio is None:
            return None
        sign, _, limit = self.bar.partition(" ")
        ratio = self.ratio.median
        return ratio >= float(limit) if sign == ">=" else ratio <= float(limit)

    def cells(self):
        """The cells of its line in a table."""
        ratio = ""
        if self.ratio is not None:
            least, most = number(self.ratio.least), number(self.ratio.most)
            ratio = f"{number(self.ratio.median)} ({least}..{most})"
        verdict = {True: "yes", False: "**no**", None: ""}[self.reached]
        return [self.item, self.ours, self.beside, ratio, self.bar, verdict]


HEAD = ["item", "service", "beside it", "ratio (least..most)", "bar", "reached"]


def number(value):
    """A number with three digits, or with all before the point."""
    if math.isnan(value):
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}" if value else "0"


def per_second(value):
    """A rate."""
    return f"{number(value)}/s"


def milliseconds(value):
    """A duration."""
    return f"{number(value)} ms"


def table(rows):
    """The rows as a Markdown table."""
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    return "\n".join(lines + ["| " + " | ".join(row.cells()) + " |" for row in rows])


class Rows:
    """All rows of a run. Each is printed as soon as it is known, and kept in a file."""

    def __init__(self, file):
        self.rows, self._file = [], file

    def add(self, *arguments, **named):
        """Adds a row."""
        row = Row(*arguments, **named)
        self.rows.append(row)
        print(" | ".join(row.cells()), flush=True)
        if self._file is not None:
            kept = [asdict(row) | {"reached": row.reached} for row in self.rows]
            self._file.with_suffix(".json").write_text(json.dumps(kept, indent=1))
            self._file.write_text(table(self.rows) + "\n")
