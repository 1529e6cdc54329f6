#!/usr/bin/env -S python3 -B
"""Checks every dashboard with the TypeScript compiler and Grafana's published types
(@grafana/schema, grafana-foundation-sdk).

Each dashboard becomes a literal of the type in tests/dashboards/types/dashboard.ts, so that the
compiler reports missing fields, unknown fields and values of a wrong type. Dashboards with
deliberate errors show that the check works: they must be refused.

    tests/dashboards/schema.py [FOLDER]    the dashboards of FOLDER; default dashboards/vi and en

Needs npm (installed on Debian when missing). Prints the errors of the compiler and then one line;
exit code 0, or 1 with errors."""

import copy
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TYPES = ROOT / "tests" / "dashboards" / "types"
CACHE = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target") / "dashboards" / "types"


def install():
    if not shutil.which("npm"):
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(
            [
                "env",
                "DEBIAN_FRONTEND=noninteractive",
                "apt-get",
                "install",
                "-y",
                "-qq",
                "--no-install-recommends",
                "npm",
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
    CACHE.mkdir(parents=True, exist_ok=True)
    wanted, there = (TYPES / "package.json").read_text(), CACHE / "package.json"
    if not (CACHE / "node_modules" / ".package-lock.json").exists() or there.read_text() != wanted:
        there.write_text(wanted)
        subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--silent"],
            cwd=CACHE,
            check=True,
        )


def compiled(dashboards):
    """Returns the errors of the compiler by dashboard."""
    shutil.copy(TYPES / "dashboard.ts", CACHE / "dashboard.ts")
    for name, dashboard in dashboards.items():
        literal = json.dumps(dashboard, ensure_ascii=False, indent=1)
        (CACHE / f"{name}.ts").write_text(
            f"import type {{ File }} from './dashboard';\nexport const file: File = {literal};\n"
        )
    done = subprocess.run(
        [
            "node_modules/.bin/tsc",
            "--noEmit",
            "--strict",
            "--skipLibCheck",
            "--pretty",
            "false",
            "--target",
            "es2022",
            "--module",
            "esnext",
            "--moduleResolution",
            "bundler",
            *(f"{name}.ts" for name in dashboards),
        ],
        cwd=CACHE,
        capture_output=True,
        text=True,
    )
    faults = {name: [] for name in dashboards}
    for line in (done.stdout + done.stderr).splitlines():
        found = re.match(r"([\w.-]+)\.ts\((\d+),", line)
        if found and found[1] in faults:
            source = (CACHE / f"{found[1]}.ts").read_text().splitlines()[int(found[2]) - 1].strip()
            faults[found[1]].append(f"{line} [{source}]")
        elif not line.startswith(" "):  # an error of the check itself
            raise SystemExit(line)
    return faults


def panel(dashboard, kind):
    return next(each for each in dashboard["panels"] if each["type"] == kind)


def broken(overview):
    """Yields names and dashboards with one deliberate error each."""

    def version(dashboard):
        dashboard["schemaVersion"] = "41"

    def link(dashboard):
        del dashboard["links"][0]["icon"]

    def step(dashboard):
        panel(dashboard, "timeseries")["fieldConfig"]["defaults"]["custom"]["lineInterpolation"] = (
            "stepsAfter"
        )

    def gap(dashboard):
        panel(dashboard, "timeseries")["fieldConfig"]["defaults"]["custom"]["spanNull"] = False

    def option(dashboard):
        panel(dashboard, "stat")["options"]["colourMode"] = "value"

    def threshold(dashboard):
        panel(dashboard, "stat")["fieldConfig"]["defaults"]["thresholds"]["steps"][0]["value"] = (
            "95"
        )

    def query(dashboard):
        panel(dashboard, "table")["targets"][0]["legend"] = "x"

    def refresh(dashboard):
        dashboard["templating"]["list"][0]["refresh"] = 7

    def annotation(dashboard):
        dashboard["annotations"]["list"][1]["enable"] = "yes"

    def top(dashboard):
        dashboard["timeZone"] = "utc"

    for fault in (version, link, step, gap, option, threshold, query, refresh, annotation, top):
        dashboard = copy.deepcopy(overview)
        fault(dashboard)
        yield f"broken-{fault.__name__}", dashboard


def main():
    given = [Path(sys.argv[1])] if sys.argv[1:] else []
    folders = given or [ROOT / "dashboards" / lang for lang in ("vi", "en")]
    install()
    dashboards = {
        f"{path.stem}-{folder.name}": json.loads(path.read_text())
        for folder in folders
        for path in sorted(folder.glob("*.json"))
    }
    overview = (ROOT / "dashboards" / "vi" / "egov-overview.json").read_text()
    wrong = dict(broken(json.loads(overview)))
    faults = compiled(dashboards | wrong)
    missed = [name for name in wrong if not faults[name]]
    told = [line for name in dashboards for line in faults[name]]
    parsed = subprocess.run(
        [
            "node",
            "-e",
            "const y=require('yaml'),f=require('fs');for(const p of "
            "process.argv.slice(1)){const d=y.parse(f.readFileSync(p,'utf8'));"
            "if(d.apiVersion!==1||!(d.datasources||d.providers).length)throw new Error(p)}",
            *map(str, (ROOT / "dashboards" / "provisioning").rglob("*.yaml")),
        ],
        cwd=CACHE,
        capture_output=True,
        text=True,
    )
    print(*told, *(f"not refused: {name}" for name in missed), parsed.stderr, sep="\n", end="")
    if told or missed or parsed.returncode or not dashboards:
        raise SystemExit(
            f"FAILED: {len(told)} errors in {len(dashboards)} dashboards, {len(missed)} of "
            f"{len(wrong)} broken ones not refused"
        )
    print(
        f"{len(dashboards)} dashboards have Grafana's types; {len(wrong)} broken ones are refused"
    )


main()
