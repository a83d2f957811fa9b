"""What the wizard opens with: a draft, a recipe, a waiting run, or nothing yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from loratui.problems import UserError
from loratui.recipe import Recipe
from loratui.tui.wizard.answers.state import WizardState
from loratui.tui.wizard.drafts import draft
from loratui.tui.wizard.steps import REVIEW

if TYPE_CHECKING:
    from loratui.runs.store import Run

Parent = tuple[str, Recipe]
"""The run a recipe was copied from, by its id, and its recipe."""

_EMPTY = "An empty run. The draft is gone."
_EARLIER = "The draft is gone. This one you had begun before it; ctrl+n forgets it too."
_KEPT = "Your unfinished run, where you left it. ctrl+n starts with an empty one."
_TAKEN_BACK = "As it waits in the queue: your changes are taken back."


@dataclass(frozen=True, slots=True)
class Opening:
    """Where a person finds himself."""

    state: WizardState
    step: int = 1
    reached: int = 1
    note: str = ""
    is_draft: bool = False
    """Whether it lies on the disk as the draft."""


def opening(
    recipe: Recipe | None, step: int, note: str, parent: Parent | None, waiting: Run | None
) -> Opening:
    """The draft where no recipe is given or a run that waits has one; else the recipe at ``step``."""
    if recipe is None or waiting is not None:
        kept = draft.load(waiting.folder if waiting else None)
        if kept is not None:
            return _of_draft(kept, parent, waiting)
    return Opening(WizardState(recipe, parent=parent), step, step, note)


def _of_draft(kept: tuple[WizardState, draft.Place], parent: Parent | None, waiting: Run | None) -> Opening:
    state, place = kept
    note = _KEPT
    if waiting is not None:
        note = draft.unsaved(state, parent)
        state.parent = parent
    return Opening(state, place.step, max(place.step, place.reached), note, is_draft=True)


def anew(parent: Parent | None, waiting: Run | None) -> Opening:
    """What follows once a draft was given up: the waiting run as it is, an earlier draft, or nothing yet."""
    if waiting is not None and parent is not None:
        return Opening(WizardState(parent[1], parent=parent), REVIEW, REVIEW, _TAKEN_BACK)
    kept = draft.load()
    if kept is None:
        return Opening(WizardState(), note=_EMPTY)
    state, place = kept
    return Opening(state, place.step, max(place.step, place.reached), _EARLIER, is_draft=True)


def there(waiting: Run | None) -> Opening:
    """What another terminal has made of it."""
    parent = parent_of(waiting) if waiting is not None else None
    kept = draft.load(waiting.folder if waiting else None)
    if kept is not None:
        return _of_draft(kept, parent, waiting)
    if waiting is not None and parent is not None:
        return Opening(WizardState(parent[1], parent=parent), REVIEW, REVIEW)
    return Opening(WizardState(), note=_EMPTY)


def parent_of(waiting: Run) -> Parent | None:
    """A run in the queue as it waits now; None once it is gone."""
    from loratui.engines import config

    try:
        return waiting.id, config.load(waiting.recipe)
    except UserError:
        return None
