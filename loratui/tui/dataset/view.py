"""One picture, or two beside each other, in half blocks."""

from __future__ import annotations

from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen

from loratui.tui.glyphs import glyphs
from loratui.tui.text import clip_path
from loratui.tui.widgets.halfblocks import HalfBlocks, cells
from loratui.tui.widgets.keybar import KeyBar
from loratui.tui.widgets.line import Line


class ViewScreen(ModalScreen[None]):
    """Pictures by name and path. Any of the usual keys goes back."""

    BINDINGS = [
        Binding("escape,enter,q,v,space,ctrl+c", "close", "back", id="view.close", tooltip="Go back"),
    ]

    def __init__(self, pictures: list[tuple[str, Path]]) -> None:
        super().__init__()
        self._pictures = pictures

    def compose(self) -> ComposeResult:
        with Horizontal(id="view"):
            for index, (name, _) in enumerate(self._pictures):
                with Vertical():
                    yield Line(name, id=f"view-name-{index}", classes="heading")
                    yield HalfBlocks(id=f"view-{index}", unicode=glyphs().unicode)
        yield KeyBar(("esc", "back"))

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    @work(thread=True, exclusive=True, group="view")
    def _draw(self) -> None:
        for index, (name, path) in enumerate(self._pictures):
            widget = self.query_one(f"#view-{index}", HalfBlocks)
            width, height = widget.size
            made = cells(path, width - 1, height)
            if not self.is_attached:
                return
            title = clip_path(name, max(8, width - 2)) + ("" if made else "  (cannot be opened)")
            self.app.call_from_thread(self.query_one(f"#view-name-{index}", Line).show, title)
            self.app.call_from_thread(widget.show, made)

    def action_close(self) -> None:
        self.dismiss()
