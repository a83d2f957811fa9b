"""Settings as people type them, and as they read them."""

from __future__ import annotations

import re
from typing import Any, Literal

from loratui.problems import Problem, UserError

Kind = Literal["text", "whole", "number", "flag", "size", "list"]

_LONGEST_SAID = 40
_MOST = (1 << 63) - 1
"""TOML promises no larger whole numbers."""
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?")
"""Commas between thousands; a number that begins with 0 has none."""
_YES = frozenset({"yes", "y", "true", "on", "1"})
_NO = frozenset({"no", "n", "false", "off", "0"})
_EXAMPLES: dict[Kind, str] = {
    "whole": "a whole number, for example 10",
    "number": "a number, for example 1e-4",
    "flag": "yes or no",
    "size": "a size, for example 768 or 512x768",
}


def typed_value(key: str, text: str, kind: Kind) -> Any:
    """The value that a text means. Raises ``UserError`` with a sentence and an example."""
    text = text.strip()
    if kind == "text":
        return text
    if kind == "list":
        return [part.strip() for part in text.split(";") if part.strip()]
    try:
        return _value(text, kind)
    except ValueError:
        words = _EXAMPLES[kind]
        said = text if len(text) <= _LONGEST_SAID else f"{text[:_LONGEST_SAID]}..."
        what = f"{said!r} is not {words}." if text else f"this is empty; write {words}."
        raise UserError("", Problem(key, what)) from None


def _value(text: str, kind: Kind) -> Any:
    match kind:
        case "whole":
            if abs(whole := int(_without_commas(text, decimal=False))) > _MOST:
                raise ValueError
            return whole
        case "number":
            number = float(_without_commas(text, decimal=True))
            if number != number or number in (float("inf"), float("-inf")):
                raise ValueError
            return number
        case "flag":
            if text.lower() not in _YES | _NO:
                raise ValueError
            return text.lower() in _YES
        case _:
            sides = [int(side) for side in text.lower().replace(" ", "").replace(",", "x").split("x")]
            if len(sides) not in (1, 2):
                raise ValueError
            return [sides[0], sides[-1]]


def _without_commas(text: str, *, decimal: bool) -> str:
    """With commas between thousands taken out and, where there may be one, a ``decimal`` comma made a point.
    Raises ``ValueError`` where nobody can tell which is meant."""
    bare = text.replace("_", "")
    if "," not in bare:
        return bare
    grouped = _GROUPED.fullmatch(bare)
    if grouped and (not decimal or bare.count(",") > 1 or "." in bare):
        return bare.replace(",", "")
    if decimal and not grouped and bare.count(",") == 1 and "." not in bare:
        return bare.replace(",", ".")
    raise ValueError


def shown(value: Any) -> str:
    """A value for the eyes, in a form that can be typed again."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:g}"
        case list() | tuple():
            if len(value) == 2 and all(isinstance(side, int) for side in value):
                return f"{value[0]}x{value[1]}"
            return "; ".join(shown(item) for item in value)
        case _:
            return str(value)
