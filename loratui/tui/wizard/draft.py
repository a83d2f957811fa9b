"""The unfinished recipe, kept on disk so that a lost connection costs nothing.

Beside the recipe itself lies where a person was, and what he had decided.
"""

from __future__ import annotations

import contextlib
import tomllib
from pathlib import Path
from typing import Literal

import msgspec

from loratui import places
from loratui.recipe import Recipe, dumps, loads
from loratui.runs.files import PRIVATE_FOLDER, replace_file
from loratui.tui.wizard.decided import Decided
from loratui.tui.wizard.state import WizardState


class Place(msgspec.Struct, frozen=True):
    """Where a person was in the wizard."""

    step: int = 1
    reached: int = 1
    effort: Literal["quick", "balanced", "thorough"] = "balanced"
    preset: str = ""
    whole: bool = False
    keys: tuple[str, ...] = ()
    """See ``Decided``."""
    parent: str = ""
    parent_recipe: str = ""
    """TOML."""


def path() -> Path:
    """Where the draft lies: a recipe that can be trained as it is."""
    return places.home() / "draft.toml"


def _place_path() -> Path:
    return places.home() / "draft.json"


def save(state: WizardState, step: int, reached: int) -> bool:
    """Keep a recipe, finished or not; False when the disk does not let us, which is no reason to stop."""
    name, parent = state.parent or ("", None)
    place = Place(
        step,
        reached,
        state.effort,
        state.preset,
        state.decided.whole,
        tuple(sorted(state.decided.keys)),
        name,
        dumps(parent) if parent else "",
    )
    try:
        path().parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        replace_file(path(), dumps(state.recipe).encode())
        replace_file(_place_path(), msgspec.json.encode(place))
    except OSError:
        return False
    return True


def load() -> tuple[WizardState, Place] | None:
    """The draft as it was left; None when there is none, or none that can be read."""
    try:
        document = tomllib.loads(path().read_text(encoding="utf-8"))
        recipe = msgspec.convert(document, Recipe)
    except (OSError, ValueError):
        return None
    try:
        place = msgspec.json.decode(_place_path().read_bytes(), type=Place)
        parent = (place.parent, loads(place.parent_recipe)) if place.parent else None
    except Exception:  # what it says is a convenience: without it the recipe is still there
        return WizardState(recipe), Place()
    decided = Decided(place.keys, whole=place.whole)
    state = WizardState(recipe, decided=decided, effort=place.effort, preset=place.preset, parent=parent)
    return state, place


def discard() -> None:
    """Its run has been started, or it is no longer wanted."""
    for each in (path(), _place_path()):
        with contextlib.suppress(OSError):
            each.unlink(missing_ok=True)
