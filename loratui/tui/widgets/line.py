"""Text that is only painted again where it has changed."""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len
from textual.content import Content
from textual.geometry import Region
from textual.widget import Widget

from loratui.tui.widgets.changed import regions

_Cell = tuple[str, tuple[object, ...]]
"""A character and its styles."""


class Line(Widget):
    """Text without markup. Painting costs bytes on a slow link, so equal text is never sent twice, and of a
    row only the part that is another."""

    DEFAULT_CSS = """
    Line { height: auto; }
    """

    def __init__(
        self, text: str | Content = "", *, id: str | None = None, classes: str | None = None
    ) -> None:
        self._shown = as_content(text)
        super().__init__(id=id, classes=classes, markup=False)

    def render(self) -> Content:
        return self._shown

    @property
    def text(self) -> str:
        """What is shown, without styles."""
        return self._shown.plain

    def show(self, text: str | Content) -> None:
        """Show other text, where it is other text."""
        content = as_content(text)
        before = self._shown
        if content.plain == before.plain and content.spans == before.spans:
            return
        self._shown = content
        width = self.content_size.width if self.styles.text_align in ("start", "left") else 0
        if fits(before, width) and fits(content, width) and _rows(before) == _rows(content):
            self.refresh(*changes(before, content))
            return
        self.refresh(layout=not self.styles.height or self.styles.height.is_auto)


def as_content(text: str | Content) -> Content:
    """Text as it stands: brackets in it are brackets."""
    return text if isinstance(text, Content) else Content(text)


def fits(content: Content, width: int) -> bool:
    """Whether each row of a text is one row of a widget."""
    return width > 0 and all(cell_len(row) <= width for row in content.plain.split("\n"))


def _rows(content: Content) -> int:
    return content.plain.count("\n") + 1


def changes(before: Content, after: Content) -> Iterator[Region]:
    """Where two texts of as many rows differ, each place as wide as either has it."""
    for y, (old, new) in enumerate(zip(_cells(before), _cells(after), strict=True)):
        length = max(len(old), len(new))
        blank: _Cell = (" ", ())
        old += [blank] * (length - len(old))
        new += [blank] * (length - len(new))
        wide = any(cell_len(character) != 1 for character, _ in (*old, *new))
        places = [x for x, (one, other) in enumerate(zip(old, new, strict=True)) if one != other]
        if not places:
            continue
        if wide:
            yield Region(0, y, max(sum(cell_len(c) for c, _ in row) for row in (old, new)), 1)
            continue
        yield from regions(y, places)


def _cells(content: Content) -> list[list[_Cell]]:
    """The cells of each row."""
    styles: list[tuple[object, ...]] = [()] * len(content.plain)
    for start, end, style in content.spans:
        for index in range(start, min(end, len(styles))):
            styles[index] = (*styles[index], style)
    rows: list[list[_Cell]] = [[]]
    for character, held in zip(content.plain, styles, strict=True):
        if character == "\n":
            rows.append([])
        else:
            rows[-1].append((character, held))
    return rows
