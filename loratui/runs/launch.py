"""Starting, resuming and stopping a run. Whoever does this may go at once: the run stays."""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from loratui import python_path
from loratui import recipe as recipes
from loratui.engines.current_set import on_current_steps
from loratui.engines.engine import Engine, Launch
from loratui.models.named import located
from loratui.problems import Problem, UserError
from loratui.recipe import Recipe
from loratui.runs import lock, store
from loratui.runs.files import file_size, open_for_append, read_range, replace_file
from loratui.runs.hardware import gpu_locks
from loratui.runs.launch_file import write_command
from loratui.runs.layout import (
    Run,
    Status,
    ask_trainer,
    read_run_file,
    read_status,
    request,
    take_requests,
    write_files,
    write_status,
)
from loratui.runs.liveness import is_alive
from loratui.runs.saved_states import newest_saved
from loratui.runs.supervision.orphans import end_orphans

READY_WITHIN = 10.0
"""Seconds to wait for a supervisor's word that it has taken over."""

_children: list[subprocess.Popen[bytes]] = []


def start(recipe: Recipe, engine: Engine, total_steps: int | None = None) -> Run:
    """Start a new run; it goes on without us. ``total_steps`` is the planned count, where the recipe names
    only epochs. Raises ``UserError`` when the engine refuses the recipe, or nothing could be started."""
    # The run's own recipe names the step, so that resuming and running again train on the same set.
    recipe = on_current_steps(located(recipes.resolve_paths(recipe, Path.cwd())))
    problems = engine.supports(recipe)
    if problems:
        raise UserError("", *problems)
    run = store.create(recipe, engine.name, total_steps or _counted(recipe))
    _prepare(run, lambda: engine.prepare(recipe, run.folder))
    spawn(run, gpu_locks.elsewhere(recipe.launch.num_processes, os.environ))
    return run


def _counted(recipe: Recipe) -> int | None:
    """All steps as loratui counts them; None where it cannot."""
    from loratui import kohya_config  # what only a start needs
    from loratui.advice.steps import count_config
    from loratui.engines import config

    flat = kohya_config.flatten(config.to_kohya(recipe, Path()))
    try:
        counted = count_config(flat, config.script_of(recipe), recipe.launch.num_processes)
    except (UserError, OSError):
        return None
    return counted.total_steps or None


def start_queued(run: Run, environment: Mapping[str, str]) -> None:
    """Start a run that has waited, ``environment`` added to its supervisor's. What is wrong with it by now is
    its verdict. Raises ``UserError`` then."""
    from loratui.engines.registry import engine

    try:
        recipe = recipes.loads(_read(run.recipe), str(run.recipe))
        chosen = engine(recipe.launch.engine)
        problems = chosen.supports(recipe)
        if problems:
            raise UserError(str(run.recipe), *problems)
    except UserError as error:
        _fail(run, f"It could not be started: {error}")
        raise
    _prepare(run, lambda: chosen.prepare(recipe, run.folder))
    spawn(run, environment)


def resume(run: Run, engine: Engine, changed: Recipe | None = None) -> Run:
    """Go on with a run from its newest saved state, in the same folder. ``changed`` is the recipe to go on
    with, where it is another; the one before is kept beside it. Raises ``UserError`` when the run is still
    running, has done all its steps, has no state, or when the engine refuses the changed recipe."""
    status = read_status(run) or Status("lost")
    if is_alive(run, status):
        raise UserError("", Problem("", f"{run.id} is still running.", f"See it: loratui attach {run.id}"))
    if status.state == "finished" and changed is None:
        done = Problem(
            "",
            f"{run.id} is finished: nothing is left to train.",
            f"Train it longer: loratui resume {run.id} --set steps.epochs=N, or once more: loratui rerun"
            f" {run.id}",
        )
        raise UserError("", done)
    saved = newest_saved(run)
    if saved is None:
        raise UserError(
            "",
            Problem(
                "",
                f"{run.id} has saved no state to go on from.",
                f"Start it over with: loratui rerun {run.id}",
            ),
        )
    recipe = changed or recipes.loads(_read(run.recipe), str(run.recipe))
    if changed is not None:
        problems = engine.supports(changed)
        if problems:
            raise UserError("", *problems)
        _replace_recipe(run, changed, status.attempt)
    end_orphans(run, status)
    take_requests(run)  # a stop meant for the last attempt
    status = msgspec.structs.replace(
        status, state="starting", reason="", attempt=status.attempt + 1, supervisor=None, trainer=None
    )
    _prepare(run, lambda: engine.prepare(recipe, run.folder, saved.path, saved.step), status)
    spawn(run, gpu_locks.elsewhere(recipe.launch.num_processes, os.environ))
    return run


