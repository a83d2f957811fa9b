"""What a pattern tells, by itself, of the lines that it can match."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from loratui.runs.hints.text_index import SHORTEST

ANY_EXCEPTION = "^E: "
"""How a pattern begins that counts for an exception of any name."""

_PLAIN = re.compile(r"[\w :/,'\"`=<>@;!&%~#-]+")
_TOKEN = re.compile(rf"{_PLAIN.pattern}|\(\?:?|\\.|\[\^?\]?[^\]\\]*(?:\\.[^\]\\]*)*\]|.", re.DOTALL)
"""Plain text, the beginning of a group, an escape, a class of characters, or what has a meaning."""
_ANY_TIMES = ("?", "*", "{")
"""What may leave out what stands before it."""


@cache
def required(pattern: str) -> frozenset[str]:
    """Texts of which a line that this matches must hold one; empty where that is not sure."""
    return _any_of(_TOKEN.findall(pattern.replace(ANY_EXCEPTION, "")), 0)[0]


def is_anchored(pattern: str) -> bool:
    """Whether each of its alternatives matches at a line's beginning alone."""
    depth, begins = 0, True
    for token in _TOKEN.findall(pattern):
        if begins and token != "^":
            return False
        depth += (token[0] == "(") - (token == ")")
        begins = token == "|" and not depth
    return not begins


def _any_of(tokens: Sequence[str], at: int) -> tuple[frozenset[str], int]:
    """Those of the alternatives from ``at`` on, and where they end: at a closing bracket or the pattern's
    end."""
    needed, sure = frozenset[str](), True
    while True:
        texts, at = _all_of(tokens, at)
        needed |= texts
        sure = sure and bool(texts)
        if at == len(tokens) or tokens[at] == ")":
            return needed if sure else frozenset(), at
        at += 1


def _all_of(tokens: Sequence[str], at: int) -> tuple[frozenset[str], int]:
    """Those of one alternative: its longest plain text, or the surest of its groups; and where it ends."""
    longest, run, groups = "", "", []
    while at < len(tokens) and tokens[at] not in ("|", ")"):
        token, at = tokens[at], at + 1
        if text := _text(token):
            run += text
            continue
        longest, run = max(longest, run[:-1] if token in _ANY_TIMES else run, key=len), ""
        if token == "{":
            at = tokens.index("}", at) + 1
        if token[0] == "(":
            texts, at = _any_of(tokens, at)
            at += 1
            if token != "(?" and "".join(tokens[at : at + 1]) not in _ANY_TIMES:
                groups.append(texts)
    longest = max(longest, run, key=len)
    best = frozenset({longest}) if len(longest) >= SHORTEST else frozenset[str]()
    for texts in groups:
        if texts and min(map(len, texts)) > min(map(len, best), default=0):
            best = texts
    return best, at


def _text(token: str) -> str:
    """What a token stands for that stands for itself."""
    if token[0] == "\\" and not (token[1].isalnum() or token[1] == "_"):
        return token[1]
    return token if _PLAIN.match(token) else ""
