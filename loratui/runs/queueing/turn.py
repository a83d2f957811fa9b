"""Who comes before a run: the ones that train now, and the ones that wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loratui.events import RunState
from loratui.runs import store
from loratui.runs.follow import RunFollower
from loratui.runs.hardware import gpu_locks
from loratui.runs.queueing import queue_file

TRAINS: frozenset[RunState] = frozenset({"starting", "running", "stopping"})


@dataclass(frozen=True, slots=True)
class Training:
    """A run that trains now."""

    id: str
    name: str
    step: int
    total_steps: int | None
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class Turn:
    """Where a run stands, or would stand, in the queue."""

    place: int
    """From 1; 0 when it does not wait (any more)."""
    of: int
    """How many wait."""
    held: bool
    before: tuple[str, ...]
    """Names of those that wait before it and are not held."""
    training: tuple[Training, ...]
    stopped: str
    """Why the queue starts nothing; empty while it does."""
    worked_off: bool
    """Whether somebody works the queue off, or nothing is there to be started."""


_followers: dict[str, RunFollower] = {}
"""Kept, so that looking again reads only what is new."""


def training_now() -> tuple[Training, ...]:
    """The runs that train now, newest first."""
    runs = [run for run in store.all_runs() if store.state(run)[0] in TRAINS]
    for run_id in _followers.keys() - {run.id for run in runs}:
        _followers.pop(run_id, None)
    found = []
    for run in runs:
        view = _followers.setdefault(run.id, RunFollower(run)).poll()
        found.append(
            Training(run.id, store.summary(run).name, view.step, view.total_steps, view.seconds_left)
        )
    return tuple(found)


def busy(processes: int = 1) -> tuple[Training, ...]:
    """The runs that leave too few GPUs for a training of so many processes; empty while there are enough."""
    return training_now() if gpu_locks.are_busy(processes) else ()


def of(run_id: str = "") -> Turn:
    """The turn of a waiting run; without one, of a run that would be added now."""
    now = queue_file.read()
    waits = run_id in now.order
    at = now.order.index(run_id) if waits else len(now.order)
    before = [store.summary(queue_file.run_of(one)).name for one in now.order[:at] if one not in now.held]
    return Turn(
        place=at + 1 if waits or not run_id else 0,
        of=len(now.order),
        held=run_id in now.held,
        before=tuple(before),
        training=training_now(),
        stopped=now.stopped,
        worked_off=not now.ready or queue_file.is_worked_off(),
    )


def names(training: Sequence[Training]) -> str:
    """``hero and anna``, ``hero, anna and 2 more``."""
    words = [one.name for one in training]
    if len(words) > 3:
        return f"{', '.join(words[:2])} and {len(words) - 2} more"
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))
