#!/usr/bin/env -S python3 -B
"""Records the examples of the OpenAPI document (openapi/examples.json) from the demo.

Each operation is sent once, with the parameters and body of the table below. Long lists of a
response are cut to their first entries and tables to their first lines; nothing else is changed.

    tests/clients/examples.py            writes openapi/examples.json; afterwards build the program
                                         and run `egov-kpi openapi > openapi/openapi.json`
    tests/clients/examples.py --check    sends the requests of the file again and compares: every
                                         operation has an example of its parameters, of each body
                                         and of its response; the responses have the same fields of
                                         the same types; all examples are valid against their
                                         schemas (needs the Python package jsonschema); and the
                                         service refuses each example after a change that its
                                         schema forbids, such as an unknown field

EGOV_KPI names the program, by default target/debug/egov-kpi of this repository."""

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "openapi" / "examples.json"
DOCUMENT = ROOT / "openapi" / "openapi.json"
JSON, CSV, TEXT = "application/json", "text/csv", "text/plain"
PROBLEM = "application/problem+json"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
UNIT, MONTH = "sample.finance", "2021-12"
OUTGOING, SIGNED = "ioffice.documents.outgoing", "ioffice.documents.signed_rate"
FORM = {"$file": f"/api/v1/templates/{UNIT}/{MONTH}.xlsx"}
REPORT = {"$file": f"/api/v1/reports/{UNIT}/{MONTH}?format=docx"}
REPORT_TEXT = (
    "# BÁO CÁO THÁNG 12/2021\n\nTổng số văn bản đi trên hệ thống iOffice là 1.250 văn bản.\n"
)
# A catalogue of its own, for a new ledger.
CATALOGUE = {
    "version": 1,
    "systems": [{"code": "parking", "name": {"vi": "Bãi đỗ xe", "en": "Parking"}}],
    "indicators": [
        {
            "code": f"parking.{name}",
            "name": {"vi": vi, "en": en},
            "kind": "flow",
            "unit_of_measure": "count",
            "system": "parking",
        }
        for name, vi, en in [
            ("requests", "Số yêu cầu", "Requests"),
            ("online", "Yêu cầu trực tuyến", "Requests made online"),
        ]
    ],
    "kpis": [
        {
            "code": "parking.online_rate",
            "name": {"vi": "Tỷ lệ trực tuyến", "en": "Share made online"},
            "formula": "parking.online / parking.requests",
            "unit_of_measure": "percent",
            "direction": "higher",
            "system": "parking",
        }
    ],
}
# Lists are cut to this many entries, tables and texts to this many lines.
ENTRIES, LINES = 2, 8

