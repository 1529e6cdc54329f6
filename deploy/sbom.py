"""The bill of materials of a release (CycloneDX 1.6, JSON), from `cargo metadata` and `Cargo.lock`.

The crates of this repository are the program itself, not parts of it. Crates that are linked
into the program have the scope `required`. Those that only ran during the build (build scripts,
macros) have `excluded`, CycloneDX's term for parts that do not run with the program. C and
JavaScript code inside crates is listed below its crate, with the version that its own files
state; it is part of the program even if its crate only ran during the build."""

import datetime
import re
import tomllib
import uuid
from pathlib import Path

SPEC = "1.6"
# The serial number is derived from version and commit, so that it is the same each time.
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:egov-kpi:sbom")


def sqlite(crate):
    """Describes the SQLite inside libsqlite3-sys."""
    version = re.search(
        r'#define SQLITE_VERSION\s+"([\d.]+)"', (crate / "sqlite3" / "sqlite3.h").read_text()
    )[1]
    return {
        "name": "sqlite",
        "version": version,
        "licence": "blessing",
        "cpe": f"cpe:2.3:a:sqlite:sqlite:{version}:*:*:*:*:*:*:*",
    }


def mimalloc(crate):
    """Describes the mimalloc inside libmimalloc-sys: version 3, unless the feature `v2` is on."""
    header = (crate / "c_src" / "mimalloc" / "v3" / "include" / "mimalloc.h").read_text()
    number = int(re.search(r"#define MI_MALLOC_VERSION (\d+)", header)[1])
    return {
        "name": "mimalloc",
        "version": f"{number // 10000}.{number // 100 % 100}.{number % 100}",
        "licence": "MIT",
    }


def swagger_ui(crate):
    """Describes the Swagger UI (the page /docs) inside utoipa-swagger-ui-vendored."""
    (archive,) = (crate / "res").glob("v*.zip")
    version = archive.stem.removeprefix("v")
    return {
        "name": "swagger-ui",
        "version": version,
        "licence": "Apache-2.0",
        "purl": f"pkg:npm/swagger-ui-dist@{version}",
    }


# Parts inside crates that are not Rust crates.
CARRIED = {
    "libsqlite3-sys": sqlite,
    "libmimalloc-sys": mimalloc,
    "utoipa-swagger-ui-vendored": swagger_ui,
}


def parts(tree):
    """Returns (name, version) of the lines of `cargo tree --prefix none --format {p}`, without the
    first line, which is the program itself."""
    lines = [tuple(line.split()[:2]) for line in tree.splitlines() if line]
    return {(name, version.removeprefix("v")) for name, version in lines} - {
        (lines[0][0], lines[0][1].removeprefix("v"))
    }


def licences(expression):
    """Converts an SPDX expression for CycloneDX; older crates write a slash for OR."""
    return [{"expression": expression.replace("/", " OR ")}] if expression else []


def component(package, checksums, scope):
    name, version = package["name"], package["version"]
    purl = f"pkg:cargo/{name}@{version}"
    found = {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "scope": scope,
        "purl": purl,
    }
    found["licenses"] = licences(package["license"])
    found["hashes"] = [{"alg": "SHA-256", "content": checksums[name, version]}]
    if package.get("description"):
        found["description"] = " ".join(package["description"].split())
    if name in CARRIED:
        inside = CARRIED[name](Path(package["manifest_path"]).parent)
        inner = {
            "type": "library",
            "bom-ref": f"{purl}#{inside['name']}",
            "name": inside["name"],
            "version": inside["version"],
            "scope": "required",
        }
        inner["licenses"] = licences(inside["licence"])
        inner |= {key: inside[key] for key in ("cpe", "purl") if key in inside}
        found["components"] = [inner]
    return found


def bill(metadata, linked, taking_part, lock, epoch, commit):
    """Returns the bill. `metadata` is the output of `cargo metadata --filter-platform`; `linked`
    and `taking_part` are outputs of `cargo tree` for the crates linked into the program, and for
    those and the crates used in the build; `lock` is the text of Cargo.lock; `epoch` is in seconds
    since 1970."""
    checksums = {
        (one["name"], one["version"]): one["checksum"]
        for one in tomllib.loads(lock)["package"]
        if "checksum" in one
    }
    packages = {package["id"]: package for package in metadata["packages"]}
    linked, taking_part = parts(linked), parts(taking_part)
    root = packages[metadata["resolve"]["root"]]
    own = set(metadata["workspace_members"])
    shown = {
        id: package
        for id, package in packages.items()
        if (package["name"], package["version"]) in taking_part or id in own
    }
    components = [
        component(
            package,
            checksums,
            "required" if (package["name"], package["version"]) in linked else "excluded",
        )
        for id, package in shown.items()
        if id not in own
    ]
    purls = {
        id: f"pkg:cargo/{package['name']}@{package['version']}" for id, package in shown.items()
    }
    purls |= dict.fromkeys(own, purls[root["id"]])
    depends_on = {purl: set() for purl in purls.values()}
    for node in metadata["resolve"]["nodes"]:
        if node["id"] in shown:
            purl = purls[node["id"]]
            depends_on[purl] |= {
                purls[one["pkg"]]
                for one in node["deps"]
                if one["pkg"] in shown
                and purls[one["pkg"]] != purl
                and any(kind["kind"] != "dev" for kind in one["dep_kinds"])
            }
    dependencies = [
        {"ref": purl, "dependsOn": sorted(others)} for purl, others in depends_on.items()
    ]
    itself = {
        "type": "application",
        "bom-ref": purls[root["id"]],
        "name": root["name"],
        "version": root["version"],
        "description": root["description"],
    }
    itself |= {"purl": purls[root["id"]], "licenses": licences(root["license"])}
    return {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPEC}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC,
        "serialNumber": f"urn:uuid:{uuid.uuid5(NAMESPACE, root['version'] + ' ' + commit)}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.datetime.fromtimestamp(epoch, datetime.UTC).strftime(
                "%Y-%m-%dT%H:%M:%SZ"
            ),
            "component": itself,
            "properties": [{"name": "egov-kpi:commit", "value": commit}],
        },
        "components": sorted(components, key=lambda one: one["purl"]),
        "dependencies": sorted(dependencies, key=lambda one: one["ref"]),
    }
