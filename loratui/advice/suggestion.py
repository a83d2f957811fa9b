"""One piece of advice, and one contradiction with the change that mends it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from loratui.problems import Problem
from loratui.recipe import Recipe, change


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One value to start from."""

    key: str
    """Dotted key of the recipe."""
    value: Any
    """None: leave it out."""
    reason: str
    source: str
    low: float | None = None
    """The ends of what guides recommend; None where there is nothing to range over."""
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Contradiction:
    """One thing, and the change that mends it."""

    problem: Problem
    change: Mapping[str, Any] = field(default_factory=dict)
    """Dotted keys of the recipe to new values; a key under ``kohya.`` with None is to be taken out."""
    fatal: bool = False
    """The trainer ends on it. Otherwise it trains, for nothing or nearly so."""
    source: str = ""


def applied(recipe: Recipe, suggestions: Iterable[Suggestion]) -> Recipe:
    """A copy with every suggestion followed; later ones win. Raises ``UserError`` as ``change`` does."""
    changes = {suggestion.key: suggestion.value for suggestion in suggestions}
    left_out = {key for key, value in changes.items() if key.startswith("kohya.") and value is None}
    changed = change(recipe, {key: value for key, value in changes.items() if key not in left_out})
    kept = {key: value for key, value in changed.kohya.items() if f"kohya.{key}" not in left_out}
    return msgspec.structs.replace(changed, kohya=kept)
