"""Two loss curves over each other."""

from __future__ import annotations

from itertools import groupby

from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from loratui.runs.losses import LossHistory
from loratui.tui.glyphs import glyphs
from loratui.tui.widgets import pair_grid


class PairChart(Widget):
    """Draws the smoothed lines of two runs: A through, B dashed, both with their letters."""

    COMPONENT_CLASSES = {"pair--axis", "pair--first", "pair--second"}
    """
    | Class | What |
    | :- | :- |
    | `pair--axis` | Axes and labels. |
    | `pair--first` | The first run's line. |
    | `pair--second` | The second run's line. |
    """

    DEFAULT_CSS = """
    PairChart { height: 1fr; }
    PairChart > .pair--first { text-style: bold; }
    """

    def __init__(self, first: LossHistory, second: LossHistory, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._pair = (first, second)
        self._cells: list[list[pair_grid.Cell]] = []
        self.logarithmic = False
        """Whether the value axis is."""

    def turn_scale(self) -> None:
        """Logarithmic, and back."""
        self.logarithmic = not self.logarithmic
        self._redraw()

    def on_resize(self) -> None:
        self._redraw()

    def _redraw(self) -> None:
        self._cells = pair_grid.draw(
            *self._pair,
            self.size.width,
            self.size.height,
            braille=glyphs().unicode,
            logarithmic=self.logarithmic,
        )
        self.refresh()

    def render_line(self, y: int) -> Strip:
        base = self.rich_style
        if y >= len(self._cells):
            return Strip.blank(self.size.width, base)
        names = {pair_grid.AXIS: "axis", pair_grid.FIRST: "first", pair_grid.SECOND: "second"}
        segments = [
            Segment(
                "".join(character for character, _ in cells),
                self.get_component_rich_style(f"pair--{names[kind]}"),
            )
            for kind, cells in groupby(self._cells[y], key=lambda cell: cell[1])
        ]
        return Strip(segments).adjust_cell_length(self.size.width, base)
