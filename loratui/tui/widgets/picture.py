"""A picture in the terminal, read in the background."""

from __future__ import annotations

from pathlib import Path

from textual import work
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from loratui.tui.glyphs import glyphs
from loratui.tui.widgets.half_blocks import Rendered, render


class Picture(Widget):
    """Draws one picture file as large as it has room. It costs about 30 bytes a cell on the link, so it is
    for a key that asks for it, not for what changes by itself."""

    DEFAULT_CSS = """
    Picture { width: 1fr; height: 1fr; }
    """

    class Drawn(Message):
        """A picture is shown, or ``error`` says why not."""

        def __init__(self, picture: Picture, path: Path, size: tuple[int, int] | None, error: str) -> None:
            super().__init__()
            self.picture = picture
            self.path = path
            self.pixels = size
            """Its own width and height."""
            self.error = error

        @property
        def control(self) -> Picture:
            return self.picture

    def __init__(self, *, id: str | None = None, upright: bool = True) -> None:
        """Not ``upright``: not turned by EXIF, as a trainer sees it."""
        super().__init__(id=id)
        self._upright = upright
        self._path: Path | None = None
        self._strips: list[Strip] = []

    @property
    def path(self) -> Path | None:
        """What is shown, or is being read."""
        return self._path

    def show(self, path: Path | None) -> None:
        """Show another picture; None shows nothing."""
        self._path = path
        if path is None:
            self._strips = []
            self.refresh()
        elif self.size.width and self.size.height:
            self._read(path, self.size.width, self.size.height)

    def on_resize(self) -> None:
        if self._path is not None:
            self.show(self._path)

    @work(thread=True, exclusive=True, group="picture")
    def _read(self, path: Path, columns: int, rows: int) -> None:
        drawn, error = None, ""
        try:
            drawn = render(path, columns, rows, blocks=glyphs().unicode, upright=self._upright)
        except FileNotFoundError:
            error = "It is not there any more."
        except Exception as caught:  # Pillow raises whatever its decoders do
            error = f"It cannot be read ({caught})."
        if self.is_attached:
            self.app.call_from_thread(self._show, path, drawn, error)

    def _show(self, path: Path, drawn: Rendered | None, error: str) -> None:
        if path != self._path:
            return
        self._strips = drawn.strips if drawn else []
        self.refresh()
        size = (drawn.width, drawn.height) if drawn else None
        self.post_message(self.Drawn(self, path, size, error))

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y >= len(self._strips):
            return Strip.blank(width, self.rich_style)
        return self._strips[y].crop_extend(0, width, self.rich_style)
