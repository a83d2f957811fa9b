"""``r``: go on with a run that has ended, or open its recipe once more. ``e``: edit a copy of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from loratui.problems import UserError

if TYPE_CHECKING:
    from textual.app import App

    from loratui.events import RunState
    from loratui.runs.store import Run


def again(app: App[None], run: Run, state: RunState, refuse: Callable[[UserError], None]) -> None:
    """Resume where a state was saved and the run was not finished; else the wizard at Review."""
    from loratui.runs.launch import newest_state

    if state != "finished" and newest_state(run) is not None:
        app.run_worker(lambda: _resume(app, run, refuse), thread=True, exclusive=True, group="resume")
        return
    from loratui.engines import config
    from loratui.tui.wizard.steps import REVIEW

    try:
        recipe = config.load(run.recipe)
    except UserError as error:
        refuse(error)
        return
    app.show_wizard(recipe, step=REVIEW)  # type: ignore[attr-defined]


def edit_copy(app: App[None], run: Run, refuse: Callable[[UserError], None]) -> None:
    """The wizard at Review over a copy, where only what differs from the run is shown."""
    from loratui.engines import config
    from loratui.tui.wizard.steps import REVIEW

    try:
        recipe = config.load(run.recipe)
    except UserError as error:
        refuse(error)
        return
    app.show_wizard(recipe, step=REVIEW, parent=(run.id, recipe))  # type: ignore[attr-defined]


def edit_waiting(app: App[None], run: Run, refuse: Callable[[UserError], None]) -> None:
    """The wizard at Review over a run that waits; it is saved back into the queue."""
    from loratui.engines import config
    from loratui.tui.wizard.steps import REVIEW

    try:
        recipe = config.load(run.recipe)
    except UserError as error:
        refuse(error)
        return
    note = f"{recipe.output.name} waits in the queue: Enter saves what you change, and it keeps its place."
    app.show_wizard(recipe, step=REVIEW, parent=(run.id, recipe), waiting=run, note=note)  # type: ignore[attr-defined]


def _resume(app: App[None], run: Run, refuse: Callable[[UserError], None]) -> None:
    from loratui.engines.registry import engine
    from loratui.runs import launch, store

    try:
        resumed = launch.resume(run, engine(store.summary(run).engine))
    except UserError as error:
        app.call_from_thread(refuse, error)
    else:
        app.call_from_thread(app.show_run, resumed)  # type: ignore[attr-defined]
