"""Whether a run is alive, decided honestly: by the lock of its supervisor, never by a PID alone."""

from __future__ import annotations

import time

from loratui.events import ENDED, RunState
from loratui.runs import lock
from loratui.runs.layout import Run, Status, read_status
from loratui.runs.process import is_running
from loratui.runs.supervision.orphans import orphans

STALE = 30.0
"""Seconds without a heartbeat after which a run on a volume without flock may be taken for lost."""
STARTING = 15.0
"""Seconds a new run may wait for its supervisor before it counts as lost."""


LOST = (
    "Its supervisor is gone without a last word: the machine restarted, or it was killed."
    " Resume goes on from the last saved state."
)


def is_alive(run: Run, status: Status | None) -> bool:
    """Whether a supervisor keeps this run: the lock says so. On a volume without flock, its heartbeat does
    or, failing that, its process. A run just made is given time to get one."""
    held = lock.is_held(run.lock)
    if held or status is None:
        return bool(held)
    if status.state in ENDED:
        return False
    age = time.time() - status.updated
    if status.supervisor is None:
        return age < STARTING
    return held is None and (age < STALE or is_running(status.supervisor))


def state(run: Run, status: Status | None = None) -> tuple[RunState, str]:
    """The honest state of a run and its reason: what status.json says, unless nobody keeps it any more."""
    status = status or read_status(run)
    if status is not None and (status.state in ENDED or status.state == "queued"):
        return status.state, status.reason
    if is_alive(run, status):
        return (status.state, status.reason) if status else ("starting", "")
    latest = read_status(run)  # it may have ended between the two looks
    if latest is not None and latest.state in ENDED:
        return latest.state, latest.reason
    return "lost", f"{LOST}{_still_there(run, latest)}"


def _still_there(run: Run, status: Status | None) -> str:
    left = orphans(run, status)
    if not left:
        return ""
    return f" Its trainer still runs (PID {left[0]}) and holds the GPU: stopping or resuming ends it."
