"""The patterns of the hints, compiled, and a quick look whether any of them can match a line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache

_ANY_EXCEPTION = "^E: "
"""How a pattern begins that counts for an exception of any name."""
_NAME = re.compile(r"(?:[A-Za-z_]\w*\.)*\w*(?:[Ee]rror|Exception|Invalid|Died): ")
# A pattern that begins with the names of exceptions, one or several, perhaps behind their module's
_NAMES_FIRST = re.compile(
    r"\^(?:\(\?:\[\\w\.\]\+\\\.\)\?)?(?:\(\?:{name}(?:\|{name})*\)|{name}): ".replace(
        "{name}", r"\w*(?:Error|Exception)"
    )
)


@cache
def compiled(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Any of these, with the shorthand for an exception's name written out."""
    name = f"^{_NAME.pattern}"
    return re.compile("|".join(part.replace(_ANY_EXCEPTION, name, 1) for part in patterns))


one = cache(re.compile)
"""One pattern, compiled. (``re`` keeps no more than 512 of its own.)"""


@cache
def prefilter(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    """Whether any of these can match a line: quick for the many lines that none does. Messages are tried
    behind an exception's name alone; patterns that begin anyhow wait for the longest text they require."""
    raised, named, anchored, loose, needles = [], [], [], [], set()
    for part in patterns:
        if part.startswith(_ANY_EXCEPTION):
            raised.append(part[len(_ANY_EXCEPTION) :])
        elif _NAMES_FIRST.match(part):
            named.append(part[1:])
        elif part[:1] == "^" and part[1:2].isalpha():
            anchored.append(part[1:])
        elif len(needle := _needle(part)) >= _SHORTEST_NEEDLE:
            needles.add(needle)
        elif part[:1] == "^":
            anchored.append(part[1:])
        else:
            loose.append(part)
    is_raised, is_named, is_anchored, is_loose = map(union, (raised, named, anchored, loose))
    required = tuple(needles)

    def may_match(line: str) -> bool:
        name = _NAME.match(line)
        return bool(
            (name and (is_raised.match(line, name.end()) or is_named.match(line)))
            or is_anchored.match(line)
            or is_loose.search(line)
            or any(map(line.__contains__, required))
        )

    return may_match


@cache
def frame_filter(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    """Whether any of these, which may stand anywhere in a line, can match one."""
    loose, needles = [], set()
    for part in (part for pattern in patterns for part in _alternatives(pattern)):
        needle = _needle(part)
        if len(needle) >= _SHORTEST_FRAME_NEEDLE:
            needles.add(needle)
        else:
            loose.append(part)
    required, is_loose = tuple(needles), union(loose)

    def may_match(line: str) -> bool:
        return any(map(line.__contains__, required)) or is_loose.search(line) is not None

    return may_match


_SHORTEST_FRAME_NEEDLE = 4
_SHORTEST_NEEDLE = 6
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
