"""Sends only the cells that are other than what the terminal shows already.

Textual 8.2 paints a changed part of a row from the left edge of its widget on (``ChopsUpdate`` in
``textual/_compositor.py``, "TODO: crop to x extents"), and a key that shows another part of a screen paints
nearly all of it three times. On a link of a few kilobytes a second that is seconds of waiting.

Textual has no public door to what is sent for an update, so this leans on private names of its compositor.
Where one of them is missing, or means something else by now, Textual paints as it would without us.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from rich.console import Console
from rich.control import Control
from textual.strip import Strip

from loratui.tui.widgets.changed import regions

_NEEDED = {"ChopsUpdate": ("chops", "spans", "chop_ends"), "LayoutUpdate": ("strips", "region")}
"""What is used of each kind of update."""


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


def differing(painter: Painter, update: Any, width: int) -> Any:
    """An update without what the terminal shows already; the update itself where it is not one we know. It is
    worked out when it is sent, not before."""
    if update is None:  # nothing to paint
        return None
    names = _NEEDED.get(type(update).__name__)
    base = _base()
    if names is None or base is None or not all(hasattr(update, name) for name in names):
        painter.forget()
        return update
    return base(painter, update, width)


_classes: list[Callable[..., Any] | None] = []


def _base() -> Callable[..., Any] | None:
    """The class of our updates, made once; None where Textual's is not what it was."""
    if not _classes:
        try:
            from textual._compositor import CompositorUpdate
        except ImportError:
            _classes.append(None)
        else:
            known = hasattr(CompositorUpdate, "render_segments")
            _classes.append(type("Difference", (_Difference, CompositorUpdate), {}) if known else None)
    return _classes[0]


class _Difference:
    """Stands for an update of Textual's."""

    def __init__(self, painter: Painter, update: Any, width: int) -> None:
        self._painter = painter
        self._update = update
        self._width = width

    def render_segments(self, console: Console) -> str:
        """What is sent to the terminal."""
        sent: list[str] = []
        try:
            for piece in pieces(self._update):
                for x, y, cells in self._painter.new(piece, self._width):
                    sent += [Control.move_to(x, y).segment.text, cells.render(console)]
        except (AttributeError, IndexError, TypeError, ValueError):
            self._painter.forget()
            return str(self._update.render_segments(console))
        return "".join(sent)


def pieces(update: Any) -> Iterator[Piece]:
    """What an update is about, from its first to its last cell in each row."""
    if type(update).__name__ == "LayoutUpdate":
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
