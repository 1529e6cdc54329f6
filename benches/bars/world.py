"""Invented figures of a size, and ledgers of them."""

import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from common import Fault, environment

NAMED = {"S": (1, 150), "L": (63, 180)}


def sizes(text):
    """Returns (provinces, units in each) of `S`, `L` or PROVINCESxUNITS."""
    if text in NAMED:
        return NAMED[text]
    found = re.fullmatch(r"(\d+)x(\d+)", text)
    if not found:
        raise Fault(f"{text!r} is not a size: S, L or PROVINCESxUNITS")
    return int(found[1]), int(found[2])


@dataclass
class World:
    """The files of one size."""

    provinces: int
    units: int
    folder: Path

    @classmethod
    def generate(cls, program, size, folder):
        """Writes the units and figures of a size into a folder of its own."""
        provinces, units = size
        world = cls(provinces, units, folder / f"{provinces}x{units}")
        world.folder.mkdir(parents=True, exist_ok=True)
        world.folder.chmod(0o755)
        if not world.csv.exists():
            begun = world.csv.with_suffix(".part")
            with open(begun, "wb") as out:
                subprocess.run(
                    [program, "generate", "--size", world.size, "--units", str(world.documents)],
                    stdout=out,
                    check=True,
                    env=environment(),
                )
            begun.rename(world.csv)
        return world

    @property
    def size(self):
        """PROVINCESxUNITS."""
        return f"{self.provinces}x{self.units}"

    @property
    def csv(self):
        """The figures."""
        return self.folder / "figures.csv"

    @property
    def documents(self):
        """The units."""
        return self.folder / "units.json"

    @property
    def figures(self):
        """The number of figures."""
        return self.provinces * self.units * 20 * 60

    def keys(self):
        """The environment that the Lua scripts take random keys from."""
        with open(self.csv, encoding="utf-8") as lines:
            next(lines)
            codes = [next(lines).partition(",")[0] for _ in range(20)]
        return {"PROVINCES": self.provinces, "UNITS": self.units, "INDICATORS": " ".join(codes)}

    def ledger(self, program, name):
        """Imports units and figures into a new SQLite ledger, once; returns its file."""
        file = self.folder / f"{name}.db"
        if not file.exists():
            begun = self.folder / f"part-{name}.db"
            removed(begun)
            imported(program, sqlite(begun), self.documents, self.csv)
            begun.rename(file)
        return file


def sqlite(file):
    """The address of a SQLite ledger."""
    return f"sqlite://{file}"


def imported(program, database, *files):
    """Imports files into a ledger; returns the seconds from the start of the command to its end."""
    began = time.monotonic()
    done = subprocess.run(
        [program, "--log", "error", "import", *map(str, files), "--database", database],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )
    if done.returncode:
        raise Fault(f"import ended with {done.returncode}: {done.stderr[-400:]}")
    return time.monotonic() - began


def copied(ledger, name):
    """Copies a SQLite ledger that no program has open; returns the new file."""
    copy = ledger.with_name(f"{name}.db")
    shutil.copyfile(ledger, copy)
    return copy


def removed(ledger):
    """Deletes the files of a SQLite ledger."""
    for file in ledger.parent.glob(f"{ledger.name}*"):
        file.unlink()
