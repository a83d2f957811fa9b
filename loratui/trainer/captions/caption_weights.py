"""Weighted captions: ``(words)``, ``(words:1.3)`` and ``[words]``, as WebUIs write them. Pure text."""

from __future__ import annotations

import re

_LOUDER = 1.1
_MARK = re.compile(r"\\[()\[\]\\]?|[(\[\])]|:([+-]?[.\d]+)\)")


def parse(text: str) -> list[tuple[str, float]]:
    """Pieces of the text with their weights, neighbours of the same weight joined.

    Round brackets multiply by 1.1 or by the number after a colon, square ones divide by 1.1; brackets
    nest, a backslash makes one a letter, and one that is never closed reaches to the end (the rules
    sd-scripts documents at library/strategy_base.py:91-129).
    """
    pieces: list[tuple[str, float]] = []
    open_at: dict[str, list[int]] = {"(": [], "[": []}

    def close(bracket: str, factor: float) -> bool:
        if not open_at[bracket]:
            return False
        start = open_at[bracket].pop()
        pieces[start:] = [(words, weight * factor) for words, weight in pieces[start:]]
        return True

    position = 0
    for mark in _MARK.finditer(text):
        if mark.start() > position:
            pieces.append((text[position : mark.start()], 1.0))
        position = mark.end()
        found = mark[0]
        if found[0] == "\\":
            pieces.append((found[1:], 1.0))
        elif found in open_at:
            open_at[found].append(len(pieces))
        else:
            factor = 1 / _LOUDER if found == "]" else _number(mark[1], _LOUDER)
            if not close("[" if found == "]" else "(", factor):
                pieces.append((found, 1.0))
    if position < len(text):
        pieces.append((text[position:], 1.0))
    for bracket, factor in (("(", _LOUDER), ("[", 1 / _LOUDER)):
        while close(bracket, factor):
            pass
    return _joined(pieces)


def _number(text: str | None, otherwise: float) -> float:
    try:
        return float(text) if text else otherwise
    except ValueError:
        return otherwise


def _joined(pieces: list[tuple[str, float]]) -> list[tuple[str, float]]:
    joined: list[tuple[str, float]] = []
    for words, weight in pieces:
        if joined and joined[-1][1] == weight:
            joined[-1] = (joined[-1][0] + words, weight)
        else:
            joined.append((words, weight))
    return joined
