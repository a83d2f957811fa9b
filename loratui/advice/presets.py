"""Presets: partial recipes with a reason beside each value, as ``presets/*.toml`` has them.

A preset's file begins with the command that runs it. Its ``[preset]`` section says what it is for; the
others are a recipe's own. A comment behind a value, or on the lines above it, is its reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from loratui import places
from loratui.advice.suggestion import Suggestion
from loratui.problems import Problem, UserError, nearest
from loratui.recipe import Recipe, change
from loratui.tomlfile import parse_toml

OTHER_FILES = frozenset({"models", "second_look"})
"""Tables in the same folder that are no presets."""

_SECTION = re.compile(r"\[([A-Za-z_]+)\]\s*(?:#.*)?")
_KEY = re.compile(r"([A-Za-z0-9_]+)\s*=")


@dataclass(frozen=True, slots=True)
class Preset:
    """One preset."""

    name: str
    title: str
    command: str
    """Its head line: what runs it."""
    family: str = ""
    """Empty: any."""
    purpose: str = ""
    models: tuple[str, ...] = ()
    """Names of the catalogue it was made for; empty: any of the family."""
    source: str = ""
    notes: str = ""
    """What to know before using it."""
    values: dict[str, Any] = field(default_factory=dict)
    """By dotted key of the recipe."""
    reasons: dict[str, str] = field(default_factory=dict)

    def suggestions(self) -> list[Suggestion]:
        """Its values with their reasons."""
        source = f"preset {self.name}"
        return [
            Suggestion(key, value, self.reasons.get(key, ""), source) for key, value in self.values.items()
        ]

    def suits(self, family: str, model: str = "") -> bool:
        """Whether it is for a family, and for a model of the catalogue where it names some."""
        return (not self.family or self.family == family) and (not self.models or model in self.models)


@cache
def presets() -> dict[str, Preset]:
    """All of them by name, in the order of their names."""
    files = sorted(places.presets_folder().glob("*.toml"))
    return {file.stem: read_preset(file) for file in files if file.stem not in OTHER_FILES}


def find(name: str) -> Preset:
    """The preset of a name. Raises ``UserError`` naming the nearest."""
    found = presets().get(name)
    if found is None:
        fix = nearest(name, presets()) or "See all of them: loratui presets"
        raise UserError("", Problem("", f"there is no preset {name!r}.", fix))
    return found


def apply(recipe: Recipe, preset: Preset) -> Recipe:
    """The recipe with the preset's values laid over it. Raises ``UserError``."""
    values = dict(preset.values)
    if "steps.target" in values:
        values.setdefault("steps.epochs", None)
    elif "steps.epochs" in values:
        values["steps.target"] = None
    return change(recipe, values)


def read_preset(path: Path) -> Preset:
    """One file. Raises ``UserError`` for one that is no preset."""
    text = path.read_text(encoding="utf-8")
    document = parse_toml(text, str(path))
    about = document.pop("preset", {})
    values = {f"{section}.{key}": value for section, rows in document.items() for key, value in rows.items()}
    preset = Preset(
        path.stem,
        about.get("title", path.stem),
        text.splitlines()[0].removeprefix("#").strip(),
        about.get("family", ""),
        about.get("purpose", ""),
        tuple(about.get("models", ())),
        about.get("source", ""),
        about.get("notes", ""),
        values,
        _reasons(text),
    )
    try:
        apply(Recipe(), preset)
    except UserError as error:
        raise UserError(str(path), *error.problems) from None
    return preset


def _reasons(text: str) -> dict[str, str]:
    """The comment of each value by its dotted key."""
    reasons: dict[str, str] = {}
    section = ""
    above: list[str] = []
    for line in text.splitlines():
        bare = line.strip()
        if found := _SECTION.fullmatch(bare):
            section, above = found[1], []
        elif bare.startswith("#"):
            above.append(bare.lstrip("# "))
        elif found := _KEY.match(bare):
            behind = _comment(bare)
            reasons[f"{section}.{found[1]}"] = behind or " ".join(above)
            above = []
        else:
            above = []
    return {key: reason for key, reason in reasons.items() if reason and not key.startswith("preset.")}


def _comment(line: str) -> str:
    """What follows the ``#`` that stands outside of quotes."""
    quote = ""
    for index, letter in enumerate(line):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter == "#":
            return line[index + 1 :].strip()
    return ""
