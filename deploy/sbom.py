"""The bill of materials of a release, CycloneDX 1.6 in JSON: what the program is made of, from `cargo metadata` and `Cargo.lock`.

Crates that are linked into the program are `required`; those that only ran while it was built (build scripts, macros) are `excluded`,
which is CycloneDX's word for what is not reached when the program runs. C and JavaScript that crates carry inside them stand below
their crate, with the version that their own files state; they are in the program even where the crate only puts them there."""

import datetime
import re
import tomllib
import uuid
from pathlib import Path

SPEC = "1.6"
# Makes the serial number from what the bill is of, so that it is the same each time.
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:egov-kpi:sbom")


def sqlite(crate):
    """The SQLite inside libsqlite3-sys."""
    version = re.search(r'#define SQLITE_VERSION\s+"([\d.]+)"', (crate / "sqlite3" / "sqlite3.h").read_text())[1]
    return {"name": "sqlite", "version": version, "licence": "blessing", "cpe": f"cpe:2.3:a:sqlite:sqlite:{version}:*:*:*:*:*:*:*"}


def mimalloc(crate):
    """The mimalloc inside libmimalloc-sys: version 3 unless its feature `v2` asks for the other."""
    header = (crate / "c_src" / "mimalloc" / "v3" / "include" / "mimalloc.h").read_text()
    number = int(re.search(r"#define MI_MALLOC_VERSION (\d+)", header)[1])
    return {"name": "mimalloc", "version": f"{number // 10000}.{number // 100 % 100}.{number % 100}", "licence": "MIT"}


def swagger_ui(crate):
    """The page of /docs inside utoipa-swagger-ui-vendored."""
    (archive,) = (crate / "res").glob("v*.zip")
    version = archive.stem.removeprefix("v")
    return {"name": "swagger-ui", "version": version, "licence": "Apache-2.0", "purl": f"pkg:npm/swagger-ui-dist@{version}"}


# What crates carry inside them that is no crate.
CARRIED = {"libsqlite3-sys": sqlite, "libmimalloc-sys": mimalloc, "utoipa-swagger-ui-vendored": swagger_ui}


def parts(tree):
    """Names with versions that `cargo tree --prefix none --format {p}` prints, the program itself (which comes first) aside."""
    lines = [tuple(line.split()[:2]) for line in tree.splitlines() if line]
    return {(name, version.removeprefix("v")) for name, version in lines} - {(lines[0][0], lines[0][1].removeprefix("v"))}


def licences(expression):
    """SPDX as CycloneDX writes it; older crates put a slash for OR."""
    return [{"expression": expression.replace("/", " OR ")}] if expression else []


def component(package, checksums, scope):
    name, version = package["name"], package["version"]
    purl = f"pkg:cargo/{name}@{version}"
    found = {"type": "library", "bom-ref": purl, "name": name, "version": version, "scope": scope, "purl": purl}
    found["licenses"] = licences(package["license"])
    found["hashes"] = [{"alg": "SHA-256", "content": checksums[name, version]}]
    if package.get("description"):
        found["description"] = " ".join(package["description"].split())
    if name in CARRIED:
        inside = CARRIED[name](Path(package["manifest_path"]).parent)
        inner = {"type": "library", "bom-ref": f"{purl}#{inside['name']}", "name": inside["name"], "version": inside["version"], "scope": "required"}
        inner["licenses"] = licences(inside["licence"])
        inner |= {key: inside[key] for key in ("cpe", "purl") if key in inside}
        found["components"] = [inner]
    return found


def bill(metadata, linked, taking_part, lock, epoch, commit):
    """The whole bill: `metadata` as `cargo metadata --filter-platform` prints it; `linked` and `taking_part` what `cargo tree` prints of what is
    linked into the program and of that with what builds it; `lock` the text of Cargo.lock, `epoch` seconds since 1970."""
    checksums = {(one["name"], one["version"]): one["checksum"] for one in tomllib.loads(lock)["package"] if "checksum" in one}
    packages = {package["id"]: package for package in metadata["packages"]}
    linked, taking_part = parts(linked), parts(taking_part)
    root = packages[metadata["resolve"]["root"]]
    shown = {id: package for id, package in packages.items() if (package["name"], package["version"]) in taking_part or package is root}
    components = [
        component(package, checksums, "required" if (package["name"], package["version"]) in linked else "excluded") for package in shown.values() if package is not root
    ]
    purls = {id: f"pkg:cargo/{package['name']}@{package['version']}" for id, package in shown.items()}
    dependencies = [
        {"ref": purls[node["id"]], "dependsOn": sorted({purls[one["pkg"]] for one in node["deps"] if one["pkg"] in shown and any(kind["kind"] != "dev" for kind in one["dep_kinds"])})}
        for node in metadata["resolve"]["nodes"]
        if node["id"] in shown
    ]
    itself = {"type": "application", "bom-ref": purls[root["id"]], "name": root["name"], "version": root["version"], "description": root["description"]}
    itself |= {"purl": purls[root["id"]], "licenses": licences(root["license"])}
    return {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPEC}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC,
        "serialNumber": f"urn:uuid:{uuid.uuid5(NAMESPACE, root['version'] + ' ' + commit)}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": itself,
            "properties": [{"name": "egov-kpi:commit", "value": commit}],
        },
        "components": sorted(components, key=lambda one: one["purl"]),
        "dependencies": sorted(dependencies, key=lambda one: one["ref"]),
    }
