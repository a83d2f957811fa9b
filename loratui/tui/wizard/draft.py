"""The unfinished recipe, kept on disk so that a lost connection costs nothing."""

from __future__ import annotations

import contextlib
import tomllib
from pathlib import Path

import msgspec

from loratui import places
from loratui.recipe import Recipe, dumps
from loratui.runs.files import PRIVATE_FOLDER, replace_file


def path() -> Path:
    """Where the draft lies."""
    return places.home() / "draft.toml"


def save(recipe: Recipe) -> bool:
    """Keep a recipe, finished or not; False when the disk does not let us, which is no reason to stop."""
    target = path()
    try:
        target.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        replace_file(target, dumps(recipe).encode())
    except OSError:
        return False
    return True


def load() -> Recipe | None:
    """The draft as it was left; None when there is none, or none that can be read."""
    try:
        document = tomllib.loads(path().read_text(encoding="utf-8"))
        return msgspec.convert(document, Recipe)
    except (OSError, ValueError):
        return None


def discard() -> None:
    """Its run has been started, or it is no longer wanted."""
    with contextlib.suppress(OSError):
        path().unlink(missing_ok=True)
