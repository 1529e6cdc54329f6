"""Conditions that block the service or its shutdown."""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time

from cluster import children_of
from common import Fault, Lost, own_cluster
from registry import Caller, Place, attack

SHUTDOWN_LIMIT = 40  # seconds after SIGTERM (docs/limits.md)
FIGURE = {"indicator": "ioffice.documents.outgoing", "unit": "travinh", "period": "2021-05"}


@attack("a database that stands still", long=True)
def shutdown_while_the_database_is_frozen(place: Place):
    """The process ends in time on SIGTERM although the writer waits for a stopped server."""
    cluster = own_cluster(place.folder / "server", False).start()
    cluster.create_database("ledger")
    database = cluster.url("ledger")
    key = place.key(database, "admin")
    served = place.serve(database)
    stopped = [cluster.pid, *children_of(cluster.pid)]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        post = threading.Thread(target=_post, args=(Caller(served, key, timeout=60),), daemon=True)
        post.start()
        time.sleep(1)
        began = time.monotonic()
        served.process.terminate()
        try:
            code = served.process.wait(SHUTDOWN_LIMIT + 5)
        except subprocess.TimeoutExpired:
            raise Fault(f"SIGTERM did not end the process within {SHUTDOWN_LIMIT + 5} s") from None
        return f"ended with code {code} after {time.monotonic() - began:.1f} s"
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


def _post(caller):
    with contextlib.suppress(Lost):
        caller.post("/api/v1/observations", json.dumps({"observations": [FIGURE | {"value": 1}]}))
