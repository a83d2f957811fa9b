"""What comes of reading another program's settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from loratui.recipe import Recipe


@dataclass(frozen=True, slots=True)
class NotUnderstood:
    """One key that the recipe does not hold."""

    key: str
    value: Any
    reason: str


@dataclass(frozen=True, slots=True)
class Imported:
    """A recipe, what was changed on the way, and what it does not hold."""

    recipe: Recipe
    """``base.model`` and ``dataset.folder`` may be empty."""
    remarks: tuple[str, ...]
    not_understood: tuple[NotUnderstood, ...]
