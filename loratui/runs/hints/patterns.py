"""The patterns of the hints, compiled when a line first asks for them: most never are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache

from loratui.runs.hints.pattern_analysis import ANY_EXCEPTION, is_anchored

_NAME = r"^(?:[A-Za-z_]\w*\.)*\w*(?:[Ee]rror|Exception|Invalid|Died): "


@cache
def compiled(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Any of these, with the shorthand for an exception's name written out."""
    return re.compile("|".join(part.replace(ANY_EXCEPTION, _NAME, 1) for part in patterns))


one = cache(re.compile)
"""One pattern, compiled. (``re`` keeps no more than 512 of its own.)"""


class Finder:
    """Looks for any of these in a line: at its beginning alone, where all of them want that."""

    __slots__ = ("_find", "_patterns")

    def __init__(self, patterns: tuple[str, ...]) -> None:
        self._patterns = patterns
        self._find: Callable[[str], re.Match[str] | None] | None = None

    def __call__(self, line: str) -> re.Match[str] | None:
        if self._find is None:
            found = compiled(self._patterns)
            self._find = found.match if all(map(is_anchored, self._patterns)) else found.search
        return self._find(line)


def union(parts: Iterable[str]) -> re.Pattern[str]:
    """Any of these; of none, a pattern that never matches."""
    return re.compile("|".join(f"(?:{part})" for part in parts) or r"(?!)")
