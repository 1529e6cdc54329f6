"""PostgreSQL beside the service: the same figures in tables with keys and roll-ups kept by hand,
SQL tuned by hand, asked by pgbench over a socket without HTTP and JSON."""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from common import Fault, own_cluster

from bars.contest import Sample, pinned

SETTINGS = {
    "shared_buffers": "2GB",
    "work_mem": "64MB",
    "maintenance_work_mem": "512MB",
    "max_wal_size": "8GB",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "random_page_cost": "1.1",
}

COPY = """
DROP TABLE IF EXISTS raw, obs, unit, indicator, rollup;
CREATE TABLE raw(indicator text, unit text, period text, value int);
COPY raw FROM '{csv}' CSV HEADER;
"""
NORMALISE = """
CREATE TABLE indicator(id smallint PRIMARY KEY, code text UNIQUE);
INSERT INTO indicator SELECT row_number() OVER (ORDER BY n) - 1, c
    FROM unnest(string_to_array('{indicators}', ' ')) WITH ORDINALITY t(c, n);
CREATE TABLE unit(id int PRIMARY KEY, code text UNIQUE, province int);
INSERT INTO unit SELECT DISTINCT substr(unit, 6, 2)::int * 1000 + substr(unit, 10)::int, unit,
    substr(unit, 6, 2)::int FROM raw;
CREATE INDEX ON unit(province) INCLUDE (id, code);
CREATE TABLE obs(unit int, ind smallint, month smallint, value int);
INSERT INTO obs SELECT u.id, i.id,
    (substr(period, 1, 4)::int - 2021) * 12 + substr(period, 6)::int - 1, value
    FROM raw r JOIN unit u ON u.code = r.unit JOIN indicator i ON i.code = r.indicator
    ORDER BY 2, 1, 3;
ALTER TABLE obs ADD PRIMARY KEY (ind, unit, month) INCLUDE (value);
"""
ROLL_UP = """
CREATE INDEX obs_ratio ON obs(ind, month, unit) INCLUDE (value) WHERE ind IN ({under}, {over});
CREATE TABLE rollup AS SELECT unit / 1000 AS province, month,
    sum(value) FILTER (WHERE ind = {over}) AS num, sum(value) FILTER (WHERE ind = {under}) AS den
    FROM obs WHERE ind IN ({under}, {over}) GROUP BY 1, 2;
ALTER TABLE rollup ADD PRIMARY KEY (province, month) INCLUDE (num, den);
CREATE INDEX ON rollup(month);
"""
KEYS = """\\set p random(1, {provinces})
\\set u :p * 1000 + random(1, {units})
\\set i random(0, 19)
\\set m random(12, 59)
\\set f random(12, 47)
"""
RATIO = "num::float8 / den"
QUESTIONS = {
    "Q1": """SELECT month, value, value - lag(value) OVER w AS delta,
        100.0::float8 * (value - lag(value) OVER w) / nullif(lag(value) OVER w, 0) AS percent,
        value - lag(value, 12) OVER w AS year_delta
        FROM obs WHERE ind = :i AND unit = :u AND month < 60 WINDOW w AS (ORDER BY month);""",
    "Q2": f"""SELECT month, num, den, {RATIO} AS ratio,
        100 * ({RATIO} - lag({RATIO}) OVER w) AS change,
        100 * ({RATIO} - lag({RATIO}, 12) OVER w) AS year_change
        FROM rollup WHERE province = :p WINDOW w AS (ORDER BY month) ORDER BY month;""",
    "Q3": """SELECT u.code, a.value, b.value, a.value::float8 / b.value AS ratio,
        100 * (a.value::float8 / b.value - c.value::float8 / d.value) AS change
        FROM unit u JOIN obs a ON a.ind = {over} AND a.unit = u.id AND a.month = :m
        JOIN obs b ON b.ind = {under} AND b.unit = u.id AND b.month = :m
        JOIN obs c ON c.ind = {over} AND c.unit = u.id AND c.month = :m - 1
        JOIN obs d ON d.ind = {under} AND d.unit = u.id AND d.month = :m - 1
        WHERE u.province = :p ORDER BY ratio DESC;""",
    "Q4": f"""SELECT province, month, {RATIO} AS ratio,
        100 * ({RATIO} - lag({RATIO}) OVER (PARTITION BY province ORDER BY month)) AS change
        FROM rollup WHERE month BETWEEN :f AND :f + 12 ORDER BY 1, 2;""",
}
UPSERT = """\\set u random(1, 180)
\\set m random(0, 59)
\\set v random(1, 100000)
INSERT INTO obs SELECT g, :u, :m, :v + g FROM generate_series(0, 19) g
    ON CONFLICT (ind, unit, month) DO UPDATE SET value = excluded.value;
"""
UPSERT_TABLE = """CREATE TABLE obs(ind smallint, unit int, month smallint, value int,
    PRIMARY KEY (ind, unit, month));"""


