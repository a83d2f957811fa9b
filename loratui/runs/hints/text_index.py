"""Which of many lists of texts have one of theirs in a line, without looking for each."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cache

SHORTEST = 4
"""Letters that a text must have."""


class TextIndex:
    """The lists by the rarest four letters of each text. A list without texts is always found."""

    def __init__(self, lists: Sequence[Sequence[str]]) -> None:
        texts = {text for some in lists for text in some}
        common = Counter(four for text in texts for four in _fours(text))
        self.always = frozenset(number for number, some in enumerate(lists) if not some)
        """The lists that are always found."""
        owners: dict[str, list[int]] = defaultdict(list)
        for number, some in enumerate(lists):
            for text in some:
                owners[text].append(number)
        self._by_four: dict[str, list[tuple[str, list[int]]]] = defaultdict(list)
        for text, numbers in owners.items():
            rarest = min(sorted(_fours(text)), key=common.__getitem__)
            self._by_four[rarest].append((text, numbers))
        self._fours = frozenset(self._by_four)

    def find(self, line: str) -> list[int]:
        """The numbers of the lists that have a text in this line, in order."""
        found = set(self.always)
        for four in self._fours.intersection(_fours(line)):
            for text, numbers in self._by_four[four]:
                if text in line:
                    found.update(numbers)
        return sorted(found)


def _fours(text: str) -> set[str]:
    return {text[at : at + SHORTEST] for at in range(len(text) - SHORTEST + 1)}


index_of = cache(TextIndex)
"""The same for a tuple of tuples, made once."""
