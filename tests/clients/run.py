#!/usr/bin/env -S python3 -B
"""Generates clients from openapi/openapi.json, compiles them, and runs a program with each against
the demo: it records a figure twice with one idempotency key, reads it back, reads a trend, and gets
the typed error of an unknown unit.

    tests/clients/run.py                 the examples of the document, Python and TypeScript
    tests/clients/run.py all             all languages
    tests/clients/run.py LANGUAGE...     these

`examples` stands for tests/clients/examples.py --check.

EGOV_KPI names the program, by default target/debug/egov-kpi of this repository. The versions of the
generators are fixed below. What is missing is installed: with pip and npm below target/clients, and
as root on Debian. Prints a line for each language; exit code 1 if one fails."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from examples import DOCUMENT, ROOT, running

HERE = Path(__file__).resolve().parent
WORK = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve() / "clients"
TOOLS = [
    "openapi-generator-cli==7.26.0",
    "openapi-python-client==0.29.1",
    "attrs==25.4.0",
    "httpx==0.28.1",
    "jsonschema==4.26.0",
    "mypy==2.4.1",
    "python-dateutil==2.9.0.post0",
]
# A build of Json.NET for mono; the one of Debian is too old for the generated code.
JSON_NET = "jillejr.newtonsoft.json-for-unity@12.0.101"


def run(*command, **options):
    """Runs a command; shows what it printed if it fails."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, **options}
    done = subprocess.run([str(part) for part in command], **options)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))[:300]}\n{(done.stdout or '')[-6000:]}")
    return done.stdout


def need(*programs):
    """Installs the Debian package of each program that is missing: pairs of both names."""
    missing = [package for program, package in programs if not shutil.which(program)]
    install(missing)


def install(packages):
    """Installs Debian packages."""
    if packages:
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        run("apt-get", "update", "-qq")
        run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages, env=env)


def tools():
    """The folder of the generators, which are installed if they are missing."""
    venv = WORK / "tools"
    ready, wanted = venv / "ready", " ".join(TOOLS)
    if not ready.exists() or ready.read_text() != wanted:
        run(sys.executable, "-m", "venv", venv)
        run(venv / "bin" / "pip", "install", "--quiet", *TOOLS)
        ready.write_text(wanted)
    return venv


def generate(generator, target, **properties):
    """Runs OpenAPI Generator."""
    need(("java", "default-jre-headless"))
    jar = next(tools().glob("lib/*/site-packages/openapi_generator_cli/openapi-generator.jar"))
    shutil.rmtree(target, ignore_errors=True)
    settings = ",".join(f"{name}={value}" for name, value in properties.items())
    # Only the code; without skipFormModel=false the models of forms would be missing.
    only = "skipFormModel=false,apiTests=false,modelTests=false,apiDocs=false,modelDocs=false"
    command = ["java", "-jar", jar, "generate", "-i", DOCUMENT, "-g", generator, "-o", target]
    command += ["--global-property", only]
    run(*command, *(["--additional-properties", settings] if settings else []))
    return jar


def copied(language):
    """A new folder with the program of a language; what was built there earlier stays."""
    folder = WORK / language
    shutil.copytree(HERE / language, folder, dirs_exist_ok=True)
    return folder


def python():
    folder, venv = copied("python"), tools()
    command = [venv / "bin" / "openapi-python-client", "generate", "--path", DOCUMENT]
    run(*command, "--meta", "none", "--overwrite", "--output-path", folder / "egov_kpi")
    # The generator leaves imports and parameters unused, which only a linter would mind.
    run(venv / "bin" / "mypy", "--strict", "--follow-imports=silent", "program.py", cwd=folder)
    return [venv / "bin" / "python", "-B", folder / "program.py"]


def examples():
    return [tools() / "bin" / "python", "-B", HERE / "examples.py", "--check"]


def node_modules(folder):
    """The packages of package.json, which are installed if they are missing."""
    need(("npm", "npm"))
    kept, wanted = folder / "node_modules" / "ready", (folder / "package.json").read_text()
    if not kept.exists() or kept.read_text() != wanted:
        run("npm", "install", "--no-audit", "--no-fund", cwd=folder)
        kept.write_text(wanted)
    return folder / "node_modules" / ".bin"


def typescript():
    folder = copied("typescript")
    programs = node_modules(folder)
    run(programs / "openapi-typescript", DOCUMENT, "-o", folder / "schema.ts")
    run(programs / "tsc", "--project", folder)
    return ["node", folder / "built" / "program.js"]


def typescript_fetch():
    folder = copied("typescript-fetch")
    shutil.copy(HERE / "typescript" / "package.json", folder)
    programs = node_modules(folder)
    generate("typescript-fetch", folder / "client", importFileExtension=".js")
    run(programs / "tsc", "--project", folder)
    return ["node", folder / "built" / "program.js"]


