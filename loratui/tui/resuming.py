"""``r``: go on with a run that has ended, or open its recipe once more. ``e``: edit a copy of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from loratui.problems import UserError
from loratui.tui.own_app import own_app

if TYPE_CHECKING:
    from textual.app import App

    from loratui.events import RunState
    from loratui.recipe import Recipe
    from loratui.runs.store import Run

Refuse: TypeAlias = "Callable[[UserError], None]"
"""Tells a person why nothing was done."""


def resume_or_review(app: App[None], run: Run, state: RunState, refuse: Refuse) -> None:
    """Resume where a state was saved and the run was not finished; else the wizard at Review."""
    from loratui.runs.launch import newest_state

    if state != "finished" and newest_state(run) is not None:
        app.run_worker(lambda: _resume(app, run, refuse), thread=True, exclusive=True, group="resume")
    elif recipe := _recipe_of(run, refuse):
        _review(app, recipe)


def edit_copy(app: App[None], run: Run, refuse: Refuse) -> None:
    """The wizard at Review over a copy, where only what differs from the run is shown."""
    if recipe := _recipe_of(run, refuse):
        _review(app, recipe, parent=(run.id, recipe))


def edit_waiting(app: App[None], run: Run, refuse: Refuse) -> None:
    """The wizard at Review over a run that waits; it is saved back into the queue."""
    if recipe := _recipe_of(run, refuse):
        what = f"{recipe.output.name} waits in the queue"
        note = f"{what}: Enter saves what you change, and it keeps its place."
        _review(app, recipe, parent=(run.id, recipe), waiting=run, note=note)


def _recipe_of(run: Run, refuse: Refuse) -> Recipe | None:
    from loratui.engines import config

    try:
        return config.load(run.recipe)
    except UserError as error:
        refuse(error)
        return None


def _review(
    app: App[None],
    recipe: Recipe,
    *,
    parent: tuple[str, Recipe] | None = None,
    waiting: Run | None = None,
    note: str = "",
) -> None:
    from loratui.tui.wizard.steps import REVIEW

    own_app(app).show_wizard(recipe, step=REVIEW, parent=parent, waiting=waiting, note=note)


def _resume(app: App[None], run: Run, refuse: Refuse) -> None:
    from loratui.engines.registry import engine
    from loratui.runs import launch, store

    try:
        resumed = launch.resume(run, engine(store.summary(run).engine))
    except UserError as error:
        app.call_from_thread(refuse, error)
    else:
        app.call_from_thread(own_app(app).show_run, resumed)
