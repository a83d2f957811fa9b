"""The buckets of a set as a small picture in characters: boxes in their true shape, and how full they are."""

from __future__ import annotations

from collections.abc import Sequence

from loratui.dataset.bucket_use import BucketUse
from loratui.dataset.checking.finding import number

_CELL = 11
"""Columns that one box takes, with its words."""

_ROWS = 4
"""Lines a box may be high; a line is two half blocks, each about as wide as high."""

_SIDE = 5.6
"""Columns, and half blocks, of a square box."""


def boxes(uses: Sequence[BucketUse], width: int, *, unicode: bool = True, rows: int = 1) -> list[str]:
    """The fullest buckets drawn side by side, at most ``rows`` rows of them, in ``width`` columns: each box
    in its own shape, all of one area, below it size, pictures, and how much is cropped away. A last line
    counts those left over."""
    across = max(1, (width - 1) // _CELL)
    ranked = ranking(uses)
    shown = ranked[: across * rows]
    lines: list[str] = []
    for at in range(0, len(shown), across):
        row = shown[at : at + across]
        drawn = [_box(use, unicode) for use in row]
        lines += ["".join(f" {box[line]:<{_CELL - 1}}" for box in drawn) for line in range(_ROWS)]
        lines.append("".join(f" {f'{use.size[0]}x{use.size[1]}':<{_CELL - 1}}" for use in row))
        lines.append("".join(f" {_words(use):<{_CELL - 1}}" for use in row))
    rest = ranked[len(shown) :]
    if rest:
        pictures = sum(use.images for use in rest)
        lines.append(f" and {number(len(rest), 'more size')} with {number(pictures, 'picture')}")
    return [line.rstrip() for line in lines]


def bars(uses: Sequence[BucketUse], width: int, *, unicode: bool = True) -> list[str]:
    """Every bucket on a line of its own: size, pictures, a bar, how much is cropped away and enlarged."""
    if not uses:
        return []
    most = max(use.images for use in uses)
    room = max(4, width - 47)
    full = "█" if unicode else "#"
    lines = []
    for use in ranking(uses):
        bar = full * max(1, round(room * use.images / most))
        size = f"{use.size[0]:>5} x {use.size[1]:<5}"
        enlarged = f", {use.enlarged:,} enlarged" if use.enlarged else ""
        lines.append(f"{size}{use.images:>7,}  {bar:<{room}}  {_percent(use.cropped)} cropped{enlarged}")
    return [line[:width].rstrip() for line in lines]


def ranking(uses: Sequence[BucketUse]) -> list[BucketUse]:
    """The fullest first."""
    return sorted(uses, key=lambda use: (-use.images, use.size))


def _words(use: BucketUse) -> str:
    return f"{use.images:,} / {_percent(use.cropped)}"


def _percent(share: float) -> str:
    return "<1%" if 0 < share < 0.005 else f"{share:.0%}"


def _box(use: BucketUse, unicode: bool) -> list[str]:
    ratio = (use.size[0] / use.size[1]) ** 0.5
    columns = max(1, min(_CELL - 2, round(_SIDE * ratio)))
    halves = max(1, min(2 * _ROWS, round(_SIDE / ratio)))
    if not unicode:
        lines = max(1, round(halves / 2))
        return [" " * columns] * (_ROWS - lines) + ["#" * columns] * lines
    lines_full, half = divmod(halves, 2)
    drawn = ["▄" * columns] * half + ["█" * columns] * lines_full
    return [""] * (_ROWS - len(drawn)) + drawn
