"""A curve as a grid of characters: for each column the span of the raw values, and a smoothed line."""

from __future__ import annotations

from collections.abc import Sequence

from loratui.runs.losses import EpochMean, LossHistory
from loratui.tui.widgets.chart_frame import DOTS, Cell, framed, only_words
from loratui.tui.widgets.chart_scale import (
    LABEL_WIDTH,
    Look,
    Scale,
    mark_column,
    row_of,
    scale,
)
from loratui.tui.widgets.trace import traced

BLANK, RAW, SMOOTH, AXIS, EPOCH, CURSOR = range(6)


def draw(
    losses: LossHistory,
    total_steps: int | None,
    width: int,
    height: int,
    *,
    braille: bool = True,
    look: Look | None = None,
    epoch_means: Sequence[EpochMean] = (),
    nothing: str = "no loss yet",
) -> list[list[Cell]]:
    """``height`` rows of ``width`` cells: labels at the left, the plot, an axis with steps below."""
    look = look or Look()
    columns, rows = width - LABEL_WIDTH - 1, height - 2
    if columns < 2 or rows < 1 or not losses:
        return only_words("" if losses else nothing, width, height, AXIS)
    edges = scale(losses, total_steps, look)
    plot = _plot(losses, edges, columns, rows, braille)
    _mark_epochs(plot, edges, epoch_means, braille)
    if look.cursor is not None:
        mark_column(plot, edges.column(look.cursor, columns), CURSOR, braille)
    return framed(plot, edges, AXIS, braille=braille)


def _plot(losses: LossHistory, edges: Scale, columns: int, rows: int, braille: bool) -> list[list[Cell]]:
    across, down = (2, 4) if braille else (1, 1)
    dots_wide, dots_high = columns * across, rows * down
    raw: list[tuple[float, float] | None] = [None] * dots_wide
    line: list[float | None] = [None] * dots_wide
    for span, smooth in zip(losses.spans, losses.smoothed(), strict=True):
        first = edges.column(span.first_step, dots_wide)
        last = edges.column(span.first_step + span.count - 1, dots_wide)
        for x in range(max(0, first), min(dots_wide - 1, last) + 1):
            seen = raw[x]
            raw[x] = (min(seen[0], span.low), max(seen[1], span.high)) if seen else (span.low, span.high)
            line[x] = smooth
    cloud = [[0] * columns for _ in range(rows)]
    curve = [[0] * columns for _ in range(rows)]
    for x, extent in enumerate(raw):
        if extent is not None:
            top, bottom = (row_of(edges.height(end), dots_high) for end in (extent[1], extent[0]))
            _fill(cloud, x, top, bottom, across, down)
    heights = {x: row_of(edges.height(value), dots_high) for x, value in enumerate(line) if value is not None}
    for x, top, bottom in traced(heights):
        _fill(curve, x, top, bottom, across, down)
    return [[_cell(cloud[y][x], curve[y][x], braille) for x in range(columns)] for y in range(rows)]


def _fill(grid: list[list[int]], x: int, top: int, bottom: int, across: int, down: int) -> None:
    for y in range(top, bottom + 1):
        grid[y // down][x // across] |= DOTS[y % down][x % across]


def _cell(cloud: int, curve: int, braille: bool) -> Cell:
    if curve:
        return (chr(0x2800 + curve) if braille else "*", SMOOTH)
    if cloud:
        return (chr(0x2800 + cloud) if braille else ".", RAW)
    return " ", BLANK


def _mark_epochs(plot: list[list[Cell]], edges: Scale, means: Sequence[EpochMean], braille: bool) -> None:
    """The mean of each epoch as a level line over its steps."""
    rows, columns = len(plot), len(plot[0])
    for mean in means:
        y = row_of(edges.height(mean.mean), rows)
        first, last = edges.column(mean.first_step, columns), edges.column(mean.last_step, columns)
        for x in range(max(0, first), min(columns - 1, last) + 1):
            if plot[y][x][1] != SMOOTH:
                plot[y][x] = ("━" if braille else "=", EPOCH)
