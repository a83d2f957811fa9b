"""Which cells of a row to paint again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from textual.geometry import Region

_WORTH = 16
"""Cells left alone between two changes that pay for moving the cursor: a move and a style cost about 40
bytes."""


def regions(y: int, places: Sequence[int]) -> Iterator[Region]:
    """Regions of row ``y`` that cover rising ``places``, those near each other together."""
    first: int | None = None
    last = 0
    for x in places:
        if first is not None and x - last > _WORTH:
            yield Region(first, y, last - first + 1, 1)
            first = None
        first = x if first is None else first
        last = x
    if first is not None:
        yield Region(first, y, last - first + 1, 1)
