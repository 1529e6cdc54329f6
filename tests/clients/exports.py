#!/usr/bin/env -S python3 -B
"""Opens every export of the demo with pandas, DuckDB, R and LibreOffice, and the Parquet file with
the first two: numbers are numbers, codes and months are texts, dates are dates, empty cells are
missing, and the sums are those of the file.

    tests/clients/exports.py

EGOV_KPI names the program, by default target/debug/egov-kpi of this repository. Installs what is
missing: pandas, DuckDB and openpyxl with pip, R and LibreOffice as root on Debian."""

import csv
import datetime
import io
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from examples import CORRECTION, ROOT, running

PACKAGES = ["pandas==2.3.3", "duckdb==1.4.2", "openpyxl==3.1.5", "pyarrow==22.0.0"]
R_PACKAGES = ["r-base-core", "r-cran-jsonlite", "r-cran-readxl"]
# What a column holds. Columns of datapackage.json have their types there.
NUMBER, TEXT, DATE, TIME, LOGICAL = "number", "text", "date", "time", "logical"
NUMBERS = [
    "value",
    "stated",
    "coverage",
    "delta",
    "delta_percent",
    "like_for_like_delta",
    "like_for_like_percent",
    "like_for_like_coverage",
    "year_delta",
    "year_delta_percent",
    "year_to_date",
    "revision",
    "valid_to_revision",
    "decimals",
    "OBS_VALUE",
    "COVERAGE",
    "STATED_VALUE",
    "taken_from_count",
    "expected",
    "on_time",
    "late",
    "missing",
    "rank",
    "points",
    "share",
    "first_value",
    "first_revision",
    "revised_by",
    "revised_percent",
    "computed",
    "score",
    "months",
    "previous_rank",
    "target",
    "attainment",
]
DATES = ["valid_from", "valid_to", "deadline"]
TIMES = ["recorded_at", "first_recorded_at", "time"]
# Query of each table: its name, and its address below /api/v1.
TABLES = {
    "export.csv": "export?format=csv",
    "export-sdmx.csv": "export?format=sdmx-csv",
    "observations.csv": "observations?format=csv&unit_and_below=sample.northeast",
    "series.csv": "series?format=csv&measure=ioffice.documents.signed_rate&children_of=sample"
    "&from=2019-01&last=36",
    "units.csv": "units?format=csv",
    "vintages.csv": "vintages?format=csv",
    "findings.csv": "findings?format=csv",
    "ranking.csv": "ranking?format=csv&measure=ioffice.documents.signed_rate&parent=sample"
    "&period=2021-12",
}
WORKBOOKS = {
    "series.xlsx": "series?format=xlsx&full=true&measure=ioffice.documents.signed_rate"
    "&children_of=sample&from=2019-01&last=36",
    "observations.xlsx": "observations?format=xlsx&full=true&unit_and_below=sample.northeast",
}
faults = []


def fault(tool, table, what):
    faults.append(f"{tool}, {table}: {what}")


def kind_of(column):
    """What a column holds."""
    if column in NUMBERS:
        return NUMBER
    if column == "provisional":
        return LOGICAL
    if column in DATES:
        return DATE
    return TIME if column in TIMES else TEXT


class Table:
    """A CSV file, and what its columns hold."""

    def __init__(self, file):
        self.file, self.name = file, file.name
        with file.open(encoding="utf-8-sig", newline="") as lines:
            self.rows = list(csv.DictReader(lines))
        self.columns = list(self.rows[0])
        self.kinds = {column: kind_of(column) for column in self.columns}

    def filled(self, column):
        """The cells of a column that are not empty."""
        return [row[column] for row in self.rows if row[column]]

    def sum(self, column):
        return math.fsum(float(cell) for cell in self.filled(column))

    def compare(self, tool, column, kind, filled, total):
        """Compares what a tool found in a column: its kind, the filled cells and their sum."""
        expected = self.kinds[column]
        if not self.filled(column):
            return
        if kind != expected:
            fault(tool, self.name, f"{column} is read as {kind} instead of {expected}")
        elif filled != len(self.filled(column)):
            fault(tool, self.name, f"{column} has {filled} cells of {len(self.filled(column))}")
        elif expected == NUMBER and not math.isclose(total, self.sum(column), rel_tol=1e-9):
            fault(tool, self.name, f"the sum of {column} is {total}, not {self.sum(column)}")


def described(folder):
    """Compares the types of datapackage.json with what this test expects."""
    package = json.loads((folder / "datapackage.json").read_text())
    kinds = {"number": NUMBER, "integer": NUMBER, "date": DATE}
    for resource in package["resources"]:
        for field in resource["schema"]["fields"]:
            kind = kinds.get(field["type"], TEXT)
            if kind != kind_of(field["name"]):
                fault("datapackage.json", resource["path"], f"{field['name']} is {field['type']}")


