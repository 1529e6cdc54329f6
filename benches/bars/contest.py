"""Runs of several programs in turn, and the ratios between them."""

import json
import math
import os
import shutil
import statistics
import subprocess
from dataclasses import dataclass
from pathlib import Path

from common import Fault

HERE = Path(__file__).resolve().parent


@dataclass
class Sample:
    """What one short run gave. `rate` is a second, latencies are in milliseconds."""

    rate: float
    p50: float = math.nan
    p99: float = math.nan
    bad: int = 0
    size: float = math.nan  # bytes of a response with its headers


def pinned():
    """Returns the words that keep a program on the last processor; servers may use all."""
    processors = sorted(os.sched_getaffinity(0))
    if len(processors) < 2 or not shutil.which("taskset"):
        return []
    return ["taskset", "-c", str(processors[-1])]


def wrk_command(url, script, clients, seconds, environment, token=None):
    """Returns the arguments for `subprocess` of a run of wrk. Lua reads `environment`."""
    signed = ["-H", f"Authorization: Bearer {token}"] if token else []
    return {
        "args": [
            *pinned(),
            *("wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "60s"),
            *("-s", str(script), *signed, url),
        ],
        "env": os.environ | {key: str(value) for key, value in environment.items()},
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
    }


def read_wrk(out, err):
    """Returns the sample that the script printed at the end of a run."""
    lines = [line for line in out.splitlines() if line.startswith("{")]
    if not lines:
        raise Fault(f"wrk printed no result: {out[-300:]} {err[-300:]}")
    return Sample(**json.loads(lines[-1]))


def wrk(url, clients, seconds, environment, script="questions.lua", token=None):
    """Runs wrk once, on one processor."""
    command = wrk_command(url, HERE / script, clients, seconds, environment, token)
    done = subprocess.run(**command, check=False)
    return read_wrk(done.stdout, done.stderr)


def alternate(runners, rounds, warm_up=True):
    """Calls each of `runners` (name -> function) once a round, in turn; returns name -> samples.
    The first call of each, before all rounds, is not counted."""
    if warm_up:
        for run in runners.values():
            run()
    found = {name: [] for name in runners}
    for _ in range(rounds):
        for name, run in runners.items():
            found[name].append(run())
    for name, samples in found.items():
        if bad := sum(sample.bad for sample in samples):
            raise Fault(f"{name}: {bad} requests failed")
    return found


@dataclass
class Ratio:
    """A ratio, or another number that is compared with a bar: median, least and most."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values):
        """The spread of these values."""
        return cls(statistics.median(values), min(values), max(values))

    @classmethod
    def between(cls, ours, theirs, what="rate"):
        """The ratios of the runs of two programs, round by round."""
        return cls.of(
            [
                getattr(one, what) / getattr(other, what)
                for one, other in zip(ours, theirs, strict=True)
            ]
        )


def median(samples, what="rate"):
    """The median of one number of all samples."""
    return statistics.median(getattr(sample, what) for sample in samples)
