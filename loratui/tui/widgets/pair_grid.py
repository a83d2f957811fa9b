"""Two curves over each other as a grid of characters, told apart without colour."""

from __future__ import annotations

from loratui.runs.losses import LossHistory, steps_of
from loratui.tui.widgets.chart_frame import DOTS, Cell, framed, only_words
from loratui.tui.widgets.chart_scale import (
    LABEL_WIDTH,
    Look,
    Scale,
    axis_end,
    fitted,
    mark_column,
    row_of,
)
from loratui.tui.widgets.trace import traced

AXIS, FIRST, SECOND, CURSOR = range(4)
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
    look: Look | None = None,
    total_steps: int | None = None,
) -> list[list[Cell]]:
    """``height`` rows of ``width`` cells. The smoothed lines alone: the first one drawn through, the second
    one dashed, each with its letter (A, B) on it; without braille the letters are the lines."""
    columns, rows = width - LABEL_WIDTH - 1, height - 2
    if columns < 4 or rows < 1 or not (first or second):
        words = "" if first or second else "neither has a loss yet"
        return only_words(words, width, height, AXIS)
    look = look or Look()
    edges = scaled((first, second), total_steps, look)
    across, down = (2, 4) if braille else (1, 1)
    dots: list[list[list[int]]] = [[[0, 0] for _ in range(columns)] for _ in range(rows)]
    letters: dict[tuple[int, int], int] = {}
    for number, history in enumerate((first, second)):
        trace = _trace(history, edges, columns * across, rows * down)
        for x, top, bottom in trace:
            if number and braille and x // _DASH % 2:
                continue
            for y in range(top, bottom + 1):
                dots[y // down][x // across][number] |= DOTS[y % down][x % across]
        for share in _MARKS if trace else ():
            x, top, bottom = trace[int(share * (len(trace) - 1))]
            place = ((top + bottom) // 2 // down, x // across)
            if place in letters:  # both run there: side by side
                place = (place[0], min(columns - 1, place[1] + 1))
            letters[place] = number
    plot = [[_cell(dots[y][x], braille) for x in range(columns)] for y in range(rows)]
    for (y, x), number in letters.items():
        plot[y][x] = ("AB"[number], FIRST + number)
    if look.cursor is not None:
        mark_column(plot, edges.column(look.cursor, columns), CURSOR, braille)
    return framed(plot, edges, AXIS, braille=braille)


def scaled(pair: tuple[LossHistory, LossHistory], total_steps: int | None, look: Look) -> Scale:
    """Limits around both smoothed lines; the step axis ends where the longer one does, or grows by doubling
    towards ``total_steps`` while one goes on."""
    ends = [steps for steps in map(steps_of, pair) if steps is not None]
    reached = max((last for _, last in ends), default=1)
    whole = axis_end((1, reached), total_steps) if total_steps is not None else max(2, reached)
    first, last = look.window or (1, whole)
    values = [
        value
        for history in pair
        for span, value in zip(history.spans, history.smoothed(), strict=True)
        if span.first_step <= last and span.first_step + span.count > first
    ]
    return fitted(values or (0.0, 1.0), last, first, logarithmic=look.logarithmic)


def _trace(history: LossHistory, edges: Scale, dots_wide: int, dots_high: int) -> list[tuple[int, int, int]]:
    """Column, top and bottom of the line in each column of dots it crosses."""
    heights: dict[int, int] = {}
    for span, value in zip(history.spans, history.smoothed(), strict=True):
        begin = edges.column(span.first_step, dots_wide)
        end = edges.column(span.first_step + span.count - 1, dots_wide)
        for x in range(max(0, begin), min(dots_wide - 1, end) + 1):
            heights[x] = row_of(edges.height(value), dots_high)
    return traced(heights)


def _cell(bits: list[int], braille: bool) -> Cell:
    one, other = bits
    kind = FIRST if one else SECOND
    if not (one or other):
        return " ", AXIS
    return (chr(0x2800 + (one | other)) if braille else "AB"[kind - FIRST]), kind
