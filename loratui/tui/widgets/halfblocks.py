"""A picture in half blocks: two pixels in each cell. Made in a thread; the widget only paints."""

from __future__ import annotations

import warnings
from pathlib import Path

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

FAULTS = (OSError, ValueError, SyntaxError, EOFError, MemoryError, IndexError)
"""What Pillow raises for damaged files, besides its own."""

_GREYS = " .:-=+*#%@"


Colour = tuple[int, int, int]
Cells = list[list[tuple[Colour, Colour]]]
"""Rows of cells, each the colours of its upper and lower half."""


def cells(path: Path, width: int, height: int) -> Cells:
    """A picture as large as fits into ``width`` by ``height`` cells, not turned by EXIF, as the trainer sees
    it; transparency on white. Empty for what cannot be opened."""
    from PIL import Image

    try:
        with warnings.catch_warnings(), Image.open(path) as picture:
            warnings.simplefilter("ignore")
            if picture.format == "JPEG":
                picture.draft("RGB", (width * 2, height * 4))
            picture.thumbnail((max(1, width), max(2, 2 * height)))
            shown = picture.convert("RGBA")
    except (
        OSError,
        ValueError,
        SyntaxError,
        EOFError,
        MemoryError,
        IndexError,
        Image.DecompressionBombError,
    ):
        return []
    ground = Image.new("RGBA", shown.size, "white")
    ground.alpha_composite(shown)
    data = ground.convert("RGB").tobytes()
    columns, lines = shown.size

    def pixel(x: int, y: int) -> Colour:
        at = 3 * (min(y, lines - 1) * columns + x)
        return data[at], data[at + 1], data[at + 2]

    return [[(pixel(x, y), pixel(x, y + 1)) for x in range(columns)] for y in range(0, lines, 2)]


class HalfBlocks(Widget):
    """Paints what ``cells`` made; in plain ASCII by brightness."""

    DEFAULT_CSS = """
    HalfBlocks { width: 1fr; height: 1fr; }
    """

    def __init__(self, *, id: str | None = None, unicode: bool = True) -> None:
        super().__init__(id=id)
        self._cells: Cells = []
        self._unicode = unicode

    def show(self, made: Cells) -> None:
        """Show a picture; an empty one shows nothing."""
        self._cells = made
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y >= len(self._cells):
            return Strip.blank(width, self.rich_style)
        segments = [self._segment(upper, lower) for upper, lower in self._cells[y][:width]]
        return Strip(segments).adjust_cell_length(width, self.rich_style)

    def _segment(self, upper: Colour, lower: Colour) -> Segment:
        if not self._unicode:
            bright = (sum(upper) + sum(lower)) * (len(_GREYS) - 1) // (6 * 255)
            return Segment(_GREYS[bright], self.rich_style)
        return Segment("\u2580", Style(color=Color.from_rgb(*upper), bgcolor=Color.from_rgb(*lower)))
