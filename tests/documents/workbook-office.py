#!/usr/bin/env python3
"""Opens the form of a month in LibreOffice. Saved as XLSX it is still read by its codes and gives
the same figures; saved as CSV it shows them. EGOV_KPI names the program, by default
target/debug/egov-kpi of this repository. Installs LibreOffice's spreadsheet when it is missing (as
root on Debian)."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("EGOV_KPI", str(ROOT / "target" / "debug" / "egov-kpi"))
MEDIA = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
SHEET = "xl/worksheets/sheet1.xml"


def need_office():
    if shutil.which("soffice") is None or not any(
        Path("/usr/lib/libreoffice/program").glob("libsclo*")
    ):
        quiet = {"check": True, "stdout": subprocess.DEVNULL}
        subprocess.run(["apt-get", "update", "-qq"], **quiet)
        subprocess.run(
            [
                "apt-get",
                "install",
                "-y",
                "-qq",
                "--no-install-recommends",
                "libreoffice-calc-nogui",
            ],
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            **quiet,
        )


def office(folder, target, file):
    """Opens a file in LibreOffice and saves it in another format; returns the new file."""
    out = folder / "office"
    command = [
        "soffice",
        "--headless",
        f"-env:UserInstallation=file://{folder}/profile",
        "--convert-to",
        target,
        "--outdir",
        str(out),
        str(file),
    ]
    subprocess.run(
        command,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=180,
        env={**os.environ, "HOME": str(folder)},
    )
    made = out / (file.stem + "." + target.split(":")[0])
    assert made.exists(), f"LibreOffice did not make {made.name}"
    return made


def filled(file, made, values):
    """Writes a copy of a form with values in column F, row by row."""
    with (
        zipfile.ZipFile(file) as source,
        zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            content = source.read(name)
            if name == SHEET:
                text = content.decode()
                cells = iter(values)

                def fill(cell, cells=cells):
                    value = next(cells, None)
                    return (
                        cell.group(0)
                        if value is None
                        else f'<c r="{cell.group(1)}"{cell.group(2)}><v>{value}</v></c>'
                    )

                content = re.sub(
                    r'<c r="(F(?:[6-9]|\d\d+))"((?: s="\d+")?)/>(?=<c r="G)', fill, text
                ).encode()
            target.writestr(name, content)


def post(address, key, file):
    request = urllib.request.Request(
        f"{address}/api/v1/workbooks",
        data=file.read_bytes(),
        headers={"Content-Type": MEDIA, "Authorization": f"Bearer {key}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as refused:
        sys.exit(f"{file.name} is refused: {refused.read().decode()}")


def told(answer):
    return sorted(
        (
            f["indicator"],
            json.dumps(f["dimensions"], sort_keys=True),
            f["unit"],
            f["period"],
            f["value"],
        )
        for f in answer["figures"]
    )


def main():
    need_office()
    folder = Path(tempfile.mkdtemp(prefix="egov-kpi-workbook-"))
    database = f"sqlite://{folder}/ledger.db"
    subprocess.run(
        [
            PROGRAM,
            "import",
            str(ROOT / "catalogue" / "travinh-2021-10.csv"),
            "--database",
            database,
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    key = subprocess.run(
        [PROGRAM, "keys", "add", "--name", "office", "--role", "steward", "--database", database],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    server = subprocess.Popen(
        [PROGRAM, "serve", "--listen", "127.0.0.1:0", "--database", database, "--open", "api"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        address = server.stdout.readline().strip().removeprefix("listening on ")
        form = folder / "form.xlsx"
        for _ in range(100):
            try:
                with urllib.request.urlopen(
                    f"{address}/api/v1/templates/travinh/2021-11.xlsx", timeout=30
                ) as answer:
                    form.write_bytes(answer.read())
                break
            except urllib.error.HTTPError as refused:
                if refused.code != 503:
                    raise
        empty = post(address, key, office(folder, "xlsx", form))
        assert empty["template"] and not empty["figures"] and not empty["unclaimed"], empty
        # The figure contains the number of its row, so that a figure in another row is noticed.
        full = folder / "full.xlsx"
        filled(form, full, [100 + n for n in range(30)])
        before = post(address, key, full)
        saved = office(folder, "xlsx", full)
        after = post(address, key, saved)
        assert len(before["figures"]) >= 20, f"only {len(before['figures'])} cells were filled in"
        assert told(before) == told(after), f"before: {told(before)}\nafter: {told(after)}"
        # Cells beside headings are filled in too; the response reports them as such.
        assert after["template"] and after["unclaimed"] == before["unclaimed"], after["unclaimed"]
        again = post(address, key, office(folder, "xlsx", saved.rename(folder / "again.xlsx")))
        assert told(again) == told(before)
        rows = list(
            csv.reader(office(folder, "csv", full).open(encoding="utf-8", errors="replace"))
        )
        shown = [
            row
            for row in rows
            if len(row) > 5 and row[5].replace(".", "").replace(",", "").isdigit()
        ]
        assert len(shown) == len(before["figures"]) + len(before["unclaimed"]), (
            f"{len(shown)} rows of the CSV show a figure"
        )
        print(
            f"{len(before['figures'])} figures of a form are the same after LibreOffice saved "
            "it twice; its CSV shows each"
        )
    finally:
        server.terminate()
        server.wait(timeout=20)
        shutil.rmtree(folder, ignore_errors=True)


main()
