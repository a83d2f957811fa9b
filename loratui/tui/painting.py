"""Sends only the cells that are other than what the terminal shows already.

Textual 8.2 paints a changed part of a row from the left edge of its widget on (``ChopsUpdate`` in
``textual/_compositor.py``, "TODO: crop to x extents"), and a key that shows another part of a screen paints
nearly all of it three times. On a link of a few kilobytes a second that is seconds of waiting.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich.console import Console
from rich.control import Control
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.strip import Strip

from loratui.tui.widgets.changed import regions


class Piece(NamedTuple):
    """Part of a row of the terminal."""

    x: int
    y: int
    cells: Strip


class Painter:
    """What the terminal shows, by row, as far as it is known."""

    def __init__(self) -> None:
        self._rows: dict[int, Strip] = {}
        self._width = 0

    def forget(self) -> None:
        """The terminal may show anything: everything is sent anew."""
        self._rows.clear()

    def new(self, piece: Piece, width: int) -> Iterator[Piece]:
        """What of a piece must be sent to a terminal of so many columns, which then shows it."""
        if width != self._width:
            self.forget()
            self._width = width
        x, y, cells = piece
        end = x + cells.cell_length
        old = self._rows.get(y)
        if old is None:
            if x == 0 and end == width:
                self._rows[y] = cells
            yield piece
            return
        before = old.crop(x, end)
        if before == cells:
            return
        self._rows[y] = Strip.join([old.crop(0, x), cells, old.crop(end, width)])
        ones, others = _cells(before), _cells(cells)
        if ones is None or others is None or len(ones) != len(others):
            yield piece
            return
        places = [at for at, (one, other) in enumerate(zip(ones, others, strict=True)) if one != other]
        for region in regions(y, places):
            yield Piece(x + region.x, y, cells.crop(region.x, region.right))


class Difference(CompositorUpdate):
    """An update without what the terminal shows already. It is worked out when it is sent, not before."""

    def __init__(self, painter: Painter, update: ChopsUpdate | LayoutUpdate, width: int) -> None:
        self._painter = painter
        self._update = update
        self._width = width

    def render_segments(self, console: Console) -> str:
        """What is sent to the terminal."""
        sent: list[str] = []
        for piece in pieces(self._update):
            for x, y, cells in self._painter.new(piece, self._width):
                sent += [Control.move_to(x, y).segment.text, cells.render(console)]
        return "".join(sent)


def pieces(update: ChopsUpdate | LayoutUpdate) -> Iterator[Piece]:
    """What an update is about, from its first to its last cell in each row."""
    if isinstance(update, LayoutUpdate):
        for y, strips in enumerate(update.strips, update.region.y):
            yield Piece(update.region.x, y, Strip.join(list(strips)))
        return
    for y, first, beyond in update.spans:
        for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            left, right = max(x, first), min(end, beyond)
            if strip is not None and left < right:
                whole = left == x and right == end
                yield Piece(left, y, strip if whole else strip.crop(left - x, right - x))


def _cells(strip: Strip) -> Sequence[tuple[str, object]] | None:
    """Each cell's character and style; None where a character is wider than its cell, or narrower."""
    cells = [(character, style) for text, style, _ in strip for character in text]
    return cells if len(cells) == strip.cell_length else None