def _replace_recipe(run: Run, changed: Recipe, attempt: int) -> None:
    """Keep the recipe of the attempt that ended, and write down the one to go on with."""
    about = store.read_run_file(run)
    try:
        replace_file(run.folder / f"recipe-attempt{attempt}.toml", run.recipe.read_bytes())
        replace_file(run.recipe, recipes.dumps(changed).encode())
        if about is not None:
            about = msgspec.structs.replace(about, summary=store.summarize(changed))
            replace_file(run.run_file, msgspec.json.format(msgspec.json.encode(about)))
    except OSError as error:
        raise UserError(
            str(run.folder), Problem("", f"the changed recipe cannot be written: {error.strerror}.")
        ) from None


def newest_state(run: Run) -> Path | None:
    """The latest state folder this run saved that is still there with something in it."""
    saved = newest_saved(run)
    return saved.path if saved else None


def request_stop(run: Run) -> None:
    """Ask for a stop: the trainer finishes its step and saves. Asked twice, it is killed. Raises
    ``UserError`` when the run is not running."""
    _request(run, "stop")


def request_kill(run: Run) -> None:
    """Ask for an end at once, nothing saved. Raises ``UserError`` when the run is not running."""
    _request(run, "kill")


def request_now(run: Run, action: Literal["save", "sample"]) -> None:
    """Ask the builtin trainer for a checkpoint with its state, or for sample pictures, at the end of its
    step. Raises ``UserError`` when the run is not running, or sd-scripts trains, which cannot be asked."""
    file = read_run_file(run)
    if file is not None and file.engine != "builtin":
        message = f"{run.id} is trained by sd-scripts, which saves and draws by its own plan only."
        raise UserError("", Problem("", message, "Its next checkpoint is due as planned."))
    _write_request(run, lambda: ask_trainer(run, action))


def _request(run: Run, action: str) -> None:
    _write_request(run, lambda: request(run, action))


def _write_request(run: Run, write: Callable[[], None]) -> None:
    if not is_alive(run, read_status(run)):
        state, _ = store.state(run)
        raise UserError("", Problem("", f"{run.id} is not running: it is {state}.", "See: loratui runs"))
    try:
        write()
    except OSError as error:
        raise UserError(
            str(run.control), Problem("", f"the request cannot be written: {error.strerror}.")
        ) from None


def spawn(run: Run, environment: Mapping[str, str] | None = None) -> None:
    """Start the supervisor of a prepared run, ``environment`` added to ours, and wait until it has taken
    over. Raises ``UserError`` with its own words when it ends instead."""
    _children[:] = [child for child in _children if child.poll() is None]  # reap supervisors that have ended
    ready, report = os.pipe()
    log = open_for_append(run.supervisor_log)
    log_start = file_size(run.supervisor_log)
    try:
        child = subprocess.Popen(
            python_path.own("loratui.runs.supervisor", str(run.folder), "--ready-fd", str(report)),
            cwd=run.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            close_fds=True,
            env={**os.environ, **(environment or {})},
            pass_fds=(report,),
            start_new_session=True,
        )
    finally:
        os.close(log)
        os.close(report)
    _children.append(child)
    try:
        if not _came_up(ready):
            words = read_range(run.supervisor_log, log_start, 4096).decode("utf-8", errors="replace").strip()
            reason = words.splitlines()[-1] if words else "it gave no reason"
            _fail(run, f"The supervisor could not start: {reason}")
            raise UserError(str(run.supervisor_log), Problem("", f"the run could not be started: {reason}"))
    finally:
        os.close(ready)


def _came_up(ready: int) -> bool:
    """False when the other end closed without a word. After ``READY_WITHIN`` seconds of silence the run may
    still come up; its status tells."""
    deadline = time.monotonic() + READY_WITHIN
    readable, _, _ = select.select([ready], [], [], max(0.0, deadline - time.monotonic()))
    return not readable or os.read(ready, 64) != b""


def _fail(run: Run, reason: str) -> None:
    status = read_status(run)
    if status is not None and status.supervisor is None and not lock.is_held(run.lock):
        write_status(run, msgspec.structs.replace(status, state="failed", reason=reason))


def _prepare(run: Run, prepare: Callable[[], Launch], status: Status | None = None) -> None:
    """Write what an attempt needs. A failure leaves a failed run, not one that seems to start."""
    try:
        launch = prepare()
        write_files(run, launch.files)
        command = launch.command
        write_command(run, command)
        if status is not None:
            write_status(run, status)
    except (OSError, ValueError, UserError) as error:
        if status is None:
            _fail(run, f"It could not be prepared: {error}")
        if isinstance(error, OSError):
            raise UserError(
                str(error.filename or run.folder), Problem("", f"it cannot be written: {error.strerror}.")
            ) from None
        raise


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(str(path), Problem("", f"it cannot be read: {error}.")) from None
