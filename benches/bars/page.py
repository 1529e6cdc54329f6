"""The section of docs/benchmarks.md that a run writes, between two markers."""

import os
import platform
from datetime import date
from pathlib import Path

from common import Fault

from bars.rows import table

BEGIN, END = "<!-- benches/run writes from here -->", "<!-- to here -->"


# Options whose values are files of the machine that measured.
PLACES = {"--worlds", "--write"}


def command(arguments):
    """The command line as others can repeat it: without files of this machine, and with the program
    if it is one of this repository."""
    root = f"{Path(__file__).resolve().parents[2]}{os.sep}"
    program = os.environ.get("EGOV_KPI", "").removeprefix(root)
    kept, left = [], iter(arguments)
    for argument in left:
        if argument in PLACES:
            next(left, None)
        elif argument.partition("=")[0] not in PLACES:
            kept.append(argument)
    is_ours = program and not os.path.isabs(program)
    return " ".join([*([f"EGOV_KPI={program}"] if is_ours else []), "benches/run", *kept])


def section(rows, command, missing, load):
    """The text between the markers."""
    missed = [row.item for row in rows if row.reached is False]
    lines = [
        f"`{command}` on {date.today()}: {os.cpu_count()} processors ({platform.machine()}), load "
        f"before the run {load:.1f}. Each ratio is the median of the rounds of this run, with the "
        "least and the greatest; `service` and `beside it` are medians. All programs of a row took "
        "turns.",
        "",
        table(rows),
        "",
        "![Requests a second from 1 to 63 provinces](growth.svg)",
    ]
    if missed:
        lines += ["", "Bars that are not reached: " + "; ".join(missed) + "."]
    if missing:
        lines += ["", "Left out: " + "; ".join(missing) + "."]
    return "\n".join(lines)


def write(file, text):
    """Replaces the text between the markers of a file."""
    whole = file.read_text(encoding="utf-8")
    before, begin, rest = whole.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise Fault(f"{file.name} has no section of benches/run: the markers are missing")
    file.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")