# The requests, in their order: operation, parameters, bodies by media type. Of several bodies the
# first is sent; a body that is a dictionary with `$file` is never sent.
REQUESTS = [
    ("livez", {}, {}),
    ("readyz", {}, {}),
    ("metrics", {}, {}),
    ("scrape_figures", {"unit": UNIT, "measure": [OUTGOING]}, {}),
    ("get_me", {}, {}),
    ("get_ledger", {"digest": True}, {}),
    ("get_indicators", {"system": "ioffice"}, {}),
    ("get_kpis", {"system": "ioffice"}, {}),
    ("get_catalogue", {}, {}),
    ("get_units", {"parent": "sample"}, {}),
    ("get_targets", {"measure": SIGNED}, {}),
    (
        "put_targets",
        {"Idempotency-Key": "targets-2022-1"},
        {
            JSON: {
                "targets": [
                    {
                        "code": "finance.signed.2022",
                        "measure": SIGNED,
                        "unit": UNIT,
                        "from": "2022-01",
                        "to": "2022-12",
                        "value": "95",
                        "source": {"vi": "Kế hoạch năm 2022", "en": "Plan for 2022"},
                    }
                ]
            }
        },
    ),
    (
        "put_annotations",
        {"Idempotency-Key": "annotations-2021-12-1"},
        {
            JSON: {
                "annotations": [
                    {
                        "code": "finance.moved",
                        "measure": OUTGOING,
                        "unit": UNIT,
                        "from": MONTH,
                        "text": "Hệ thống dừng hai ngày để nâng cấp",
                    }
                ]
            }
        },
    ),
    ("get_annotations", {"unit": UNIT}, {}),
    (
        "post_observations",
        {"Idempotency-Key": "finance-2022-01-1"},
        {
            JSON: {
                "source": {"reference": "Report 2022-01"},
                "observations": [
                    {"indicator": OUTGOING, "unit": UNIT, "period": "2022-01", "value": 500},
                    {
                        "indicator": "ioffice.documents.signed",
                        "unit": UNIT,
                        "period": "2022-01",
                        "value": 510,
                    },
                ],
            },
            CSV: f"indicator,unit,period,value\n{OUTGOING},{UNIT},2022-01,500\n",
            XLSX: FORM,
        },
    ),
    ("get_observations", {"unit": UNIT, "indicator": OUTGOING, "from": "2021-11"}, {}),
    ("get_series", {"measure": [OUTGOING], "unit": [UNIT], "last": 3}, {}),
    ("get_ranking", {"measure": SIGNED, "parent": "sample", "period": MONTH}, {}),
    ("get_scorecard", {"unit": UNIT, "period": MONTH}, {}),
    ("get_completeness", {"period": MONTH, "parent": "sample"}, {}),
    ("get_findings", {"unit": UNIT, "from": "2021-01"}, {}),
    ("get_quality", {"unit": "sample", "threshold": 3.5}, {}),
    ("export_figures", {"unit": UNIT, "measure": [OUTGOING], "from": "2021-11"}, {}),
    ("get_revisions", {"after": 0, "limit": 2}, {}),
    ("get_audit", {"kind": "submission", "limit": 2}, {}),
    (
        "post_reports",
        {"unit": UNIT, "dry_run": True},
        {
            "text/markdown": REPORT_TEXT,
            TEXT: REPORT_TEXT,
            DOCX: REPORT,
            "application/pdf": {"$file": "https://example.org/report.pdf"},
            "multipart/form-data": {"file": "report.docx"},
        },
    ),
    ("get_written_report", {"unit": UNIT, "period": MONTH}, {}),
    ("get_template", {"unit": UNIT, "period": MONTH}, {}),
    (
        "post_workbooks",
        {"dry_run": True},
        {XLSX: FORM, "multipart/form-data": {"file": "form.xlsx"}},
    ),
    (
        "close_period",
        {"period": "2021-11", "force": True},
        {JSON: {"reason": "All figures are in"}},
    ),
    ("get_periods", {}, {}),
    ("reopen_period", {"period": "2021-11"}, {JSON: {"reason": "A figure was wrong"}}),
    (
        "put_units",
        {"Idempotency-Key": "units-2022-1"},
        {
            JSON: {
                "units": [
                    {
                        "code": "sample.archive",
                        "kind": "department",
                        "name": {"vi": "Lưu trữ mẫu", "en": "Sample archive"},
                        "parent": "sample",
                        "valid_from": "2022-01-01",
                    }
                ]
            },
            CSV: "code,kind,name_vi,parent\nsample.archive,department,Lưu trữ mẫu,sample\n",
            XLSX: {"$file": "/api/v1/units?format=xlsx&full=true"},
        },
    ),
    ("get_vintages", {"unit": UNIT}, {}),
]
# Sent before `get_vintages`, so that a figure is revised.
CORRECTION = {
    "reason": "Two documents were counted twice",
    "observations": [{"indicator": OUTGOING, "unit": UNIT, "period": MONTH, "value": 413}],
}


def cut(value, at=""):
    """A value whose lists have their first entries, and whose texts have their first lines."""
    if isinstance(value, dict):
        return {key: cut(part) for key, part in value.items()}
    if isinstance(value, list):
        return [cut(part) for part in value[:ENTRIES]]
    if isinstance(value, str) and value.count("\n") > LINES:
        return "".join(value.splitlines(keepends=True)[:LINES])
    return value


