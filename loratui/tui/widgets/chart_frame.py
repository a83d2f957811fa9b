"""What stands around a plot in characters, and what its dots are made of."""

from __future__ import annotations

from collections.abc import Sequence

from loratui.tui.widgets.chart_scale import LABEL_WIDTH, Scale, step_labels, value_labels

Cell = tuple[str, int]
"""A character and what it belongs to."""

DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Braille's bits by row and column of a cell's eight dots (Unicode, U+2800)."""


def text_cells(text: str, kind: int) -> list[Cell]:
    """One cell for each character."""
    return [(character, kind) for character in text]


def only_words(words: str, width: int, height: int, kind: int) -> list[list[Cell]]:
    """``words`` in the middle row, where there is nothing to plot."""
    line = (" " * (LABEL_WIDTH + 1) + words)[:width].ljust(width)
    return [text_cells(line if y == height // 2 else " " * width, kind) for y in range(height)]


def framed(plot: Sequence[Sequence[Cell]], edges: Scale, kind: int, *, braille: bool) -> list[list[Cell]]:
    """``plot`` with values at its left and steps below it: two rows and ``LABEL_WIDTH`` + 1 columns more."""
    columns, labels = len(plot[0]), value_labels(edges, len(plot))
    upright, corner, flat = ("│", "└", "─") if braille else ("|", "+", "-")
    lines = [
        [*text_cells(labels.get(y, "").rjust(LABEL_WIDTH) + upright, kind), *row]
        for y, row in enumerate(plot)
    ]
    lines.append(text_cells(" " * LABEL_WIDTH + corner + flat * columns, kind))
    lines.append(text_cells(" " * (LABEL_WIDTH + 1) + step_labels(edges, columns), kind))
    return lines
