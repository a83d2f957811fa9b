"""Runs that wait for a GPU: their order, which of them are held back, and what happens after a failure.

A waiting run is a run folder in state ``queued``; its recipe may be changed until its turn comes. The queue
itself is one small file, changed under a lock.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import msgspec

from loratui import places
from loratui import recipe as recipes
from loratui.engines.current_set import on_current_steps
from loratui.engines.engine import Engine
from loratui.events import ENDED
from loratui.models.named import located
from loratui.problems import UserError
from loratui.recipe import Recipe
from loratui.runs import store
from loratui.runs.detached import start_apart
from loratui.runs.files import replace_file
from loratui.runs.layout import Run, read_status, write_status
from loratui.runs.queueing.queue_file import (
    AfterFailure,
    Queue,
    change,
    is_worked_off,
    locked,
    read,
    require_waiting,
    run_of,
    worker_lock,
    write,
)

__all__ = [
    "AfterFailure",
    "Queue",
    "add",
    "change_recipe",
    "hold",
    "is_worked_off",
    "look_after_started",
    "move",
    "read",
    "release",
    "remove",
    "run_of",
    "set_after_failure",
    "start",
    "stop",
    "take_next",
    "unique_name",
    "wake",
    "worker_lock",
]

_FAILED = ("failed", "lost")


def add(recipe: Recipe, engine: Engine, total_steps: int | None = None) -> Run:
    """Put a recipe at the end of the queue and see that it is worked off. Its output name is made unique.
    Raises ``UserError`` when the engine refuses the recipe: better now than in the night."""
    recipe = _ready_to_train(recipe, engine)
    recipe = recipes.change(recipe, {"output.name": unique_name(recipe)})
    run = store.create(recipe, engine.name, total_steps, state="queued")
    change(lambda queue: msgspec.structs.replace(queue, order=(*queue.order, run.id)))
    wake()
    return run


def _ready_to_train(recipe: Recipe, engine: Engine) -> Recipe:
    recipe = on_current_steps(located(recipes.resolve_paths(recipe, Path.cwd())))
    problems = engine.supports(recipe)
    if problems:
        raise UserError("", *problems)
    return recipe


def unique_name(recipe: Recipe, own: str = "") -> str:
    """The recipe's output name, or the first like it that no other run has and no file in its folder.
    ``own`` is the run whose name does not count."""
    taken = {store.summary(run).name for run in store.all_runs() if run.id != own}
    if recipe.output.folder:
        with contextlib.suppress(OSError):
            taken |= {path.stem for path in Path(recipe.output.folder).iterdir()}
    name, number = recipe.output.name, 2
    while name in taken:
        name, number = f"{recipe.output.name}-{number}", number + 1
    return name


def move(run: Run, place: int) -> None:
    """Put a waiting run at a place of the queue, 1 for the next. Raises ``UserError`` when it is not in
    it."""

    def moved(queue: Queue) -> Queue:
        others = [run_id for run_id in queue.order if run_id != run.id]
        others.insert(min(max(place, 1), len(others) + 1) - 1, run.id)
        return msgspec.structs.replace(queue, order=tuple(others))

    require_waiting(run)
    change(moved)


def hold(run: Run) -> None:
    """Pass a run over until it is released. Raises ``UserError`` when it does not wait."""
    require_waiting(run)
    change(lambda queue: msgspec.structs.replace(queue, held=(*queue.held, run.id)))


def release(run: Run) -> None:
    """Let a held run have its turn again. Raises ``UserError`` when it does not wait."""
    require_waiting(run)
    change(
        lambda queue: msgspec.structs.replace(queue, held=tuple(one for one in queue.held if one != run.id))
    )
    wake()


def remove(run: Run) -> None:
    """Take a waiting run out of the queue; nothing of it is left. Raises ``UserError`` when it does not
    wait."""
    with locked():
        require_waiting(run)
        queue = read()
        write(msgspec.structs.replace(queue, order=tuple(one for one in queue.order if one != run.id)))
        shutil.rmtree(run.folder, ignore_errors=True)


def change_recipe(run: Run, recipe: Recipe, engine: Engine, total_steps: int | None = None) -> None:
    """Give a waiting run another recipe; its output name stays unique. Raises ``UserError`` when it is not in
    the queue any more, or the engine refuses."""
    recipe = _ready_to_train(recipe, engine)
    recipe = recipes.change(recipe, {"output.name": unique_name(recipe, run.id)})
    planned = total_steps if total_steps is not None else recipe.steps.target
    with locked():
        require_waiting(run)
        about, status = store.read_run_file(run), read_status(run)
        assert about is not None and status is not None
        replace_file(run.recipe, recipes.dumps(recipe).encode())
        about = msgspec.structs.replace(
            about,
            name=recipe.output.name,
            engine=engine.name,
            model=Path(recipe.base.model).name or recipe.base.model,
            summary=store.summarize(recipe),
            family=recipe.base.family or "",
            total_steps=planned,
        )
        replace_file(run.run_file, msgspec.json.format(msgspec.json.encode(about)))
        write_status(run, msgspec.structs.replace(status, total_steps=planned))


def set_after_failure(wish: AfterFailure) -> None:
    """Whether the queue goes on when a run of it has failed."""
    change(lambda queue: msgspec.structs.replace(queue, after_failure=wish))


def stop(reason: str) -> None:
    """Start nothing more until ``start``."""
    change(lambda queue: msgspec.structs.replace(queue, stopped=reason))


def start() -> None:
    """Go on after a stop, or after a restart of the machine."""
    change(lambda queue: msgspec.structs.replace(queue, stopped=""))
    wake()


def look_after_started() -> None:
    """Stop the queue where one of its runs has failed and that is the wish."""
    ended = {}
    for run_id in read().started:
        run = run_of(run_id)
        state, reason = store.state(run) if run.folder.is_dir() else ("stopped", "")
        if state in ENDED:
            ended[run_id] = (state, reason)
    if not ended:
        return

    def seen(queue: Queue) -> Queue:
        left = tuple(run_id for run_id in queue.started if run_id not in ended)
        failed = [f"{one} {state}: {why}" for one, (state, why) in ended.items() if state in _FAILED]
        stopped = failed[0][:300] if failed and queue.after_failure == "stop" else queue.stopped
        return msgspec.structs.replace(queue, started=left, stopped=stopped)

    change(seen)


def take_next(gpus: int = 1, of: int = 1) -> tuple[Run, int] | None:
    """The run whose turn it is and how many GPUs it takes, taken out of the queue and marked as starting.
    None when none may start, or the next one waits for more than the ``gpus`` that are free ``of`` all:
    nobody overtakes it."""
    with locked():
        queue = read()
        for run_id in queue.ready:
            run = run_of(run_id)
            status = read_status(run)
            if status is None or status.state != "queued":
                continue
            wanted = min(_processes(run), max(1, of))
            if wanted > gpus:
                return None
            write_status(run, msgspec.structs.replace(status, state="starting"))
            write(
                msgspec.structs.replace(
                    queue,
                    order=tuple(one for one in queue.order if one != run_id),
                    started=(*queue.started, run_id),
                )
            )
            return run, wanted
    return None


def _processes(run: Run) -> int:
    """How many GPUs a run takes; one where its recipe cannot be read, which its start will tell."""
    try:
        return recipes.loads(run.recipe.read_text(encoding="utf-8"), str(run.recipe)).launch.num_processes
    except (OSError, UnicodeDecodeError, UserError):
        return 1


def wake() -> None:
    """See that a process works the queue off. It ends by itself once nothing may start."""
    if is_worked_off() or not read().ready:
        return
    start_apart("loratui.runs.queueing.queue_worker", log=places.home() / "queue.log")