def go():
    shutil.rmtree(WORK / "go", ignore_errors=True)
    folder = copied("go")
    need(("go", "golang-go"))
    generate("go", folder / "client", packageName="egovkpi", enumClassPrefix="true")
    # Its own module, and tests that need a module that Debian does not have
    for name in ("go.mod", "go.sum"):
        (folder / "client" / name).unlink(missing_ok=True)
    shutil.rmtree(folder / "client" / "test", ignore_errors=True)
    env = {**os.environ, "GOFLAGS": "-mod=mod", "GOPROXY": "off"}
    run("go", "vet", "./client", ".", cwd=folder, env=env)
    run("go", "build", "-o", "program", ".", cwd=folder, env=env)
    return [folder / "program"]


def java():
    folder = copied("java")
    need(("javac", "default-jdk-headless"))
    names = {"invokerPackage": "egovkpi", "apiPackage": "egovkpi.api"}
    names |= {"modelPackage": "egovkpi.model", "openApiNullable": "false"}
    names |= {"hideGenerationTimestamp": "true"}
    jar = generate("java", folder / "client", library="native", **names)
    # The generator's own file has the libraries that the client needs (Jackson).
    sources = [*(folder / "client" / "src" / "main").rglob("*.java"), *folder.glob("*.java")]
    shutil.rmtree(folder / "built", ignore_errors=True)
    run("javac", "-nowarn", "-cp", jar, "-d", folder / "built", *sources)
    return ["java", "-cp", f"{jar}:{folder / 'built'}", "Program"]


def rust():
    folder = copied("rust")
    generate("rust", folder / "client", packageName="egov-kpi-client", library="reqwest")
    env = {**os.environ, "CARGO_TARGET_DIR": str(folder / "target")}
    run("cargo", "build", "--quiet", "--locked", cwd=folder, env=env)
    return [folder / "target" / "debug" / "program"]


def csharp():
    folder = copied("csharp")
    need(("mcs", "mono-mcs"), ("mono", "mono-runtime"), ("npm", "npm"))
    libraries = ["net-http", "web", "componentmodel-dataannotations", "runtime-serialization"]
    libraries = [f"libmono-system-{name}4.0-cil" for name in libraries]
    found = subprocess.run(["dpkg", "-s", *libraries], capture_output=True)
    if found.returncode != 0:
        install(libraries)
    json_net = folder / "Newtonsoft.Json.dll"
    if not json_net.exists():
        archive = run("npm", "pack", "--silent", JSON_NET, cwd=folder).strip()
        shutil.unpack_archive(folder / archive, folder)
        shutil.copy(next(folder.glob("package/Plugins/*Editor/Newtonsoft.Json.dll")), json_net)
    names = {"packageName": "EgovKpi", "targetFramework": "net48", "library": "httpclient"}
    generate("csharp", folder / "client", **names)
    sources = [*(folder / "client" / "src" / "EgovKpi").rglob("*.cs"), *folder.glob("*.cs")]
    libraries = "System.Net.Http System.Web System.ComponentModel.DataAnnotations"
    libraries += " System.Runtime.Serialization Newtonsoft.Json.dll"
    command = ["mcs", "-langversion:latest", "-out:program.exe", "-nowarn:0472,0612,0618"]
    command += [f"-r:{library}" for library in libraries.split()]
    run(*command, *sources, cwd=folder)
    return ["mono", folder / "program.exe"]


LANGUAGES = {
    "examples": (examples, "compared with the demo and with their schemas"),
    "python": (python, "openapi-python-client, mypy --strict"),
    "typescript": (typescript, "openapi-typescript, openapi-fetch, tsc --strict"),
    "typescript-fetch": (typescript_fetch, "OpenAPI Generator, tsc --strict"),
    "go": (go, "OpenAPI Generator, go vet"),
    "java": (java, "OpenAPI Generator, library native"),
    "rust": (rust, "OpenAPI Generator, reqwest"),
    "csharp": (csharp, "OpenAPI Generator, mono"),
}
SHORT = ["examples", "python", "typescript"]


def main():
    wanted = sys.argv[1:] or SHORT
    wanted = list(LANGUAGES) if wanted == ["all"] else wanted
    if unknown := set(wanted) - set(LANGUAGES):
        sys.exit(f"unknown language {', '.join(unknown)}; known: {', '.join(LANGUAGES)}")
    operations = sum(map(len, json.loads(DOCUMENT.read_text())["paths"].values()))
    failed = []
    with running("demo") as address:
        for number, language in enumerate(wanted):
            began, (build, how) = time.monotonic(), LANGUAGES[language]
            try:
                command = build()
                # Its own value, so that each language records something
                asked = [] if language == "examples" else [address, 500 + number]
                run(*command, *asked, env={**os.environ, "NO_PROXY": "127.0.0.1"})
            except SystemExit as error:
                failed.append(language)
                print(f"{language}: FAILED: {error}", flush=True)
                continue
            took = time.monotonic() - began
            print(f"{language}: works ({how}; {operations} operations, {took:.0f} s)", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
