"""A trainer that outlived its supervisor and its guard, which were killed at once. It goes on, holds the GPU,
and nobody writes down what it does."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from loratui.runs.layout import Run, Status
from loratui.runs.process import boot_id, group_members

GRACE = 10.0
"""Seconds it gets to save and leave."""
_TO_DIE = 5.0
"""Seconds a killed one may take to be gone: it may be writing."""


def orphans(run: Run, status: Status | None) -> list[int]:
    """PIDs that are left of a lost run's trainer. Its group's number may be another's by now, so each must
    name the run's folder in its command."""
    trainer = status.trainer if status else None
    if trainer is None or trainer.boot_id != boot_id() or not _exists(trainer.pid):
        return []
    return [pid for pid in group_members(trainer.pid) if os.fsencode(run.folder) in _command(pid)]


def end_orphans(run: Run, status: Status | None, grace: float = GRACE) -> bool:
    """End them: asked first, then killed. Returns whether there were any."""
    first = left = orphans(run, status)
    _signal(left, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while left and time.monotonic() < deadline:
        time.sleep(0.1)
        left = orphans(run, status)
    _signal(left, signal.SIGKILL)
    deadline = time.monotonic() + _TO_DIE
    while orphans(run, status) and time.monotonic() < deadline:
        time.sleep(0.1)
    return bool(first)


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _exists(group: int) -> bool:
    """Whether a process group has members; cheap, for most lost runs have none."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
