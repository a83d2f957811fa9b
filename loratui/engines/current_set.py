"""A recipe names a person's folder; what is trained on is the current step of that folder's history."""

from __future__ import annotations

from pathlib import Path

from loratui.dataset import history
from loratui.recipe import Recipe, change


def on_current_steps(recipe: Recipe) -> Recipe:
    """The recipe with the current steps in place of the folders it names. Raises ``UserError``."""
    dataset = recipe.dataset
    changes: dict[str, object] = {}
    for key, folder in (("folder", dataset.folder), ("regularization", dataset.regularization)):
        if folder:
            current = str(history.current(Path(folder)))
            if current != folder:
                changes[f"dataset.{key}"] = current
    return change(recipe, changes) if changes else recipe
