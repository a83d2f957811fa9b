"""Notes on a run."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import ModalScreen
from textual.widgets import TextArea

from loratui.problems import UserError
from loratui.runs.notes import read_notes, write_notes
from loratui.runs.store import Run
from loratui.tui import text
from loratui.tui.widgets.keybar import KeyBar
from loratui.tui.widgets.line import Line


class NotesScreen(ModalScreen[None]):
    """A page to write on. Leaving keeps what was written."""

    BINDINGS = [
        Binding("escape", "close", "keep and go back", id="notes.close", tooltip="Keep the notes, go back"),
    ]

    def __init__(self, run: Run) -> None:
        super().__init__()
        self._noted = run
        self._before = read_notes(run)

    def compose(self) -> ComposeResult:
        yield Line("Notes on this run", classes="question")
        area = TextArea(self._before.rstrip("\n"), id="notes", tab_behavior="focus")
        area.cursor_blink = False
        yield area
        yield Line(id="notes-wrong", classes="facts")
        yield KeyBar(("esc", "keep and go back"))

    def on_mount(self) -> None:
        area = self.query_one(TextArea)
        area.focus()
        area.move_cursor(area.document.end)

    def action_close(self) -> None:
        written = self.query_one(TextArea).text
        try:
            if written.strip() != self._before.strip():
                write_notes(self._noted, written)
        except UserError as error:
            self.query_one("#notes-wrong", Line).show(text.plain(str(error)))
            return
        self.dismiss()

    action_leave = action_close
