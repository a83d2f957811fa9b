"""The runs of this machine: a new one, the list, and the one meant by a few letters."""

from __future__ import annotations

import contextlib
import difflib
import errno
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from loratui import places
from loratui.events import RunState
from loratui.problems import Problem, UserError
from loratui.recipe import EngineName, Recipe, dumps
from loratui.runs import liveness, lock
from loratui.runs.files import PRIVATE_FOLDER, replace_file
from loratui.runs.layout import Run, RunFile, Status, read_run_file, read_status, write_status

__all__ = [
    "Run",
    "RunFile",
    "RunSummary",
    "Status",
    "all_runs",
    "create",
    "find",
    "is_kept",
    "read_run_file",
    "read_status",
    "state",
    "summarize",
    "summary",
]


state = liveness.state


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One row of the list of runs."""

    id: str
    name: str
    engine: EngineName
    state: RunState
    reason: str
    step: int
    total_steps: int | None
    loss: float | None
    model: str
    started: str
    """ISO 8601, UTC: when the run was created."""
    folder: Path
    final_file: str
    family: str = ""
    """Of the base model, where run.json says."""


def create(
    recipe: Recipe, engine_name: EngineName, total_steps: int | None = None, state: RunState = "starting"
) -> Run:
    """A new run folder, in this state, with nothing running yet. Raises ``UserError`` when it cannot be
    made. Until run.json is there, which comes last, no list shows it."""
    runs = places.runs_folder()
    now = datetime.now(UTC)
    try:
        runs.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        runs.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
        run = _new_folder(runs, f"{now.astimezone():%Y%m%d-%H%M%S}-{_slug(recipe.output.name)}")
        for folder in (run.control, run.checkpoints, run.samples):
            folder.mkdir(mode=PRIVATE_FOLDER)
        with contextlib.suppress(OSError):  # a volume without symbolic links keeps samples with checkpoints
            (run.checkpoints / "sample").symlink_to("../samples", target_is_directory=True)
        replace_file(run.recipe, dumps(recipe).encode())
        planned = total_steps if total_steps is not None else recipe.steps.target
        write_status(run, Status(state, total_steps=planned, started=now.timestamp()))
        about = RunFile(
            id=run.id,
            name=recipe.output.name,
            engine=engine_name,
            created=now.isoformat(),
            total_steps=planned,
            model=Path(recipe.base.model).name or recipe.base.model,
            summary=summarize(recipe),
            family=recipe.base.family or "",
        )
        replace_file(run.run_file, msgspec.json.format(msgspec.json.encode(about)))
    except OSError as error:
        raise UserError(
            str(error.filename or runs),
            Problem("", f"the run's folder cannot be written: {error.strerror}.", _way_out(error)),
        ) from None
    return run


def _way_out(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "Free some space, or set LORATUI_HOME to a folder on another disk."
    return "Set LORATUI_HOME to a folder you can write to."


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:40] or "run"


def _new_folder(runs: Path, base: str) -> Run:
    number = 1
    while True:
        run_id = base if number == 1 else f"{base}-{number}"
        try:
            (runs / run_id).mkdir(mode=PRIVATE_FOLDER)
        except FileExistsError:
            number += 1
            continue
        return Run(run_id, runs / run_id)


def summarize(recipe: Recipe) -> str:
    """A recipe in one line, as the list of runs shows it."""
    steps, network = recipe.steps, recipe.network
    length = f"{steps.epochs} epochs" if steps.epochs is not None else f"{steps.target} steps"
    rate = f"{recipe.optimizer.name} {recipe.optimizer.unet_rate:g}"
    return f"{network.type} rank {network.rank} alpha {network.alpha:g} · {rate} · {length}"


def summary(run: Run) -> RunSummary:
    """What the list shows of a run. Raises ``UserError`` when its folder holds no readable run.json."""
    about = read_run_file(run)
    if about is None:
        raise UserError(str(run.folder), Problem("", "this is not a run's folder.", "See: loratui runs"))
    return _summary(run, about)


def is_kept(run: Run) -> bool:
    """Whether a supervisor, or the guard it leaves behind, still holds this run's lock."""
    return bool(lock.is_held(run.lock))


def _summary(run: Run, about: RunFile) -> RunSummary:
    status = read_status(run)
    current, reason = liveness.state(run, status)
    status = status or Status(current)
    return RunSummary(
        id=run.id,
        name=about.name,
        engine=about.engine,
        state=current,
        reason=reason,
        step=status.step,
        total_steps=status.total_steps if status.total_steps is not None else about.total_steps,
        loss=status.loss,
        model=about.model,
        started=about.created,
        folder=run.folder,
        final_file=status.final_file,
        family=about.family,
    )


def _listed() -> list[tuple[Run, RunFile]]:
    try:
        folders = [entry for entry in os.scandir(places.runs_folder()) if entry.is_dir()]
    except OSError:
        return []
    runs = [Run(entry.name, Path(entry.path)) for entry in folders]
    read = [(run, about) for run in runs if (about := read_run_file(run)) is not None]
    return sorted(read, key=lambda pair: (pair[1].created, pair[0].id), reverse=True)


def all_runs() -> list[Run]:
    """Every run, newest first. Folders that are not runs, or not yet, are left out."""
    return [run for run, _ in _listed()]


def check_readable() -> None:
    """Raises ``UserError`` where the runs are another user's: that is not the same as having none."""
    folder = places.runs_folder()
    try:
        with os.scandir(folder):
            return
    except PermissionError as error:
        fix = "Be the user it belongs to, or set LORATUI_HOME to a folder of your own."
        raise UserError(str(folder), Problem("", f"it cannot be read: {error.strerror}.", fix)) from None
    except OSError:
        return  # there is none yet


def find(text: str = "") -> Run:
    """The run meant: its id, the only one whose id starts so, the newest of that output name, or with no text
    the newest that does not wait in the queue. Raises ``UserError`` naming runs that come near."""
    listed = _listed()
    if not listed:
        check_readable()
        raise UserError("", Problem("", "there is no run yet.", "Start one with: loratui train FILE"))
    if not text:
        seen = ((run, read_status(run)) for run, _ in listed)
        begun = (run for run, status in seen if status is None or status.state != "queued")
        return next(begun, listed[0][0])
    text = text.rstrip("/").rpartition("/")[2]
    starting = [run for run, _ in listed if run.id.startswith(text)]
    for run in starting:
        if run.id == text:
            return run
    if len(starting) == 1:
        return starting[0]
    for run, about in listed:
        if about.name == text:
            return run
    if starting:
        some = ", ".join(run.id for run in starting[:5])
        raise UserError("", Problem("", f"{text!r} could be {some}.", "Give more of the id."))
    words = {run.id: run.id for run, _ in listed} | {about.name: run.id for run, about in reversed(listed)}
    near = [words[word] for word in difflib.get_close_matches(text, words, n=3, cutoff=0.5)]
    some = ", ".join(dict.fromkeys(near or [run.id for run, _ in listed[:3]]))
    raise UserError("", Problem("", f"there is no run {text!r}.", f"Did you mean {some}? See: loratui runs"))
