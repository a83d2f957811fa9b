"""A curve, live: a braille chart that paints only the cells that changed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rich.segment import Segment
from textual.binding import Binding
from textual.events import Resize
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from loratui.runs.losses import EpochMean, LossHistory
from loratui.tui.glyphs import glyphs
from loratui.tui.widgets import curve_grid
from loratui.tui.widgets.changed import regions
from loratui.tui.widgets.chart_scale import LABEL_WIDTH, Look, Scale, moved, scale, zoomed


class CurveChart(Widget):
    """Raw values as a cloud between the least and the greatest of each column, and a smoothed line. With the
    focus, keys zoom it and move a cursor over its steps."""

    COMPONENT_CLASSES = {"chart--raw", "chart--smooth", "chart--axis", "chart--epoch", "chart--cursor"}
    """
    | Class | What |
    | :- | :- |
    | `chart--raw` | The span of the raw values. |
    | `chart--smooth` | The smoothed line. |
    | `chart--axis` | Axes and labels. |
    | `chart--epoch` | The mean of each epoch. |
    | `chart--cursor` | The column of the cursor. |
    """

    DEFAULT_CSS = """
    CurveChart { height: 1fr; }
    CurveChart > .chart--smooth { text-style: bold; }
    """

    BINDINGS = [
        Binding("left", "move(-1)", "back", id="chart.left", tooltip="The cursor a column back"),
        Binding("right", "move(1)", "on", id="chart.right", tooltip="The cursor a column on"),
        Binding("home", "move(-100000)", "first", id="chart.home", tooltip="The cursor to the first step"),
        Binding("end", "move(100000)", "last", id="chart.end", tooltip="The cursor to the last step"),
        Binding("plus,equals_sign", "zoom(True)", "closer", id="chart.closer", tooltip="Half as many steps"),
        Binding("minus", "zoom(False)", "farther", id="chart.farther", tooltip="Twice as many steps"),
        Binding("0", "all", "all", id="chart.all", tooltip="All steps"),
        Binding("g", "logarithmic", "log scale", id="chart.log", tooltip="Logarithmic scale, and back"),
    ]

    class Looked(Message):
        """A person moved the cursor or changed how the curve is seen."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._losses = LossHistory()
        self._total_steps: int | None = None
        self._epoch_means: Sequence[EpochMean] = ()
        self._cells: list[list[curve_grid.Cell]] = []
        self._nothing = "no loss yet"
        self.look = Look()
        """How it is seen now."""

    def show(
        self,
        losses: LossHistory,
        total_steps: int | None,
        epoch_means: Sequence[EpochMean] = (),
        nothing: str = "no loss yet",
    ) -> None:
        """Draw a history as it is now. Cells that stay as they are cost nothing."""
        self._losses, self._total_steps = losses, total_steps
        self._epoch_means, self._nothing = epoch_means, nothing
        if self.is_attached and self.size.width and self.size.height:
            self._redraw()

    def see(self, look: Look) -> None:
        """See the curve otherwise."""
        self.look = look
        self._redraw()

    @property
    def edges(self) -> Scale:
        """What the edges of the plot stand for now."""
        return scale(self._losses, self._total_steps, self.look)

    def on_resize(self, event: Resize) -> None:
        self._redraw()

    def on_focus(self) -> None:
        """The cursor stands on the last step at first."""
        if self.look.cursor is None and self._losses:
            self._see(cursor=self._reached)

    def on_blur(self) -> None:
        self.see(Look(logarithmic=self.look.logarithmic))

    @property
    def _reached(self) -> int:
        last = self._losses.spans[-1]
        return last.first_step + last.count - 1

    def _see(
        self,
        *,
        cursor: int | None = None,
        window: tuple[int, int] | None = None,
        logarithmic: bool | None = None,
    ) -> None:
        old = self.look
        self.see(
            Look(
                window,
                old.logarithmic if logarithmic is None else logarithmic,
                old.cursor if cursor is None else cursor,
            )
        )
        self.post_message(self.Looked())

    def action_move(self, by: int) -> None:
        """The cursor by columns; a zoomed window goes along."""
        if not self._losses:
            return
        edges, columns = self.edges, self.size.width - LABEL_WIDTH - 1
        step = self._reached if self.look.cursor is None else self.look.cursor
        count = edges.last_step - edges.first_step + 1
        by_steps = by * max(1, round(count / max(1, columns)))
        step = min(self._reached, max(self._losses.spans[0].first_step, step + by_steps))
        window = self.look.window
        if window is not None and not window[0] <= step <= window[1]:
            beyond = step - window[1] if step > window[1] else step - window[0]
            window = moved(window, beyond, max(self._reached, edges.last_step))
        self._see(cursor=step, window=window)

    def action_zoom(self, closer: bool) -> None:
        if not self._losses:
            return
        end = scale(self._losses, self._total_steps).last_step
        middle = self._reached if self.look.cursor is None else self.look.cursor
        self._see(window=zoomed(self.edges, closer, middle, end))

    def action_all(self) -> None:
        self._see(window=None)

    def action_logarithmic(self) -> None:
        self._see(window=self.look.window, logarithmic=not self.look.logarithmic)

    def _redraw(self) -> None:
        old = self._cells
        self._cells = curve_grid.draw(
            self._losses,
            self._total_steps,
            self.size.width,
            self.size.height,
            braille=glyphs().unicode,
            look=self.look,
            epoch_means=self._epoch_means,
            nothing=self._nothing,
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
            self.refresh(*regions(y, changed))

    def render_line(self, y: int) -> Strip:
        base = self.rich_style
        if y >= len(self._cells):
            return Strip.blank(self.size.width, base)
        styles = {
            curve_grid.BLANK: base,
            curve_grid.RAW: self.get_component_rich_style("chart--raw"),
            curve_grid.SMOOTH: self.get_component_rich_style("chart--smooth"),
            curve_grid.AXIS: self.get_component_rich_style("chart--axis"),
            curve_grid.EPOCH: self.get_component_rich_style("chart--epoch"),
            curve_grid.CURSOR: self.get_component_rich_style("chart--cursor"),
        }
        segments = [
            Segment("".join(character for character, _ in cells), styles[kind])
            for kind, cells in groupby(self._cells[y], key=lambda cell: cell[1])
        ]
        return Strip(segments).adjust_cell_length(self.size.width, base)
