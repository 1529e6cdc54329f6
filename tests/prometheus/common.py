"""Shared by the Prometheus tests: starts the program and a real Prometheus, and queries both."""

import contextlib
import json
import os
import re
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def binary():
    """Returns the program: EGOV_KPI, by default target/release/egov-kpi of this repository."""
    return os.environ.get("EGOV_KPI") or str(ROOT / "target" / "release" / "egov-kpi")


def run(*command, **options):
    """Runs a program to its end and returns its output as text."""
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise SystemExit(
            f"{' '.join(map(str, command))}: exit code "
            f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        )
    return done.stdout


def ask(url, parameters=None, post=False):
    """Queries a Prometheus API; returns status and body, also of error responses."""
    form = urllib.parse.urlencode(parameters or [])
    request = urllib.request.Request(
        url if post or not form else f"{url}?{form}", data=form.encode() if post else None
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def text(url):
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read().decode()


def until(what, holds, seconds=60):
    """Waits until `holds()` is true."""
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > seconds:
            raise SystemExit(f"not {what} within {seconds} s")
        time.sleep(0.1)


@contextlib.contextmanager
def running(*command, log=subprocess.DEVNULL, **options):
    """Runs a program during the block."""
    process = subprocess.Popen(command, stderr=log, **options)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


@contextlib.contextmanager
def service(*arguments):
    """Runs the service during the block; yields its address."""
    with running(
        binary(), *arguments, "--listen", "127.0.0.1:0", stdout=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout:
            if found := re.match(r"listening on (http://\S+)", line):
                yield found[1]
                return
        raise SystemExit(f"{' '.join(arguments)} ended without listening")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def prometheus(folder, configuration, *flags):
    """Runs a real Prometheus during the block; yields its address."""
    (folder / "prometheus.yml").write_text(configuration)
    address = f"127.0.0.1:{free_port()}"
    with (folder / "prometheus.log").open("w") as log:
        command = [
            "prometheus",
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address={address}",
            *flags,
        ]
        with running(*command, log=log, stdout=subprocess.DEVNULL):

            def ready():
                with contextlib.suppress(OSError):
                    return (
                        urllib.request.urlopen(f"http://{address}/-/ready", timeout=5).status == 200
                    )
                return False

            until("Prometheus ready", ready)
            yield f"http://{address}"