def with_pandas(table):
    import pandas

    dates = [column for column, kind in table.kinds.items() if kind in (DATE, TIME)]
    frame = pandas.read_csv(table.file, parse_dates=dates)
    for column in table.columns:
        series = frame[column]
        if pandas.api.types.is_bool_dtype(series):
            kind = LOGICAL
        elif pandas.api.types.is_numeric_dtype(series):
            kind = NUMBER
        elif pandas.api.types.is_datetime64_any_dtype(series):
            kind = table.kinds[column]
        else:
            kind = TEXT
        total = math.fsum(series.dropna()) if kind == NUMBER else 0
        table.compare("pandas", column, kind, int(series.notna().sum()), total)


def with_parquet(file, twin):
    """Compares a Parquet file with the same table as CSV. Its months are dates."""
    import pandas

    table = Parquet(file, twin)
    with_duckdb(table)
    frame = pandas.read_parquet(file)
    for column in table.columns:
        series = frame[column].dropna()
        if pandas.api.types.is_numeric_dtype(series):
            kind = NUMBER
        else:
            days = [isinstance(cell, datetime.date) for cell in series]
            kind = DATE if days and all(days) else TEXT
        total = math.fsum(series) if kind == NUMBER else 0
        table.compare("pandas", column, kind, len(series), total)


def with_duckdb(table):
    import duckdb

    if isinstance(table, Parquet):
        relation = duckdb.read_parquet(str(table.file))
    else:
        # Without sample_size=-1 a column that is empty in the first 20,480 rows becomes a text.
        relation = duckdb.read_csv(str(table.file), sample_size=-1)
    for column, type_ in zip(relation.columns, relation.types, strict=True):
        kinds = {
            "DATE": DATE,
            "TIMESTAMP": TIME,
            "TIMESTAMP WITH TIME ZONE": TIME,
            "VARCHAR": TEXT,
            "BOOLEAN": LOGICAL,
        }
        kind = kinds.get(str(type_), NUMBER)
        sum_ = f'sum("{column}")' if kind == NUMBER else "0"
        query = f'SELECT count("{column}"), {sum_} FROM relation'
        filled, total = duckdb.sql(query).fetchone()
        table.compare("DuckDB", column, kind, filled, float(total or 0))


R_PROGRAM = """
library(jsonlite)
kind <- function(column) {
  if (is.numeric(column)) "number"
  else if (is.logical(column)) "logical"
  else if (inherits(column, "Date")) "date"
  else if (inherits(column, "POSIXt")) "time"
  else "text"
}
about <- function(column) list(
  kind = kind(column),
  filled = sum(!is.na(column) & column != ""),
  total = if (is.numeric(column)) sum(column, na.rm = TRUE) else 0
)
found <- lapply(commandArgs(trailingOnly = TRUE), function(file) {
  if (endsWith(file, ".xlsx")) lapply(readxl::read_excel(file, guess_max = 1e5), about)
  else lapply(read.csv(file, encoding = "UTF-8", check.names = FALSE), about)
})
cat(toJSON(found, auto_unbox = TRUE, digits = NA))
"""


