"""Losses as a grid of characters: for each column the span of the raw values, and a smoothed line."""

from __future__ import annotations

import math
from dataclasses import dataclass

from loratui.runs.losses import LossHistory

BLANK, RAW, SMOOTH, AXIS = range(4)
Cell = tuple[str, int]
"""A character and what it belongs to."""

LABEL_WIDTH = 7
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Braille's bits by row and column of a cell's eight dots (Unicode, U+2800)."""


@dataclass(frozen=True, slots=True)
class Scale:
    """What the edges of the plot stand for."""

    low: float
    high: float
    last_step: int


def scale(losses: LossHistory, total_steps: int | None) -> Scale:
    """Round limits that change seldom, since each change repaints everything: the loss axis covers all
    values; the step axis doubles as the run goes on, and ends at the planned total."""
    spans = losses.spans
    low = min((span.low for span in spans), default=0.0)
    high = max((span.high for span in spans), default=1.0)
    if high - low <= 1e-9 * max(abs(high), 1e-30):
        pad = abs(high) * 0.1 or 0.1
        low, high = low - pad, high + pad
    unit = _unit(high - low)
    low, high = math.floor(low / unit + 1e-9) * unit, math.ceil(high / unit - 1e-9) * unit
    reached = spans[-1].first_step + spans[-1].count - 1 if spans else 1
    if total_steps is not None and total_steps >= reached:
        last = total_steps
        while last // 2 >= max(reached, 25):
            last = -(-last // 2)
        return Scale(low, high, max(1, last))
    last = 25
    while last < reached:
        last *= 2
    return Scale(low, high, last)


def _unit(extent: float) -> float:
    """A round fraction of ``extent``, about a quarter of it."""
    raw = extent / 4
    power: float = 10.0 ** math.floor(math.log10(raw))
    return next((factor * power for factor in (1, 2, 5) if factor * power >= raw * 0.7), 10 * power)


def draw(
    losses: LossHistory, total_steps: int | None, width: int, height: int, *, braille: bool = True
) -> list[list[Cell]]:
    """``height`` rows of ``width`` cells: labels at the left, the plot, an axis with steps below."""
    columns, rows = width - LABEL_WIDTH - 1, height - 2
    if columns < 2 or rows < 1 or not losses:
        words = "no loss yet" if not losses else ""
        middle = height // 2
        return [
            _text((" " * (LABEL_WIDTH + 1) + words if y == middle else "")[:width].ljust(width))
            for y in range(height)
        ]
    edges = scale(losses, total_steps)
    plot = _plot(losses, edges, columns, rows, braille)
    labels = _loss_labels(edges, rows)
    upright, corner, flat = ("│", "└", "─") if braille else ("|", "+", "-")
    lines = [[*_text(labels.get(y, "").rjust(LABEL_WIDTH) + upright), *plot[y]] for y in range(rows)]
    lines.append(_text(" " * LABEL_WIDTH + corner + flat * columns))
    lines.append(_text(" " * (LABEL_WIDTH + 1) + _step_labels(edges.last_step, columns)))
    return lines


def _text(text: str) -> list[Cell]:
    return [(character, AXIS) for character in text]


def _plot(losses: LossHistory, edges: Scale, columns: int, rows: int, braille: bool) -> list[list[Cell]]:
    across, down = (2, 4) if braille else (1, 1)
    dots_wide, dots_high = columns * across, rows * down
    raw: list[tuple[float, float] | None] = [None] * dots_wide
    line: list[float | None] = [None] * dots_wide
    for span, smooth in zip(losses.spans, losses.smoothed(), strict=True):
        first = _column(span.first_step, edges, dots_wide)
        last = _column(span.first_step + span.count - 1, edges, dots_wide)
        for x in range(first, last + 1):
            seen = raw[x]
            raw[x] = (min(seen[0], span.low), max(seen[1], span.high)) if seen else (span.low, span.high)
            line[x] = smooth
    cloud = [[0] * columns for _ in range(rows)]
    curve = [[0] * columns for _ in range(rows)]
    before: int | None = None
    for x, (extent, value) in enumerate(zip(raw, line, strict=True)):
        if extent is None or value is None:
            continue
        _fill(cloud, x, _row(extent[1], edges, dots_high), _row(extent[0], edges, dots_high), across, down)
        y = _row(value, edges, dots_high)
        joined = y if before is None else before + (y > before) - (y < before)
        _fill(curve, x, min(y, joined), max(y, joined), across, down)
        before = y
    return [[_cell(cloud[y][x], curve[y][x], braille) for x in range(columns)] for y in range(rows)]


def _column(step: int, edges: Scale, width: int) -> int:
    return min(width - 1, max(0, (step - 1) * width // edges.last_step))


def _row(value: float, edges: Scale, height: int) -> int:
    """0 is the top."""
    share = (value - edges.low) / (edges.high - edges.low)
    return min(height - 1, max(0, int((1 - share) * height)))


def _fill(grid: list[list[int]], x: int, top: int, bottom: int, across: int, down: int) -> None:
    for y in range(top, bottom + 1):
        grid[y // down][x // across] |= _DOTS[y % down][x % across]


def _cell(cloud: int, curve: int, braille: bool) -> Cell:
    if curve:
        return (chr(0x2800 + curve) if braille else "*", SMOOTH)
    if cloud:
        return (chr(0x2800 + cloud) if braille else ".", RAW)
    return " ", BLANK


def _loss_labels(edges: Scale, rows: int) -> dict[int, str]:
    unit = _unit(edges.high - edges.low)
    digits = max(0, -math.floor(math.log10(unit))) if unit < 1 else 0
    labels: dict[int, str] = {}
    count = round((edges.high - edges.low) / unit)
    for index in range(count + 1):
        value = edges.low + index * unit
        text = f"{value:.{digits}f}"
        text = text if len(text) <= LABEL_WIDTH else f"{value:.0e}"[:LABEL_WIDTH]
        labels.setdefault(_row(value, edges, rows), text)
    return labels


def _step_labels(last: int, columns: int) -> str:
    cells = [" "] * columns
    for share in (
        (0.0, 0.25, 0.5, 0.75, 1.0) if columns >= 48 else (0.0, 0.5, 1.0) if columns >= 16 else (1.0,)
    ):
        text = f"{round(last * share):,}"
        at = min(columns - len(text), max(0, round(share * columns) - len(text) // 2))
        if at >= 0 and all(cell == " " for cell in cells[max(0, at - 1) : at + len(text) + 1]):
            cells[at : at + len(text)] = text
    return "".join(cells)
