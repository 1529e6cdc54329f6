"""Changes that PostgreSQL shows although no standby has them."""

import contextlib
import os
import signal
import threading
import time

from cluster import children_of
from common import Fault, Lost, Refused, own_cluster
from registry import Caller, Place, attack
from sample import figure, fill

ASKED = 12  # seconds in which the change must not be confirmed
REPEATED = {"Idempotency-Key": "no-standby-has-it"}


@attack("a synchronous standby that does not follow")
def a_change_that_no_standby_has(place: Place):
    """A commit waits for a standby that does not respond; the primary crashes and starts again.
    Then the primary shows the commit, although a failover would lose it. It must not be confirmed
    before the standby has it: neither to the client that waits, nor to one that repeats it."""
    primary = own_cluster(place.folder / "primary", False).start()
    standby = own_cluster(place.folder / "standby", False)
    primary.create_database("ledger")
    standby.standby_of(primary).start()
    primary.make_synchronous(["standby"])
    database = primary.url("ledger")
    served, key = place.serve(database), fill(place, database)
    stopped = [standby.pid, *children_of(standby.pid)]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    statuses, ending = [], threading.Event()
    client = threading.Thread(
        target=_repeat, args=(Caller(served, key, timeout=40), statuses, ending), daemon=True
    )
    try:
        client.start()
        time.sleep(1)  # the commit waits
        primary.kill9()
        primary.start()
        time.sleep(ASKED)
        early = list(statuses)
        shown = primary.psql("SELECT count(*) FROM idempotency_keys", "ledger")
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    place.check(shown == "1", "the primary does not show the commit: no result", shown)
    place.check(
        not {200, 201} & set(early), "a change that no standby has was confirmed", str(early)
    )
    deadline = time.monotonic() + 30
    while not {200, 201} & set(statuses):
        if time.monotonic() > deadline:
            raise Fault(f"not confirmed although the standby follows again: {statuses[-3:]}")
        time.sleep(0.1)
    ending.set()
    client.join(45)
    return f"{len(early)} responses while the standby stood still, none of them confirmed it"


def _repeat(caller, statuses, ending):
    """Posts one figure with the same key until it is confirmed; records every status."""
    while not ending.is_set() and not {200, 201} & set(statuses):
        with contextlib.suppress(Lost, Refused):
            statuses.append(caller.post("/api/v1/observations", figure(4711), REPEATED).status)
        time.sleep(0.2)