def with_r(tables, workbooks, folder):
    (folder / "read.R").write_text(R_PROGRAM)
    files = [table.file for table in tables + workbooks]
    command = ["Rscript", str(folder / "read.R"), *map(str, files)]
    env = {**os.environ, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    if done.returncode != 0:
        fault("R", "all", done.stderr)
        return
    for table, columns in zip(tables + workbooks, json.loads(done.stdout), strict=True):
        for column, found in columns.items():
            kind = found["kind"]
            # read.csv leaves dates, times and true and false as texts; as.Date and as.logical
            # read them
            if kind == TEXT and table.kinds[column] in (DATE, TIME, LOGICAL):
                kind = table.kinds[column]
            table.compare("R", column, kind, found["filled"], found["total"])


def cell_kind(value):
    """What a cell of an Excel file holds."""
    if isinstance(value, bool):
        return LOGICAL
    if isinstance(value, int | float):
        return NUMBER
    return DATE if isinstance(value, datetime.date | datetime.datetime) else TEXT


def sheet(file):
    """The rows of the first sheet of an Excel file, with the names of the columns as keys."""
    import openpyxl

    rows = openpyxl.load_workbook(file, read_only=True).worksheets[0].iter_rows(values_only=True)
    names = next(rows)
    return [dict(zip(names, row, strict=True)) for row in rows]


def compare_sheet(tool, table, file):
    """Compares an Excel file with the table that it was made of."""
    rows = sheet(file)
    for column in table.columns:
        cells = [row[column] for row in rows if row.get(column) not in (None, "")]
        kinds = {cell_kind(cell) for cell in cells}
        # In a sheet a day or time may be one, or a text.
        if table.kinds[column] in (DATE, TIME) and kinds <= {DATE, TEXT}:
            kinds = {table.kinds[column]}
        # A cell of a CSV file has a type of its own in a spreadsheet: the code 4 is a number there.
        if column == "SERVICE_LEVEL" and kinds == {NUMBER, TEXT}:
            kinds = {TEXT}
        kind = kinds.pop() if len(kinds) == 1 else " and ".join(sorted(kinds))
        total = math.fsum(cells) if kind == NUMBER else 0
        table.compare(tool, column, kind, len(cells), total)


def with_office(tables, folder):
    """Opens the files in LibreOffice, which saves them as XLSX."""
    out = folder / "office"
    command = ["soffice", "--headless", f"-env:UserInstallation=file://{folder}/profile"]
    # Comma, quotes, UTF-8, from line 1; English, so that a point separates decimals
    command += ["--infilter=CSV:44,34,76,1,,1033", "--convert-to", "xlsx", "--outdir", str(out)]
    files = [str(table.file) for table in tables]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    env = {**os.environ, "HOME": str(folder)}
    subprocess.run(command + files, check=True, timeout=300, env=env, **quiet)
    for table in tables:
        compare_sheet("LibreOffice", table, out / (table.file.stem + ".xlsx"))


def reopened_by_office(workbooks, folder):
    """Opens Excel files in LibreOffice, which saves them again."""
    out = folder / "reopened"
    command = ["soffice", "--headless", f"-env:UserInstallation=file://{folder}/profile"]
    command += ["--convert-to", "xlsx:Calc MS Excel 2007 XML", "--outdir", str(out)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    env = {**os.environ, "HOME": str(folder)}
    files = [str(table.file) for table in workbooks]
    subprocess.run(command + files, check=True, timeout=300, env=env, **quiet)
    for table in workbooks:
        compare_sheet("LibreOffice", table, out / table.file.name)


class Workbook(Table):
    """An Excel file, and the same table as CSV."""

    def __init__(self, file, twin):
        super().__init__(twin)
        self.file, self.name = file, file.name


class Parquet(Workbook):
    """A Parquet file, and the same table as CSV."""

    def __init__(self, file, twin):
        super().__init__(file, twin)
        self.kinds["period"] = DATE


def need():
    """Installs what is missing, and starts this program again with the packages of Python."""
    venv = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "clients" / "exports"
    ready = venv / "ready"
    if not ready.exists() or ready.read_text() != " ".join(PACKAGES):
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        subprocess.run([str(venv / "bin" / "pip"), "install", "--quiet", *PACKAGES], check=True)
        ready.write_text(" ".join(PACKAGES))
    if Path(sys.prefix) != venv:
        os.execv(venv / "bin" / "python", [str(venv / "bin" / "python"), "-B", *sys.argv])
    missing = [] if shutil.which("Rscript") else list(R_PACKAGES)
    if shutil.which("soffice") is None:
        missing.append("libreoffice-calc-nogui")
    for package in R_PACKAGES[1:]:
        if subprocess.run(["dpkg", "-s", package], capture_output=True).returncode != 0:
            missing.append(package)
    if missing:
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]
        subprocess.run(install, check=True, env=env, stdout=subprocess.DEVNULL)


def load(address, folder, name, query):
    with urllib.request.urlopen(f"{address}/api/v1/{query}", timeout=120) as response:
        (folder / name).write_bytes(response.read())
    return folder / name


def main():
    need()
    with tempfile.TemporaryDirectory() as name, running("demo") as address:
        folder = Path(name)
        correction = json.dumps(CORRECTION).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{address}/api/v1/observations", correction, headers)
        urllib.request.urlopen(request, timeout=60).close()
        tables = [Table(load(address, folder, *entry)) for entry in TABLES.items()]
        with urllib.request.urlopen(f"{address}/api/v1/export", timeout=120) as response:
            package = zipfile.ZipFile(io.BytesIO(response.read()))
        package.extractall(folder / "package")
        described(folder / "package")
        tables += [Table(file) for file in sorted((folder / "package").glob("*.csv"))]
        workbooks = []
        for entry in WORKBOOKS.items():
            file = load(address, folder, *entry)
            twin = re.sub("format=xlsx&full=true", "format=csv", entry[1])
            workbooks.append(Workbook(file, load(address, folder, f"of-{file.stem}.csv", twin)))
        with_parquet(
            load(address, folder, "figures.parquet", "export?format=parquet"),
            load(address, folder, "of-parquet.csv", "export?format=csv"),
        )
        # LibreOffice names its files after these, so no two may have one name.
        for table in tables:
            if table.file.parent.name == "package":
                table.file = table.file.rename(table.file.with_stem(f"package-{table.file.stem}"))
        for table in tables:
            with_pandas(table)
            with_duckdb(table)
        for table in workbooks:
            compare_sheet("openpyxl", table, table.file)
        with_r(tables, workbooks, folder)
        with_office(tables, folder)
        reopened_by_office(workbooks, folder)
        cells = sum(len(table.rows) * len(table.columns) for table in tables + workbooks)
    print(*faults, sep="\n", end="\n" if faults else "")
    print(f"{len(tables)} CSV files and {len(workbooks)} Excel files with {cells} cells,", end=" ")
    print(f"a Parquet file: pandas, DuckDB, R, LibreOffice, {len(faults)} errors")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
