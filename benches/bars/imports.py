"""I2: import of a CSV file, from the start of the command to its end. On SQLite beside a bare
insert of the same rows (no keys, no checks, no sync), on PostgreSQL beside COPY, normalisation and
keys."""

import subprocess

from bars.contest import Ratio, Sample, median
from bars.rows import per_second
from bars.world import imported, removed, sqlite

SIZE = (10, 180)


def measure(context):
    """Adds the rows of both databases."""
    world = context.world if context.check else context.generate(SIZE)
    file = context.folder / "imported.db"
    bare = context.folder / "bare.db"

    def sample(seconds):
        return Sample(world.figures / seconds)

    def on_sqlite():
        removed(file)
        return sample(imported(context.program, sqlite(file), world.documents, world.csv))

    def insert():
        removed(bare)
        done = subprocess.run(
            [context.plain_program, "insert", world.csv, bare],
            capture_output=True,
            text=True,
            check=True,
        )
        return sample(float(done.stdout))

    if context.check:
        on_sqlite()
        return
    found = context.alternate({"ours": on_sqlite, "bare": insert}, warm_up=False)
    context.rows.add(
        "I2, SQLite",
        f"{per_second(median(found['ours']))} figures",
        f"bare insert without keys: {per_second(median(found['bare']))}",
        Ratio.between(found["ours"], found["bare"]),
        ">= 0.6",
    )
    removed(file)
    removed(bare)
    if context.database is None:
        return

    def on_postgres():
        context.database.drop("imported")
        database = context.database.create("imported")
        return sample(imported(context.program, database, world.documents, world.csv))

    def copy():
        context.database.drop("copied")
        context.database.create("copied")
        return sample(context.database.load(world, "copied"))

    found = context.alternate({"ours": on_postgres, "copy": copy}, warm_up=False)
    context.rows.add(
        "I2, PostgreSQL",
        f"{per_second(median(found['ours']))} figures",
        f"COPY, normalise, keys: {per_second(median(found['copy']))}",
        Ratio.between(found["ours"], found["copy"]),
        ">= 1.5",
    )
