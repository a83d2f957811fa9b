"""A base model that is still to be fetched, as Review deals with it."""

from __future__ import annotations

from loratui.models import catalog, fetching
from loratui.models.catalog import Entry
from loratui.models.fetching import Progress
from loratui.models.named import entry_of, to_fetch
from loratui.tui.wizard.answers.state import WizardState


def entry_to_fetch(state: WizardState) -> Entry | None:
    """The catalogue's row of the recipe's model, where something of it is not on this disk."""
    return entry_of(state.recipe.base.model) if to_fetch(state.recipe) is not None else None


def progress(state: WizardState) -> Progress | None:
    """How far its download is; None when there is nothing to fetch, or nobody has begun."""
    entry = entry_to_fetch(state)
    return fetching.status(entry.name) if entry is not None else None


def begin(state: WizardState) -> bool:
    """Begin to fetch it, or go on. False when there is nothing to fetch."""
    entry = entry_to_fetch(state)
    if entry is None:
        return False
    fetching.start(entry.name)
    return True


def arrived(state: WizardState) -> bool:
    """Put the file in place of the name once it is here. Returns whether it was."""
    entry = entry_of(state.recipe.base.model)
    if entry is None or not catalog.path_of(entry).is_file():
        return False
    path = str(catalog.path_of(entry))
    if state.recipe.base.model != path:
        state.propose_model(path)
    state.look_again()
    return True
