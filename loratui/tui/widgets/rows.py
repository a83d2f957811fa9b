"""A list of one-line rows with a cursor, painted by single rows."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from textual.binding import Binding
from textual.events import Click, MouseScrollDown, MouseScrollUp, Resize
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

Row = tuple[tuple[str, str], ...]
"""Pieces of text, each with the name of a style: ``dim good warn bad strong``, or nothing."""


class RowList(Widget, can_focus=True):
    """Rows to choose from. The cursor is the choice: there is nothing to press besides."""

    COMPONENT_CLASSES = {f"rows--{name}" for name in ("dim", "good", "warn", "bad", "strong", "cursor", "at")}

    DEFAULT_CSS = """
    RowList { height: auto; }
    RowList > .rows--strong { text-style: bold; }
    RowList > .rows--at { text-style: bold; }
    RowList > .rows--cursor { text-style: bold reverse; }
    """

    BINDINGS = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("home", "move(-1000000)", "First", show=False),
        Binding("end", "move(1000000)", "Last", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
    ]

    class Moved(Message):
        """A person moved the cursor to another row."""

        def __init__(self, rows: RowList, index: int) -> None:
            super().__init__()
            self.rows = rows
            self.index = index

        @property
        def control(self) -> RowList:
            return self.rows

    def __init__(self, rows: Sequence[Row] = (), cursor: int = 0, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._rows = list(rows)
        self._cursor = cursor
        self._top = 0

    @property
    def cursor(self) -> int:
        """The chosen row; -1 when none is."""
        return self._cursor if self._rows else -1

    @property
    def rows(self) -> tuple[str, ...]:
        """The text of each row."""
        return tuple("".join(text for text, _ in row) for row in self._rows)

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        return max(1, len(self._rows))

    def show_rows(self, rows: Sequence[Row], cursor: int | None = None) -> None:
        """Show these rows; only what has changed is painted."""
        old, self._rows = self._rows, list(rows)
        if cursor is not None:
            self._set_cursor(cursor)
        if len(old) != len(self._rows):
            self._cursor = min(self._cursor, max(0, len(self._rows) - 1))
            self._scroll_to_cursor()
            self.refresh(layout=True)
            return
        for index, (before, after) in enumerate(zip(old, self._rows, strict=True)):
            if before != after:
                self._paint(index)

    def choose(self, index: int) -> None:
        """Put the cursor on a row, or on none with -1, without telling anybody."""
        self._set_cursor(index)

    def _set_cursor(self, index: int) -> None:
        if index != self._cursor:
            old, self._cursor = self._cursor, index
            self._paint(old)
            self._paint(index)
            self._scroll_to_cursor()

    def _paint(self, index: int) -> None:
        y = index - self._top
        if 0 <= y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    def _scroll_to_cursor(self) -> None:
        height = max(1, self.size.height)
        top = min(self._top, max(0, self._cursor))
        top = max(top, self._cursor - height + 1)
        top = max(0, min(top, len(self._rows) - height))
        if top != self._top:
            self._top = top
            self.refresh()

    def action_move(self, by: int) -> None:
        if not self._rows:
            return
        index = max(0, min(len(self._rows) - 1, self._cursor + by))
        if index != self._cursor:
            self._set_cursor(index)
            self.post_message(self.Moved(self, index))

    def action_page(self, direction: int) -> None:
        self.action_move(direction * max(1, self.size.height - 1))

    def on_resize(self, event: Resize) -> None:
        self._scroll_to_cursor()

    def on_focus(self) -> None:
        self._paint(self._cursor)

    def on_blur(self) -> None:
        self._paint(self._cursor)

    def on_click(self, event: Click) -> None:
        if 0 <= self._top + event.y < len(self._rows):
            self.action_move(self._top + event.y - self._cursor)

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        self.action_move(1)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        self.action_move(-1)

    def render_line(self, y: int) -> Strip:
        index, width = self._top + y, self.size.width
        base = self.rich_style
        if not 0 <= index < len(self._rows):
            return Strip.blank(width, base)
        at = index == self._cursor
        chosen = (
            self.get_component_rich_style("rows--cursor" if self.has_focus else "rows--at") if at else None
        )
        segments = [Segment("> " if at else "  ", chosen or base)]
        for text, name in self._rows[index]:
            style = chosen or (self.get_component_rich_style(f"rows--{name}") if name else base)
            segments.append(Segment(text, style))
        return Strip(segments).adjust_cell_length(width, chosen if chosen and self.has_focus else base)
