"""queue.json: which runs wait, in which order, which of them are held back. Changed under a lock."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from loratui import places
from loratui.problems import Problem, UserError
from loratui.runs import lock
from loratui.runs.files import PRIVATE_FOLDER, replace_file
from loratui.runs.layout import Run, Status, read_status

AfterFailure = Literal["go-on", "stop"]


class Queue(msgspec.Struct, frozen=True):
    """queue.json."""

    order: tuple[str, ...] = ()
    """Ids of waiting runs, the next one first."""
    held: tuple[str, ...] = ()
    """Those that are passed over until released."""
    after_failure: AfterFailure = "go-on"
    stopped: str = ""
    """Why nothing is started for now; empty while all is well."""
    started: tuple[str, ...] = ()
    """Runs of the queue whose end nobody has seen yet."""

    @property
    def ready(self) -> tuple[str, ...]:
        """Those that may start, in order."""
        return () if self.stopped else tuple(run_id for run_id in self.order if run_id not in self.held)


def read() -> Queue:
    """The queue as it is, without runs that are gone or no longer waiting."""
    try:
        found = msgspec.json.decode(_path().read_bytes(), type=Queue)
    except (OSError, ValueError):
        return Queue()
    waiting = tuple(run_id for run_id in dict.fromkeys(found.order) if _is_waiting(run_id))
    held = tuple(run_id for run_id in found.held if run_id in waiting)
    return msgspec.structs.replace(found, order=waiting, held=held)


def run_of(run_id: str) -> Run:
    """The folder of a waiting run."""
    return Run(run_id, places.runs_folder() / run_id)


def is_worked_off() -> bool:
    """Whether a process works the queue off."""
    return bool(lock.is_held(worker_lock()))


def worker_lock() -> Path:
    """The lock of the process that works the queue off."""
    return places.home() / "queue-worker.lock"


def _path() -> Path:
    return places.home() / "queue.json"


def _is_waiting(run_id: str) -> bool:
    status = read_status(run_of(run_id))
    return status is not None and status.state == "queued"


def require_waiting(run: Run) -> None:
    """Raises ``UserError`` when a run does not wait (any more)."""
    status = read_status(run) or Status("lost")
    if status.state != "queued":
        raise UserError(
            "",
            Problem("", f"{run.id} does not wait in the queue: it is {status.state}.", "See: loratui queue"),
        )


@contextmanager
def locked() -> Iterator[None]:
    """Nobody else changes the queue meanwhile. Raises ``UserError`` when somebody does for long."""
    places.home().mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    try:
        held = lock.hold(places.home() / "queue.lock", patience=5.0)
    except lock.LockHeldError as error:
        raise UserError(str(error), Problem("", "another process changes the queue.", "Try again.")) from None
    try:
        yield
    finally:
        os.close(held)


def change(how: Callable[[Queue], Queue]) -> None:
    """Change the queue under its lock. Raises ``UserError``."""
    with locked():
        write(how(read()))


def write(queue: Queue) -> None:
    """Write the queue down; for those who hold its lock. Raises ``UserError``."""
    try:
        replace_file(_path(), msgspec.json.format(msgspec.json.encode(queue)))
    except OSError as error:
        raise UserError(
            str(_path()), Problem("", f"it cannot be written: {error.strerror}.", "Free some space.")
        ) from None
