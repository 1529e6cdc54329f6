"""Programs that serve HTTP: the service, an earlier build of it, and the references."""

import http.client
import json
import re
import subprocess
import time
from pathlib import Path

from common import HOST, Fault, at_end, environment


class Serving:
    """A started program that first prints `listening on http://ADDRESS`."""

    def __init__(self, name, command, folder):
        self.name, self._err = name, folder / f"{name}.err"
        self.started = time.monotonic()
        out = folder / f"{name}.out"
        with open(out, "wb") as stdout, open(self._err, "wb") as stderr:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env=environment(),
                start_new_session=True,
            )
        at_end(self.stop)
        self.url = self._address(out, 600)
        self.port = int(self.url.rpartition(":")[2])

    def _address(self, out, seconds):
        deadline = time.monotonic() + seconds
        while True:
            found = re.match(r"listening on (http://\S+)\n", out.read_text(errors="replace"))
            if found:
                return found[1]
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Fault(f"{self.name} did not start: {self._err.read_text()[-400:]}")
            time.sleep(0.003)

    def stop(self):
        """Ends it."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    @property
    def token(self):
        """The one-time token that the service printed when its ledger has no key yet."""
        found = re.findall(r"\bsetup_[A-Za-z0-9_-]+", self._err.read_text(errors="replace"))
        return found[-1] if found else None

    def memory(self, name="VmRSS"):
        """A number of /proc/PID/status in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE)[1]) * 1024

    def forget_peak(self):
        """Makes VmHWM begin again at the memory of now."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def get(self, path, headers=None, timeout=120):
        """Sends a GET over a connection of its own; returns (status, headers, body)."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=timeout)
        try:
            connection.request("GET", path, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def read(self, path):
        """GETs a JSON document."""
        status, _, body = self.get(path)
        if status != 200:
            raise Fault(f"{self.name}: GET {path[:200]}: {status} {body[:300]!r}")
        return json.loads(body)

    def ready(self, seconds=600):
        """Waits until /readyz is 200; returns the seconds since the start."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if self.get("/readyz")[0] == 200:
                    return time.monotonic() - self.started
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Fault(f"{self.name} is not ready: {self._err.read_text()[-400:]}")
            time.sleep(0.005)


def service(name, program, database, folder):
    """Starts the service over a ledger and waits until it is ready."""
    started = Serving(
        name,
        [
            *(program, "--log", "error", "serve", "--listen", f"{HOST}:0"),
            *("--database", database, "--rate-limit", "off"),
        ],
        folder,
    )
    started.ready()
    return started
