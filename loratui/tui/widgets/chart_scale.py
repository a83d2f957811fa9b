"""The axes of a chart: what their edges stand for, and the labels beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from loratui.runs.losses import LossHistory, Span, steps_of

LABEL_WIDTH = 7
_FEWEST_STEPS = 8
"""A window is not zoomed in further."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a person wants to see a curve."""

    window: tuple[int, int] | None = None
    """First and last step shown; None for all, up to the planned total."""
    logarithmic: bool = False
    cursor: int | None = None
    """The step whose values are told."""


@dataclass(frozen=True, slots=True)
class Scale:
    """What the edges of the plot stand for. Of a logarithmic one, ``low`` and ``high`` are log10."""

    low: float
    high: float
    last_step: int
    first_step: int = 1
    logarithmic: bool = False

    def height(self, value: float) -> float:
        """0 at the lower edge, 1 at the upper one; beyond them for values outside."""
        if self.logarithmic:
            value = math.log10(value) if value > 0 else self.low
        return (value - self.low) / (self.high - self.low)

    def column(self, step: int, columns: int) -> int:
        """The column of a step; below 0 or beyond the last one for steps outside."""
        return (step - self.first_step) * columns // (self.last_step - self.first_step + 1)


def scale(losses: LossHistory, total_steps: int | None, look: Look | None = None) -> Scale:
    """Round limits that change seldom, since each change repaints everything: the value axis covers all
    values shown; the step axis doubles as the run goes on, and ends at the planned total."""
    look = look or Look()
    first, last = look.window or (1, axis_end(steps_of(losses), total_steps))
    shown = [span for span in losses.spans if span.first_step <= last and _end(span) >= first]
    values = [value for span in shown for value in (span.low, span.high)]
    return fitted(values or (0.0, 1.0), last, first, logarithmic=look.logarithmic)


def fitted(values: Sequence[float], last: int, first: int = 1, *, logarithmic: bool = False) -> Scale:
    """Round limits around values. A logarithmic scale leaves out what is not above 0, and is none where
    nothing is."""
    low, high = min(values), max(values)
    logarithmic = logarithmic and high > 0
    if logarithmic:
        low, high = math.log10(min(value for value in values if value > 0)), math.log10(high)
    if high - low <= 1e-9 * max(abs(high), 1e-30):
        pad = abs(high) * 0.1 or 0.1
        low, high = low - pad, high + pad
    step = unit(high - low)
    low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    return Scale(low, high, last, first, logarithmic)


def zoomed(edges: Scale, closer: bool, middle: int, end: int) -> tuple[int, int] | None:
    """Half or double the steps shown around ``middle``, within 1 and ``end``; None for all of them."""
    count = edges.last_step - edges.first_step + 1
    wanted = max(_FEWEST_STEPS, count // 2) if closer else count * 2
    if wanted >= end:
        return None
    first = min(max(1, middle - wanted // 2), end - wanted + 1)
    return first, first + wanted - 1


def moved(window: tuple[int, int], by: int, end: int) -> tuple[int, int]:
    """The same number of steps, ``by`` further on, within 1 and ``end``."""
    count = window[1] - window[0] + 1
    first = min(max(1, window[0] + by), max(1, end - count + 1))
    return first, first + count - 1


def _end(span: Span) -> int:
    return span.first_step + span.count - 1


def axis_end(steps: tuple[int, int] | None, total_steps: int | None) -> int:
    """The last step of the axis for a run that goes on: a planned total halved often enough, or a power of
    two times 25."""
    reached = steps[1] if steps else 1
    if total_steps is not None and total_steps >= reached:
        last = total_steps
        while last // 2 >= max(reached, 25):
            last = -(-last // 2)
        return max(1, last)
    last = 25
    while last < reached:
        last *= 2
    return last


def unit(extent: float) -> float:
    """A round fraction of ``extent``, about a quarter of it."""
    raw = extent / 4
    power: float = 10.0 ** math.floor(math.log10(raw))
    return next((factor * power for factor in (1, 2, 5) if factor * power >= raw * 0.7), 10 * power)


def value_labels(edges: Scale, rows: int) -> dict[int, str]:
    """Labels of the value axis by row, 0 at the top."""
    labels: dict[int, str] = {}
    for value, text in _decades(edges) if edges.logarithmic else _multiples(edges):
        row = row_of(edges.height(value), rows)
        labels.setdefault(row, text if len(text) <= LABEL_WIDTH else f"{value:.0e}"[:LABEL_WIDTH])
    return labels


def _multiples(edges: Scale) -> list[tuple[float, str]]:
    step = unit(edges.high - edges.low)
    digits = max(0, -math.floor(math.log10(step))) if step < 1 else 0
    first, last = math.ceil(edges.low / step - 1e-6), math.floor(edges.high / step + 1e-6)
    values = (index * step for index in range(first, last + 1))
    return [(value, f"{value:.{digits}f}") for value in values]


def _decades(edges: Scale) -> list[tuple[float, str]]:
    """Round values between the edges: powers of ten over many decades, finer ones over few."""
    extent = edges.high - edges.low
    if extent < 0.5:
        low, high = 10.0**edges.low, 10.0**edges.high
        step = unit(high - low)
        values = [step * count for count in range(math.ceil(low / step), math.floor(high / step) + 1)]
    else:
        factors = (1,) if extent > 4 else (1, 3) if extent > 2 else (1, 2, 3, 5, 7)
        powers = range(math.floor(edges.low), math.ceil(edges.high) + 1)
        values = [factor * 10.0**power for power in powers for factor in factors]
        values = [value for value in values if edges.low <= math.log10(value) <= edges.high]
    return [(value, short(value)) for value in values]


def short(value: float) -> str:
    """A value in at most seven characters."""
    text = f"{value:.3g}"
    return text if len(text) <= LABEL_WIDTH else f"{value:.0e}"


def step_labels(edges: Scale, columns: int) -> str:
    """The line below the step axis."""
    cells = [" "] * columns
    shares = (0.0, 0.25, 0.5, 0.75, 1.0) if columns >= 48 else (0.0, 0.5, 1.0) if columns >= 16 else (1.0,)
    first = edges.first_step if edges.first_step > 1 else 0
    before = ""
    for share in shares:
        text = f"{round(first + (edges.last_step - first) * share):,}"
        at = min(columns - len(text), max(0, round(share * columns) - len(text) // 2))
        if text == before:
            continue
        before = text
        if at >= 0 and all(cell == " " for cell in cells[max(0, at - 1) : at + len(text) + 1]):
            cells[at : at + len(text)] = text
    return "".join(cells)


def row_of(height: float, rows: int) -> int:
    """The row of a height between 0 and 1; 0 is the top."""
    return min(rows - 1, max(0, int((1 - height) * rows)))


def mark_column(plot: list[list[tuple[str, int]]], x: int, kind: int, braille: bool) -> None:
    """The cursor's column in a plot: an upright line that leaves what is drawn in it."""
    if not 0 <= x < len(plot[0]):
        return
    for row in plot:
        character = row[x][0]
        row[x] = (("│" if braille else "|") if character == " " else character, kind)
