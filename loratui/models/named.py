"""Recipes that name a model of the catalogue: where its files lie, and what is still to be fetched."""

from __future__ import annotations

from pathlib import Path

from loratui.models import catalog
from loratui.models.catalog import Entry
from loratui.places import expanded
from loratui.problems import Problem
from loratui.recipe import Recipe, change


def entry_of(model: str) -> Entry | None:
    """The catalogue's row for what a recipe says of its base model: its name, or its file where loratui puts
    it. A file or folder that happens to be called so comes first."""
    if not model:
        return None
    if "/" not in model and model in catalog.catalogue():
        return None if Path(model).exists() else catalog.catalogue()[model]
    path = expanded(model).absolute()
    return next((entry for entry in catalog.catalogue().values() if catalog.path_of(entry) == path), None)


def located(recipe: Recipe) -> Recipe:
    """The recipe with a name of the catalogue replaced by its file, and the other files its trainer needs
    filled in, as far as they are on this disk. What the recipe says itself stays."""
    entry = entry_of(recipe.base.model)
    if entry is None:
        return recipe
    changes: dict[str, object] = {}
    if catalog.path_of(entry).is_file():
        changes["base.model"] = str(catalog.path_of(entry))
    for part in entry.part:
        place = catalog.place_of(part.file)
        if not place.is_file():
            continue
        if part.key == "vae":
            if recipe.base.vae is None:
                changes["base.vae"] = str(place)
        elif part.key not in recipe.kohya:
            changes[f"kohya.{part.key}"] = str(place)
    return change(recipe, changes) if changes else recipe


def to_fetch(recipe: Recipe) -> Problem | None:
    """What is not on this disk of the model a recipe names; None when all of it is, or it is no model of the
    catalogue."""
    entry = entry_of(recipe.base.model)
    missing = catalog.missing(entry) if entry else ()
    given = {part.file for part in entry.part if recipe.kohya.get(part.key)} if entry else set()
    if entry and recipe.base.vae:
        given |= {part.file for part in entry.part if part.key == "vae"}
    missing = tuple(file for file in missing if file not in given)
    if entry is None or not missing:
        return None
    size = f" ({entry.size:g} GB)" if entry.size and entry.file in missing else ""
    what = "is not" if entry.file in missing else "is, but not all it needs is,"
    return Problem(
        "base.model",
        f"{entry.title}{size} {what} on this disk yet.",
        f"Fetch it: loratui download {entry.name}",
    )
