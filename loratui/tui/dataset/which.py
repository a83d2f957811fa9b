"""Which of several folders is to be mended."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import Screen

from loratui.tui.dataset.words import step_words
from loratui.tui.widgets.keybar import KeyBar
from loratui.tui.widgets.line import Line
from loratui.tui.widgets.rows import RowList


class WhichFolder(Screen[Path | None]):
    """Closes with the folder; with None when a person went back."""

    BINDINGS = [
        Binding("enter", "open", "mend", id="which.open", tooltip="Mend this folder"),
        Binding("escape,q", "back", "back", id="which.back", tooltip="Back"),
    ]

    def __init__(self, folders: Sequence[Path]) -> None:
        super().__init__()
        self._folders = folders

    def compose(self) -> ComposeResult:
        yield Line("Which folder shall be mended?", classes="question")
        yield RowList([((step_words(folder), ""),) for folder in self._folders], id="which-rows")
        yield Line(
            "The file that names them stays as it is: training takes a copy that names the mended folders.",
            classes="hint",
        )
        yield KeyBar(("enter", "mend"), ("esc", "back"))

    def on_mount(self) -> None:
        self.query_one(RowList).focus()

    def action_open(self) -> None:
        self.dismiss(self._folders[self.query_one(RowList).cursor])

    def action_back(self) -> None:
        self.dismiss(None)
