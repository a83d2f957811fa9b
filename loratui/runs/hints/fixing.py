"""A fix put to work: the run started again with it, or the package installed."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loratui import recipe as recipes
from loratui.engines.engine import Engine
from loratui.events import ENDED, Hint
from loratui.problems import Problem, UserError
from loratui.recipe import Recipe
from loratui.runs import launch, store
from loratui.runs.cleaning import Lines
from loratui.runs.files import open_for_append
from loratui.runs.follow import RunFollower
from loratui.runs.hints import states as hint_states
from loratui.runs.hints.fixes import DEAD_WEIGHTS, Fix, Situation, propose
from loratui.runs.hints.matcher import rule
from loratui.runs.hints.packages import Installation
from loratui.runs.queueing.queue import unique_name
from loratui.runs.store import Run
from loratui.runs.view import RunView

if TYPE_CHECKING:
    from loratui.runs.hardware.gpu import GpuReading

_ORDER = {"fatal": 0, "quality": 1, "warning": 2, "info": 3}
_END_WITHIN = 30.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How a run would be started again with a fix."""

    state: Path | None
    """The state it goes on from; None for the beginning."""
    words: str


def hints_by_weight(view: RunView) -> list[Hint]:
    """The hints of a run that the table knows, the worst first, else in the order they were met."""
    known = [hint for hint in view.hints if rule(hint.key) is not None]
    return sorted(known, key=lambda hint: _ORDER[hint.severity])


def choose(run: Run, view: RunView, key: str = "") -> Hint:
    """The hint meant: by its key, else the worst one nothing was decided on yet. Raises ``UserError``."""
    found = hints_by_weight(view)
    if not found:
        raise UserError(
            "",
            Problem(
                "",
                f"nothing known was recognised in {run.id}.",
                f"Its log says more: loratui logs {run.id}",
            ),
        )
    if key:
        for hint in found:
            if hint.key == key:
                return hint
        met = ", ".join(hint.key for hint in found)
        raise UserError("", Problem("", f"{run.id} has no hint {key!r}.", f"It has: {met}."))
    decided = hint_states.decisions(run)
    new = [
        hint
        for hint in found
        if hint_states.state_of(hint.key, view.hinted_at.get(hint.key, 0.0), decided) == "new"
    ]
    return (new or found)[0]


def fix_for(run: Run, view: RunView, hint: Hint, reading: GpuReading | None = None) -> Fix:
    """The fix for a hint of a run, on this machine, whose GPUs are read now where ``reading`` is not given.
    Raises ``UserError`` when the recipe cannot be read."""
    return propose(hint, read_recipe(run), _situation(view, reading))


def read_recipe(run: Run) -> Recipe:
    """The recipe of a run. Raises ``UserError``."""
    try:
        return recipes.loads(run.recipe.read_text(encoding="utf-8"), str(run.recipe))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(str(run.recipe), Problem("", f"it cannot be read: {error}.")) from None


def _situation(view: RunView, reading: GpuReading | None) -> Situation:
    if reading is None:
        from loratui.runs.hardware import gpu

        reading = gpu.sample()
    first = reading.gpus[0] if reading.gpus else None
    return Situation(
        capacity_gib=first.total_bytes / 2**30 if first else None,
        capability=first.capability if first else None,
        sampling=view.phase.name == "sampling",
    )


def plan(run: Run, fix: Fix) -> Plan:
    """From where a run would go on with a fix, and why."""
    state = launch.newest_state(run)
    if store.state(run)[0] == "finished":
        return Plan(None, "It starts from the beginning, as a new run: this one has finished.")
    if state is None:
        return Plan(None, "It starts from the beginning, as a new run: no state was saved.")
    if fix.state_stays_sound:
        return Plan(state, f"It goes on from the last saved state, {state.name}.")
    if fix.hint.key in DEAD_WEIGHTS:
        why = "what was saved may already hold NaN"
    else:
        why = "a state saved before does not fit these changes"
    return Plan(None, f"It starts from the beginning, as a new run: {why}.")


def apply(run: Run, fix: Fix, engine: Engine) -> Run:
    """Start a run again with a fix: from its last state where that is sound, else as a new run from the
    beginning. One that still runs is ended first, unsaved. Returns the run that now trains; notes the hint as
    applied. Raises ``UserError``."""
    again = _named_anew(fix.recipe) if plan(run, fix).state is None else fix.recipe
    problems = engine.supports(again)
    if problems:
        raise UserError("", *problems)
    _end(run)
    ways, at = plan(run, fix), time.time()  # the same trouble may come back at once
    if ways.state is not None:
        started = launch.resume(run, engine, fix.recipe if fix.changes else None)
    else:
        started = launch.start(_named_anew(fix.recipe), engine)
    did = tuple(f"{key}: {word(old)} -> {word(new)}" for key, old, new in fix.changes)
    if not did and fix.install is not None:
        did = (str(fix.install),)
    hint_states.decide(run, fix.hint.key, "applied", by=started.id, did=did, at=at)
    return started


def _named_anew(recipe: Recipe) -> Recipe:
    """With a name of its own, where the run that failed has left a file in a folder that both write into."""
    if (
        not recipe.output.folder
        or not (Path(recipe.output.folder) / f"{recipe.output.name}.safetensors").exists()
    ):
        return recipe
    return recipes.change(recipe, {"output.name": unique_name(recipe)})


def as_it_was(run: Run, fix: Fix) -> Fix:
    """The same hint without a change of the recipe: what was missing has been installed."""
    return replace(fix, recipe=read_recipe(run), changes=(), reasons=(), state_stays_sound=True)


def _end(run: Run) -> None:
    """End a run that still runs; its hint says that going on is in vain."""
    follower = RunFollower(run)
    if follower.poll().state in ENDED:
        return
    launch.request_kill(run)
    deadline = time.monotonic() + _END_WITHIN
    while follower.poll().state not in ENDED or store.is_kept(run):
        if time.monotonic() > deadline:
            raise UserError("", Problem("", f"{run.id} does not end.", f"Try: loratui stop --now {run.id}"))
        time.sleep(0.1)


def word(value: Any) -> str:
    """A recipe's value as a person writes it."""
    match value:
        case None:
            return "(not set)"
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:g}"
        case list() | tuple():
            return "[" + ", ".join(word(item) for item in value) + "]"
        case _:
            return str(value)


def install(run: Run | None, what: Installation, show: Callable[[str], None]) -> int:
    """Run a pip command, each line of its output shown as it comes and kept in the run's install.log.
    Returns its exit code. Raises ``UserError`` when it cannot be started."""
    log = open_for_append(run.folder / "install.log") if run is not None else os.open(os.devnull, os.O_WRONLY)
    try:
        os.write(log, f"$ {what}\n".encode())
        with subprocess.Popen(
            what.argv,
            cwd=what.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PIP_NO_INPUT": "1", "PYTHONUNBUFFERED": "1"},
        ) as process:
            assert process.stdout is not None
            lines = Lines()
            while data := os.read(process.stdout.fileno(), 1 << 16):
                os.write(log, data)
                for line in lines.feed(data):
                    show(line)
        os.write(log, f"exit code {process.returncode}\n".encode())
    except OSError as error:
        raise UserError(str(error.filename or ""), Problem("", f"{what} failed: {error.strerror}.")) from None
    finally:
        os.close(log)
    return process.returncode
