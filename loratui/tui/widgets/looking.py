"""What a person does to a chart by keys: zoom, and a cursor over its steps."""

from __future__ import annotations

from itertools import groupby
from typing import ClassVar

from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from loratui.tui.widgets.changed import regions
from loratui.tui.widgets.chart_scale import LABEL_WIDTH, Look, Scale, moved, zoomed

Cell = tuple[str, int]
"""A character and what it belongs to."""


class LookedAt(Widget):
    """A chart over steps. With the focus, keys zoom it and move its cursor; cells that stay as they are cost
    nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "move(-1)", "back", id="chart.left", tooltip="The cursor a column back"),
        Binding("right", "move(1)", "on", id="chart.right", tooltip="The cursor a column on"),
        Binding("home", "move(-100000)", "first", id="chart.home", tooltip="The cursor to the first step"),
        Binding("end", "move(100000)", "last", id="chart.end", tooltip="The cursor to the last step"),
        Binding("plus,equals_sign", "zoom(True)", "closer", id="chart.closer", tooltip="Half as many steps"),
        Binding("minus", "zoom(False)", "farther", id="chart.farther", tooltip="Twice as many steps"),
        Binding("0", "all", "all", id="chart.all", tooltip="All steps"),
        Binding("g", "logarithmic", "log scale", id="chart.log", tooltip="Logarithmic scale, and back"),
    ]
    STYLES: ClassVar[dict[int, str]] = {}
    """The component class of each kind of cell that has one."""

    class Looked(Message):
        """A person moved the cursor or changed how the curve is seen."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._cells: list[list[Cell]] = []
        self.look = Look()
        """How it is seen now."""

    # What a chart says of itself

    def drawn(self) -> list[list[Cell]]:
        """The cells as they should be now."""
        raise NotImplementedError

    def extent(self) -> tuple[int, int] | None:
        """The first and the last step there is a value of; None where there is none."""
        raise NotImplementedError

    def scaled(self, look: Look) -> Scale:
        """What the edges of the plot stand for when it is seen so."""
        raise NotImplementedError

    # Looking

    def see(self, look: Look) -> None:
        """See it otherwise."""
        self.look = look
        self.redraw()

    def on_focus(self) -> None:
        """The cursor stands on the last step at first."""
        steps = self.extent()
        if self.look.cursor is None and steps is not None:
            self._see(cursor=steps[1])

    def on_blur(self) -> None:
        self.see(Look(logarithmic=self.look.logarithmic))

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
        steps = self.extent()
        if steps is None:
            return
        edges, columns = self.scaled(self.look), self.size.width - LABEL_WIDTH - 1
        step = steps[1] if self.look.cursor is None else self.look.cursor
        count = edges.last_step - edges.first_step + 1
        step = min(steps[1], max(steps[0], step + by * max(1, round(count / max(1, columns)))))
        window = self.look.window
        if window is not None and not window[0] <= step <= window[1]:
            beyond = step - window[1] if step > window[1] else step - window[0]
            window = moved(window, beyond, max(steps[1], edges.last_step))
        self._see(cursor=step, window=window)

    def action_zoom(self, closer: bool) -> None:
        steps = self.extent()
        if steps is None:
            return
        middle = steps[1] if self.look.cursor is None else self.look.cursor
        self._see(window=zoomed(self.scaled(self.look), closer, middle, self.scaled(Look()).last_step))

    def action_all(self) -> None:
        self._see(window=None)

    def action_logarithmic(self) -> None:
        self._see(window=self.look.window, logarithmic=not self.look.logarithmic)

    # Drawing

    def on_resize(self, event: Resize) -> None:
        self.redraw()

    def redraw(self) -> None:
        """Draw it as it should be now; only cells that change are painted."""
        if not (self.is_attached and self.size.width and self.size.height):
            return
        old = self._cells
        self._cells = self.drawn()
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
        styles = {kind: self.get_component_rich_style(name) for kind, name in self.STYLES.items()}
        segments = [
            Segment("".join(character for character, _ in cells), styles.get(kind, base))
            for kind, cells in groupby(self._cells[y], key=lambda cell: cell[1])
        ]
        return Strip(segments).adjust_cell_length(self.size.width, base)
