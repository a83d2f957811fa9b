"""Making a step, and saying which one counts. The only writer of a history."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from loratui.dataset.history import record as records
from loratui.dataset.history.build import Progress, fill, settle
from loratui.dataset.history.changes import require_same
from loratui.dataset.history.listing import list_set
from loratui.dataset.history.log import History, Step, find
from loratui.dataset.history.plan import Plan
from loratui.dataset.history.record import Record
from loratui.dataset.history.where import MARKER, POINTER, Whereabouts, write_marker
from loratui.problems import UserError, refusal

_BUILDING = ".building-"
_LOCK = ".lock"
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP})
"""What network file systems without locks answer; the renames are safe there too."""


def apply(
    plan: Plan,
    on_progress: Progress = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Step:
    """Make a plan the new current step. It is made whole or not at all.

    Raises ``UserError``: the set was changed since the plan was made, another loratui is at work on it, the
    disk refuses (full, read-only), or something cannot be made. Raises ``probing.Cancelled``.
    """
    base, where = plan.base, plan.base.history.where
    files = plan.files()
    try:
        _found(where)
        with _locked(where):
            now = find(where.steps)
            if now.number != base.history.number:
                raise _stale(plan, f"step {now.number} counts by now")
            changed = _difference(plan)
            if changed:
                raise _stale(plan, f"{changed} was changed")
            number = 1 + max([step.number for step in now.steps] + _numbers(where.steps))
            ancestors: tuple[int, ...] = ()
            current = now.step(now.number)
            if current is not None and current.record is not None:
                ancestors = (*current.record.ancestors, current.number)
            record = Record(
                number,
                plan.operation,
                plan.words,
                datetime.now(UTC).isoformat(timespec="seconds"),
                ancestors,
                len(files),
                tuple(name for name in base.listing.files if name not in files),
            )
            folder = where.steps / f"{number:02}_{_slug(plan.operation)}"
            building = _new_folder(where.steps, _BUILDING)
            try:
                fill(building, base.root, files, on_progress, cancelled)
                records.write(building, record, base.origin)
                settle([building / records.RECORD, building / records.ORIGIN], {building})
                building.rename(folder)
                _point(where, folder)
            finally:
                shutil.rmtree(building, ignore_errors=True)
    except OSError as error:
        raise _refused(where, error) from None
    return Step(number, folder, record)


def undo(path: Path, to: int | None = None) -> tuple[Step, Step]:
    """Let the step before the current one count again, or step ``to``; 0 is the person's own folder. What
    was undone stays on the disk. Returns the step left and the step that counts.

    Raises ``UserError`` when there is nothing to undo, no such step, or the person's folder is gone.
    """
    history = find(path)
    left = history.step(history.number) or Step(history.number, history.where.steps, None)
    target = history.before if to is None else history.step(to)
    if history.number == 0 and to in (None, 0):
        raise refusal(history.source, "there is nothing to undo.", "Your folder is as you left it.")
    if target is None:
        numbers = ", ".join(str(step.number) for step in history.steps)
        raise refusal(history.source, f"there is no step {to}.", f"There are: {numbers}.")
    _switch(history, target)
    return left, target


def redo(path: Path) -> Step:
    """Let the newest step that was built upon the current one count again. Raises ``UserError``."""
    history = find(path)
    after = history.after
    if after is None:
        raise refusal(
            history.source,
            "there is nothing to redo: nothing was undone here.",
            f"loratui dataset history {history.source} lists what there is.",
        )
    _switch(history, after)
    return after


def _switch(history: History, target: Step) -> None:
    where = history.where
    if target.number == 0 and not where.source.is_dir():
        raise refusal(
            where.source, "this folder is gone, so its history cannot go back to it.", "Copy it back here."
        )
    if target.number and where.source.is_dir():
        require_same(where, target.folder)
    try:
        with _locked(where):
            _point(where, target.folder if target.number else None)
    except OSError as error:
        raise _refused(where, error) from None


def _point(where: Whereabouts, step: Path | None) -> None:
    """Let a step count, by one rename."""
    pointer = where.steps / POINTER
    if step is None:
        pointer.unlink(missing_ok=True)
    else:
        temporary = where.steps / f".{POINTER}-{os.getpid()}"
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(step.name)
        temporary.replace(pointer)
    settle([], {where.steps})


def _found(where: Whereabouts) -> None:
    """Make the folder of steps, with its marker in it from the first moment."""
    if (where.steps / MARKER).is_file():
        return
    where.steps.parent.mkdir(parents=True, exist_ok=True)
    new = _new_folder(where.steps.parent, ".loratui-steps-")
    try:
        write_marker(new, where)
        settle([new / MARKER], {new})
        new.rename(where.steps)
        settle([], {where.steps.parent})
    finally:
        shutil.rmtree(new, ignore_errors=True)


@contextmanager
def _locked(where: Whereabouts) -> Iterator[None]:
    """Hold a history, and clear away what a kill left half made."""
    descriptor = os.open(where.steps / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise refusal(
                where.source, "another loratui is changing this dataset.", "Wait until it has finished."
            ) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        for leftover in where.steps.glob(f"{_BUILDING}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        yield
    finally:
        os.close(descriptor)


def _difference(plan: Plan) -> str:
    """The first file that is not as the plan saw it."""
    then, now = plan.base.listing.files, list_set(plan.base.root).files
    if then == now:
        return ""
    return next((name for name in {**then, **now} if then.get(name) != now.get(name)), "")


def _numbers(steps: Path) -> list[int]:
    """Numbers in use, also by folders whose record cannot be read."""
    heads = (path.name.partition("_")[0] for path in steps.iterdir())
    return [int(head) for head in heads if head.isdecimal()]


def _slug(words: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:40] or "step"


def _new_folder(parent: Path, prefix: str) -> Path:
    folder = parent / f"{prefix}{os.getpid()}-{secrets.token_hex(4)}"
    folder.mkdir()
    return folder


def _stale(plan: Plan, what: str) -> UserError:
    return refusal(plan.base.source, f"{what} since this preview was made.", "Look at a new preview first.")


def _refused(where: Whereabouts, error: OSError) -> UserError:
    reason = error.strerror or str(error)
    name = f" ({Path(os.fsdecode(error.filename)).name})" if error.filename else ""
    with suppress(OSError):
        free = shutil.disk_usage(where.steps.parent).free
        reason += f"; {free / 1e9:.1f} GB are free there"
    return refusal(
        where.steps,
        f"the step could not be made{name}: {reason}.",
        "Nothing was changed. Make room, or see to the rights, and do it again.",
    )