class Service:
    """A running demo, and the operations of its document."""

    def __init__(self, address, document):
        self.address, self.key = address, None
        self.operations = {
            operation["operationId"]: (method.upper(), path, operation)
            for path, item in document["paths"].items()
            for method, operation in item.items()
        }

    def send(self, name, parameters, bodies):
        """Sends an operation; returns status, media type and body."""
        method, path, operation = self.operations[name]
        places = {each["name"]: each["in"] for each in operation["parameters"]}
        query, headers = [], {"Accept-Language": "en"}
        for key, value in parameters.items():
            values = value if isinstance(value, list) else [value]
            values = [json.dumps(v) if isinstance(v, bool | int | float) else v for v in values]
            match places[key]:
                case "path":
                    path = path.replace("{" + key + "}", urllib.parse.quote(values[0], safe=""))
                case "query":
                    query += [(key, value) for value in values]
                case "header":
                    headers[key] = values[0]
        data = None
        for media, body in bodies.items():
            if media == XLSX:
                with urllib.request.urlopen(self.address + body["$file"]) as form:
                    data = form.read()
            else:
                data = (body if isinstance(body, str) else json.dumps(body)).encode()
            headers["Content-Type"] = media
            break
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        address = self.address + path + ("?" + urllib.parse.urlencode(query) if query else "")
        request = urllib.request.Request(address, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, response.headers["Content-Type"], response.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers["Content-Type"], error.read()


def program():
    """The program that is tested."""
    return os.environ.get("EGOV_KPI") or str(ROOT / "target" / "debug" / "egov-kpi")


@contextlib.contextmanager
def running(*arguments):
    """Runs the program during the block; yields its address."""
    process = subprocess.Popen(
        [program(), *arguments, "--listen", "127.0.0.1:0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        for line in process.stdout:
            if found := re.match(r"listening on (http://\S+)", line):
                yield found[1]
                return
        raise SystemExit(f"{arguments[0]} ended without listening")
    finally:
        process.terminate()
        process.wait(20)


def media_of(operation, status, content_type):
    """The media type of the document that a response has."""
    plain = content_type.split(";")[0].strip()
    declared = operation["responses"][str(status)]["content"]
    return next(media for media in declared if media.split(";")[0].strip() == plain)


def recorded(service, name, parameters, bodies):
    """The examples of an operation."""
    status, content_type, body = service.send(name, parameters, bodies)
    operation = service.operations[name][2]
    if status >= 300:
        raise SystemExit(f"{name}: {status} {body.decode()}")
    media = media_of(operation, status, content_type)
    if media == JSON:
        example = cut(json.loads(body))
    elif media.startswith("text/"):
        example = cut(body.decode().removeprefix("\ufeff"))
    else:
        path = service.operations[name][1]
        for key, value in parameters.items():
            path = path.replace("{" + key + "}", str(value))
        example = {"$file": path}
    return {
        "parameters": parameters,
        "request": bodies,
        "responses": {str(status): {media: example}},
    }, (json.loads(body) if media == JSON else None)


def record(service):
    """The examples of all operations."""
    found = {}
    for name, parameters, bodies in REQUESTS:
        if name == "get_vintages":
            service.send("post_observations", {}, {JSON: CORRECTION})
        found[name], answer = recorded(service, name, parameters, bodies)
        if name == "post_observations":
            submission = answer["submission"]
    found["get_submission"], _ = recorded(service, "get_submission", {"id": submission}, {})
    withdrawal = {"id": submission, "reason": "Sent twice"}
    found["delete_submission"], _ = recorded(service, "delete_submission", withdrawal, {})
    sent = {"unit": UNIT, "period": "2022-01", "dry_run": False}
    text = REPORT_TEXT.replace("12/2021", "01/2022")
    _, _, body = service.send("post_reports", sent, {"text/markdown": text})
    report = {"submission": json.loads(body)["submission"]}
    found["get_report"], _ = recorded(service, "get_report", report, {})
    found["get_report_text"], _ = recorded(service, "get_report_text", report, {})
    # The first key; from now on every request needs it.
    new = {"name": "Sample admin", "role": "admin", "expires_at": "90d"}
    found["post_key"], first = recorded(service, "post_key", {}, {JSON: new})
    service.key = first["key"]
    found["get_keys"], _ = recorded(service, "get_keys", {}, {})
    new = {"name": "Sample reader", "role": "reader"}
    other = json.loads(service.send("post_key", {}, {JSON: new})[2])["id"]
    rotation = {JSON: {"overlap_days": 7, "expires_at": "365d"}}
    found["rotate_key"], _ = recorded(service, "rotate_key", {"id": other}, rotation)
    found["revoke_key"], _ = recorded(service, "revoke_key", {"id": other}, {})
    for name in ("post_key", "rotate_key"):
        example = found[name]["responses"]["201"][JSON]
        example["key"] = example["key"][:12] + "…"
    return found


def shape(value):
    """The fields and types of a value."""
    if isinstance(value, dict):
        return {key: shape(part) for key, part in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return (
        "number" if isinstance(value, int | float) and value is not True else type(value).__name__
    )


def contents(document):
    """Of every operation: its name, and each body and parameter with a schema."""
    for item in document["paths"].values():
        for operation in item.values():
            name = operation["operationId"]
            for parameter in operation["parameters"]:
                yield name, "parameter " + parameter["name"], parameter
            for media, content in operation.get("requestBody", {"content": {}})["content"].items():
                yield name, f"request {media}", content
            for status, response in operation["responses"].items():
                for media, content in response.get("content", {}).items():
                    yield name, f"response {status} {media}", content


def missing(document):
    """What an operation lacks: sentences."""
    examples = {}
    for name, place, content in contents(document):
        has = "example" in content or "examples" in content
        examples.setdefault(name, {"response": False})
        if place.startswith("parameter"):
            if not content.get("description") or not content.get("schema"):
                yield f"{name}: {place} has no description or no schema"
            if content["required"] and not has:
                yield f"{name}: {place} is required and has no example"
        elif place.startswith("request") and not has:
            yield f"{name}: {place} has no example"
        elif place.startswith("response 2"):
            examples[name]["response"] |= has
    for name, found in examples.items():
        if not found["response"]:
            yield f"{name} has no example of a response"
    if not document.get("servers"):
        yield "the document names no servers"


def invalid(document):
    """Examples that their schemas do not allow: sentences."""
    import jsonschema

    resource = {"$schema": "https://json-schema.org/draft/2020-12/schema", **document}
    for name, place, content in contents(document):
        if "example" not in content or "multipart" in place:
            continue
        schema = {**resource, **content["schema"]}
        checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
        validator = jsonschema.Draft202012Validator(schema, format_checker=checker)
        for error in validator.iter_errors(content["example"]):
            yield f"{name}: {place} {error.json_path}: {error.message[:200]}"


def broken(value, schema, document):
    """Copies of a value, each with one thing that its schema forbids, and what it is."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    for part in schema.get("oneOf", []):
        if part != {"type": "null"}:
            yield from broken(value, part, document)
            return
    if isinstance(value, dict):
        if schema.get("additionalProperties") is False:
            yield {**value, "nonsense": 1}, "an unknown field"
        for name, part in value.items():
            for other, what in broken(part, schema.get("properties", {}).get(name, {}), document):
                yield {**value, name: other}, f"{name}: {what}"
            if name in schema.get("required", []):
                yield {key: value[key] for key in value if key != name}, f"without {name}"
    elif isinstance(value, list):
        for place, part in enumerate(value[:1]):
            for other, what in broken(part, schema.get("items", {}), document):
                yield [*value[:place], other, *value[place + 1 :]], what
    elif isinstance(value, str):
        if "maxLength" in schema:
            yield value + "a" * schema["maxLength"], "a text that is too long"
        if "pattern" in schema:
            yield "?", "a text of another pattern"
        if "enum" in schema:
            yield "nonsense", "another word"


def lenient(service, document, examples):
    """What the service accepts although its document forbids it: sentences."""
    for name, found in examples.items():
        content = service.operations[name][2].get("requestBody", {"content": {}})["content"]
        # The key of this example is revoked by now, so every rotation is refused.
        if JSON not in content or name == "rotate_key":
            continue
        parameters = {
            key: value for key, value in found["parameters"].items() if key != "Idempotency-Key"
        }
        body, schema = found["request"][JSON], content[JSON]["schema"]
        # The catalogue has its next version by now.
        body = {key: value for key, value in body.items() if key != "version"}
        if service.send(name, parameters, {JSON: body})[0] >= 300:
            yield f"{name}: the service refuses the example when it is sent again"
        for other, what in broken(body, schema, document):
            if service.send(name, parameters, {JSON: other})[0] < 400:
                yield f"{name}: the service accepts {what}"


def main():
    parser = argparse.ArgumentParser(description="Records the examples of the OpenAPI document.")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    options = parser.parse_args()
    document = json.loads(DOCUMENT.read_text())
    with running("demo") as address:
        service = Service(address, document)
        found = record(service)
        accepted = list(lenient(service, document, found))
    with tempfile.TemporaryDirectory() as folder:
        ledger = ["--database", f"sqlite://{folder}/ledger.db", "--log", "error"]
        add = [program(), "keys", "add", "--name", "steward", "--role", "admin", *ledger]
        key = subprocess.run(add, check=True, capture_output=True, text=True).stdout.strip()
        with running("serve", *ledger) as address:
            service = Service(address, document)
            service.key = key
            found["put_catalogue"], _ = recorded(service, "put_catalogue", {}, {JSON: CATALOGUE})
            accepted += lenient(service, document, {"put_catalogue": found["put_catalogue"]})
    found = dict(sorted(found.items()))
    if not options.check:
        FILE.write_text(json.dumps(found, ensure_ascii=False, indent=1, sort_keys=False) + "\n")
        print(f"wrote the examples of {len(found)} operations")
        return
    kept = json.loads(FILE.read_text())
    faults = [*missing(document), *invalid(document), *accepted]
    for name in sorted(found.keys() | kept.keys()):
        if shape(found.get(name)) != shape(kept.get(name)):
            faults.append(f"{name}: the service answers with other fields than the example has")
    print(*faults, sep="\n", end="\n" if faults else "")
    print(f"{len(found)} operations with examples, {len(faults)} errors")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