class Database:
    """One PostgreSQL server for a whole run, with a database for each purpose."""

    def __init__(self, folder, keep, fast):
        self._folder = folder
        self._cluster = own_cluster(folder / "postgresql", keep, fast=fast, settings=SETTINGS)
        self._cluster.start()
        bench = self._cluster.programs / "pgbench"
        self._pgbench = str(bench) if bench.exists() else shutil.which("pgbench")

    def create(self, name):
        """Creates an empty database; returns its address."""
        return self._cluster.create_database(name)

    def drop(self, name):
        """Drops a database."""
        self._cluster.psql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE);')

    def sql(self, text, name, seconds=1800):
        """Runs statements."""
        return self._cluster.psql(text, name, seconds)

    def load(self, world, name):
        """Copies the figures of a world in, normalises them and makes the keys; returns the
        seconds. The figures keep their place for questions after `roll_up`."""
        began = time.monotonic()
        self.sql(COPY.format(csv=world.csv), name)
        self.sql(NORMALISE.format(indicators=world.keys()["INDICATORS"]), name)
        return time.monotonic() - began

    def roll_up(self, world, name):
        """Makes what the questions need."""
        self.sql(ROLL_UP.format(**_places(world)), name)
        self.sql("DROP TABLE raw; VACUUM ANALYZE; CHECKPOINT;", name)

    def question(self, world, name, question):
        """Writes the script of a question; returns its file."""
        file = self._folder / f"{name}-{question}.sql"
        text = QUESTIONS[question].format(**_places(world))
        file.write_text(
            KEYS.format(provinces=world.provinces, units=world.units) + " ".join(text.split())
        )
        return file

    def upsert(self, name):
        """Makes the table of the 20-row upsert; returns the script."""
        self.sql(UPSERT_TABLE, name)
        file = self._folder / "upsert.sql"
        file.write_text(UPSERT)
        return file

    def pgbench(self, name, script, clients, seconds):
        """Runs pgbench once, on one processor."""
        log = self._folder / "pgbench-log"
        for old in Path(self._folder).glob("pgbench-log*"):
            old.unlink()
        done = subprocess.run(
            [
                *pinned(),
                *(self._pgbench, "-n", "-c", str(clients), "-j", "1", "-T", str(seconds)),
                *("-M", "prepared", "-f", str(script), "-l", f"--log-prefix={log}"),
                *("-h", str(self._socket()), "-p", str(self._cluster.port), "-U", "postgres", name),
            ],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"LC_ALL": "C"},
        )
        rate = re.search(r"tps = ([\d.]+)", done.stdout)
        if done.returncode or not rate:
            raise Fault(f"pgbench: {done.stderr[-300:]}")
        taken = sorted(
            int(line.split()[2]) / 1000
            for file in Path(self._folder).glob("pgbench-log*")
            for line in file.read_text().splitlines()
        )
        failed = re.search(r"failed transactions: (\d+)", done.stdout)
        return Sample(
            float(rate[1]),
            taken[len(taken) // 2],
            taken[len(taken) * 99 // 100],
            int(failed[1]) if failed else 0,
        )

    def _socket(self):
        """The folder of the socket, or the address when its path would be too long."""
        folder = self._cluster.folder
        return folder if len(str(folder)) < 85 else "127.0.0.1"


def _places(world):
    codes = world.keys()["INDICATORS"].split()
    return {
        "over": codes.index("ioffice.documents.signed"),
        "under": codes.index("ioffice.documents.outgoing"),
    }
