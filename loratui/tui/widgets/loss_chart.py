"""The loss, live: a braille chart that paints only the cells that changed."""

from __future__ import annotations

from itertools import groupby

from rich.segment import Segment
from textual.events import Resize
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from loratui.runs.losses import LossHistory
from loratui.tui.glyphs import glyphs
from loratui.tui.widgets import loss_grid


class LossChart(Widget):
    """Raw losses as a cloud between the least and the greatest of each column, and a smoothed line."""

    COMPONENT_CLASSES = {"chart--raw", "chart--smooth", "chart--axis"}
    """
    | Class | What |
    | :- | :- |
    | `chart--raw` | The span of the raw values. |
    | `chart--smooth` | The smoothed line. |
    | `chart--axis` | Axes and labels. |
    """

    DEFAULT_CSS = """
    LossChart { height: 1fr; }
    LossChart > .chart--smooth { text-style: bold; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._losses = LossHistory()
        self._total_steps: int | None = None
        self._cells: list[list[loss_grid.Cell]] = []

    def show(self, losses: LossHistory, total_steps: int | None) -> None:
        """Draw a history as it is now. Cells that stay as they are cost nothing."""
        self._losses, self._total_steps = losses, total_steps
        if self.is_attached and self.size.width and self.size.height:
            self._redraw()

    def on_resize(self, event: Resize) -> None:
        self._redraw()

    def _redraw(self) -> None:
        old = self._cells
        self._cells = loss_grid.draw(
            self._losses, self._total_steps, self.size.width, self.size.height, braille=glyphs().unicode
        )
        if len(old) != len(self._cells):
            self.refresh()
            return
        for y, (before, after) in enumerate(zip(old, self._cells, strict=True)):
            if before == after:
                continue
            if len(before) != len(after):
                self.refresh()
                return
            changed = [x for x, (one, other) in enumerate(zip(before, after, strict=True)) if one != other]
            self.refresh(Region(changed[0], y, changed[-1] - changed[0] + 1, 1))

    def render_line(self, y: int) -> Strip:
        base = self.rich_style
        if y >= len(self._cells):
            return Strip.blank(self.size.width, base)
        styles = {
            loss_grid.BLANK: base,
            loss_grid.RAW: self.get_component_rich_style("chart--raw"),
            loss_grid.SMOOTH: self.get_component_rich_style("chart--smooth"),
            loss_grid.AXIS: self.get_component_rich_style("chart--axis"),
        }
        segments = [
            Segment("".join(character for character, _ in cells), styles[kind])
            for kind, cells in groupby(self._cells[y], key=lambda cell: cell[1])
        ]
        return Strip(segments).adjust_cell_length(self.size.width, base)
