"""A line through dots that stand apart."""

from __future__ import annotations

from collections.abc import Mapping


def traced(heights: Mapping[int, int]) -> list[tuple[int, int, int]]:
    """Column, top and bottom of an unbroken line through one dot each in some columns: straight between two
    of them, however far apart they stand."""
    trace: list[tuple[int, int, int]] = []
    before: tuple[int, int] | None = None
    for x in sorted(heights):
        if before is None:
            trace.append((x, heights[x], heights[x]))
        else:
            left, level = before
            last = level
            for column in range(left + 1, x + 1):
                y = level + round((heights[x] - level) * (column - left) / (x - left))
                joined = last + (y > last) - (y < last)
                trace.append((column, min(y, joined), max(y, joined)))
                last = y
        before = x, heights[x]
    return trace
