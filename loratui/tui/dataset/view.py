"""One picture, or two beside each other, in half blocks."""

from __future__ import annotations

from pathlib import Path

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen

from loratui.tui.text import clip_path
from loratui.tui.widgets.keybar import KeyBar
from loratui.tui.widgets.line import Line
from loratui.tui.widgets.picture import Picture


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
                    yield Picture(id=f"view-{index}", upright=False)
        yield KeyBar(("esc", "back"))

    def on_mount(self) -> None:
        for index, (_, path) in enumerate(self._pictures):
            self.query_one(f"#view-{index}", Picture).show(path)

    def on_resize(self) -> None:
        for index in range(len(self._pictures)):
            self._entitle(index, "")

    def on_picture_drawn(self, event: Picture.Drawn) -> None:
        self._entitle(int((event.picture.id or "view-0").removeprefix("view-")), event.error)

    def _entitle(self, index: int, error: str) -> None:
        title = self.query_one(f"#view-name-{index}", Line)
        room = max(8, (title.size.width or self.size.width // len(self._pictures)) - 2)
        name = clip_path(self._pictures[index][0], room)
        title.show(f"{name}  {error}" if error else name)

    def action_close(self) -> None:
        self.dismiss()
