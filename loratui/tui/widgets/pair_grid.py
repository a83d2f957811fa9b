"""Two curves over each other as a grid of characters, told apart without colour."""

from __future__ import annotations

from loratui.runs.losses import LossHistory
from loratui.tui.widgets.chart_scale import LABEL_WIDTH, Scale, fitted, row_of, step_labels, value_labels

AXIS, FIRST, SECOND = range(3)
Cell = tuple[str, int]
"""A character and what it belongs to."""

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_DASH = 4
"""Dots of a dash of the second curve, and between two."""
_MARKS = (0.2, 0.55, 0.9)
"""Where along itself a curve carries its letter."""


def draw(
    first: LossHistory,
    second: LossHistory,
    width: int,
    height: int,
    *,
    braille: bool = True,
    logarithmic: bool = False,
) -> list[list[Cell]]:
    """``height`` rows of ``width`` cells. The smoothed lines alone: the first one drawn through, the second
    one dashed, each with its letter (A, B) on it; without braille the letters are the lines."""
    columns, rows = width - LABEL_WIDTH - 1, height - 2
    if columns < 4 or rows < 1 or not (first or second):
        words = "" if first or second else "neither has a loss yet"
        return [
            _text((" " * (LABEL_WIDTH + 1) + words if y == height // 2 else "")[:width].ljust(width))
            for y in range(height)
        ]
    edges = _edges(first, second, logarithmic)
    across, down = (2, 4) if braille else (1, 1)
    dots: list[list[list[int]]] = [[[0, 0] for _ in range(columns)] for _ in range(rows)]
    letters: dict[tuple[int, int], int] = {}
    for number, history in enumerate((first, second)):
        trace = _trace(history, edges, columns * across, rows * down)
        for x, top, bottom in trace:
            if number and braille and x // _DASH % 2:
                continue
            for y in range(top, bottom + 1):
                dots[y // down][x // across][number] |= _DOTS[y % down][x % across]
        for share in _MARKS if trace else ():
            x, top, bottom = trace[int(share * (len(trace) - 1))]
            place = ((top + bottom) // 2 // down, x // across)
            if place in letters:  # both run there: side by side
                place = (place[0], min(columns - 1, place[1] + 1))
            letters[place] = number
    plot = [[_cell(dots[y][x], braille) for x in range(columns)] for y in range(rows)]
    for (y, x), number in letters.items():
        plot[y][x] = ("AB"[number], FIRST + number)
    labels = value_labels(edges, rows)
    upright, corner, flat = ("│", "└", "─") if braille else ("|", "+", "-")
    lines = [[*_text(labels.get(y, "").rjust(LABEL_WIDTH) + upright), *plot[y]] for y in range(rows)]
    lines.append(_text(" " * LABEL_WIDTH + corner + flat * columns))
    lines.append(_text(" " * (LABEL_WIDTH + 1) + step_labels(edges, columns)))
    return lines


def _text(text: str) -> list[Cell]:
    return [(character, AXIS) for character in text]


def _edges(first: LossHistory, second: LossHistory, logarithmic: bool) -> Scale:
    values = [value for history in (first, second) for value in history.smoothed()]
    last = max(
        history.spans[-1].first_step + history.spans[-1].count - 1 for history in (first, second) if history
    )
    return fitted(values, max(2, last), logarithmic=logarithmic)


def _trace(history: LossHistory, edges: Scale, dots_wide: int, dots_high: int) -> list[tuple[int, int, int]]:
    """Column, top and bottom of the line in each column of dots it crosses."""
    heights: dict[int, int] = {}
    for span, value in zip(history.spans, history.smoothed(), strict=True):
        begin = edges.column(span.first_step, dots_wide)
        end = edges.column(span.first_step + span.count - 1, dots_wide)
        for x in range(max(0, begin), min(dots_wide - 1, end) + 1):
            heights[x] = row_of(edges.height(value), dots_high)
    trace: list[tuple[int, int, int]] = []
    before: tuple[int, int] | None = None
    for x in sorted(heights):
        y = heights[x]
        if before is not None:
            for between in range(before[0] + 1, x):  # few steps over many columns: a straight line
                level = before[1] + round((y - before[1]) * (between - before[0]) / (x - before[0]))
                trace.append((between, level, level))
        joined = y if before is None or x > before[0] + 1 else before[1] + (y > before[1]) - (y < before[1])
        trace.append((x, min(y, joined), max(y, joined)))
        before = (x, y)
    return trace


def _cell(bits: list[int], braille: bool) -> Cell:
    one, other = bits
    kind = FIRST if one else SECOND
    if not (one or other):
        return " ", AXIS
    return (chr(0x2800 + (one | other)) if braille else "AB"[kind - FIRST]), kind
