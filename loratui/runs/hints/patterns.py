"""The patterns of the hints, compiled, and the texts without which none of them can match."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache

from loratui.runs.hints.text_index import SHORTEST

_ANY_EXCEPTION = "^E: "
"""How a pattern begins that counts for an exception of any name."""
_NAME = re.compile(r"(?:[A-Za-z_]\w*\.)*\w*(?:[Ee]rror|Exception|Invalid|Died): ")


@cache
def compiled(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Any of these, with the shorthand for an exception's name written out."""
    name = f"^{_NAME.pattern}"
    return re.compile("|".join(part.replace(_ANY_EXCEPTION, name, 1) for part in patterns))


one = cache(re.compile)
"""One pattern, compiled. (``re`` keeps no more than 512 of its own.)"""


@cache
def required(pattern: str) -> frozenset[str]:
    """Texts of which a line that this matches must hold one; empty where that is not sure."""
    needed: frozenset[str] = frozenset()
    for part in _alternatives(pattern):
        if not (texts := _texts(part.removeprefix(_ANY_EXCEPTION))):
            return frozenset()
        needed |= texts
    return needed


def _texts(pattern: str) -> frozenset[str]:
    """The same of a pattern without alternatives: its longest plain text, or those of its groups."""
    plain = _needle(pattern)
    best = frozenset({plain}) if len(plain) >= SHORTEST else frozenset()
    for group in _groups(pattern):
        texts = required(group)
        if texts and min(map(len, texts)) > min(map(len, best), default=0):
            best = texts
    return best


def _groups(pattern: str) -> Iterator[str]:
    """What stands in the outermost groups that every match must go through."""
    depth, at, start = 0, 0, 0
    while at < len(pattern):
        found = _BEYOND_PLAIN.match(pattern, at)
        assert found is not None
        if found[0] == "(":
            start = found.end() if not depth else start
            depth += 1
        elif found[0] == ")":
            depth -= 1
            if not depth and pattern[found.end() : found.end() + 1] not in ("?", "*", "{"):
                inside = pattern[start : found.start()]
                if inside.startswith("?:"):
                    yield inside[2:]
                elif not inside.startswith("?"):
                    yield inside
        at = found.end()


def finder(patterns: tuple[str, ...]) -> Callable[[str], re.Match[str] | None]:
    """How to look for any of these in a line: at its beginning alone, where all of them want that."""
    found = compiled(patterns)
    anchored = all(part.startswith("^") for pattern in patterns for part in _alternatives(pattern))
    return found.match if anchored else found.search


_PLAIN = re.compile(r"\\([^\w])|([\w :/,'\"`=<>@;!&%~#-])")
_BEYOND_PLAIN = re.compile(r"\\.|\[\^?\]?[^\]\\]*(?:\\.[^\]\\]*)*\]|.", re.DOTALL)


def _alternatives(pattern: str) -> list[str]:
    """A pattern's alternatives at its top level."""
    parts, depth, at, start = [], 0, 0, 0
    while at < len(pattern):
        found = _BEYOND_PLAIN.match(pattern, at)
        assert found is not None
        depth += (found[0] == "(") - (found[0] == ")")
        if found[0] == "|" and not depth:
            parts.append(pattern[start:at])
            start = found.end()
        at = found.end()
    return [*parts, pattern[start:]]


def _needle(pattern: str) -> str:
    """The longest plain text that any match of this pattern must hold; empty where none is sure."""
    best, run, depth, at = "", "", 0, 0
    while at < len(pattern):
        plain = _PLAIN.match(pattern, at)
        if plain and not depth:
            run += plain[1] or plain[2]
            at = plain.end()
            continue
        found = _BEYOND_PLAIN.match(pattern, at)
        assert found is not None
        token, at = found[0], found.end()
        if token == "|" and not depth:
            return ""
        depth += (token == "(") - (token == ")")
        run = run[:-1] if token in "?*{" and not depth and plain is None else run
        best, run = max(best, run, key=len), ""
        if token == "{":
            at = pattern.index("}", at) + 1
    return max(best, run, key=len)


def union(parts: Iterable[str]) -> re.Pattern[str]:
    """Any of these; of none, a pattern that never matches."""
    return re.compile("|".join(f"(?:{part})" for part in parts) or r"(?!)")
