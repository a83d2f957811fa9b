"""Sends only the cells that changed.

Textual 8.2 paints a changed part of a row from the left edge of its widget on (``ChopsUpdate`` in
``textual/_compositor.py``, "TODO: crop to x extents"), which on a slow link costs more than the change.
"""

from __future__ import annotations

from rich.console import Console
from rich.control import Control
from textual._compositor import ChopsUpdate


class CroppedUpdate(ChopsUpdate):
    """Each changed span of a row, from its first to its last cell."""

    @classmethod
    def of(cls, update: ChopsUpdate) -> CroppedUpdate:
        """The same update, cropped."""
        return cls(update.chops, update.spans, update.chop_ends)

    def render_segments(self, console: Console) -> str:
        """What is sent to the terminal."""
        sent: list[str] = []
        for y, first, beyond in self.spans:
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                left, right = max(x, first), min(end, beyond)
                if strip is None or left >= right:
                    continue
                whole = left == x and right == end
                cells = strip if whole else strip.crop(left - x, right - x)
                sent += [Control.move_to(left, y).segment.text, cells.render(console)]
        return "".join(sent)
