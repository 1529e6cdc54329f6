"""Attacks and faults that succeeded earlier, each as a test of the program (EGOV_KPI names it).

    python3 -B tests/faults/attacks                 the cases that are short enough for ./tests/run
    python3 -B tests/faults/attacks --long          more rounds, and the cases that take minutes
    python3 -B tests/faults/attacks --only NAME     cases with a name or kind that contains NAME
    python3 -B tests/faults/attacks --list          kinds and cases

Prints one line for each case and at the end the numbers of passed and failed cases; exit code 1
when one failed."""

import argparse
import importlib
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from common import (
    ClusterError,
    Fault,
    Faults,
    Lost,
    Refused,
    add_options,
    begin,
    guarded,
    work_folder,
)
from registry import CASES, Place

LIMIT, LONG_LIMIT = 1_500, 10_800  # time limit in seconds for all cases together


def run(case, folder, options):
    """Runs one case; returns the faults that it found."""
    faults, began = Faults(), time.monotonic()
    place = Place(case, folder, faults, long=options.long, keep=options.keep)
    try:
        said = case.run(place) or ""
    except (Fault, ClusterError, Refused, Lost) as fault:
        faults.add(f"{case.name}: {type(fault).__name__} {fault}")
        said = ""
    print(
        (
            f"{'FAILED' if faults else 'ok':6} {time.monotonic() - began:6.1f} s  {case.kind}: "
            f"{case.name}  {faults or said}"
        ),
        flush=True,
    )
    return faults


def main():
    """Runs all selected cases one after the other."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--long", action="store_true", help="more rounds, and the cases that take minutes"
    )
    parser.add_argument("--only", help="only cases with a name or kind that contains this text")
    parser.add_argument("--list", action="store_true", help="print kinds and cases")
    add_options(parser)
    options = parser.parse_args()
    for module in sorted(HERE.glob("*.py")):
        if module.stem not in ("__main__", "registry"):
            importlib.import_module(module.stem)
    chosen = [
        case
        for case in CASES
        if not options.only or options.only in case.name or options.only in case.kind
    ]
    if options.list:
        print(
            "\n".join(
                f"{case.kind:45} {case.name}{'  (--long)' if case.long else ''}" for case in chosen
            )
        )
        return 0
    chosen = [case for case in chosen if options.long or not case.long or options.only == case.name]
    if not chosen:
        raise Fault("no such case")
    begin(LONG_LIMIT if options.long else LIMIT)
    folder = work_folder(options.keep)
    failed = sum(1 for case in chosen if run(case, folder, options))
    print(f"attacks: {len(chosen) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    guarded(main)
