"""Settings as people type them, and as they read them."""

from __future__ import annotations

from typing import Any, Literal

from loratui.problems import Problem, UserError

Kind = Literal["text", "whole", "number", "flag", "size", "list"]

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
        what = f"{text!r} is not {words}." if text else f"this is empty; write {words}."
        raise UserError("", Problem(key, what)) from None


def _value(text: str, kind: Kind) -> Any:
    bare = text.replace(",", "").replace("_", "")
    match kind:
        case "whole":
            return int(bare)
        case "number":
            number = float(bare)
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
