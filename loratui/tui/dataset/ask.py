"""Asks for a line of text."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import ModalScreen

from loratui.tui.widgets.field import Field
from loratui.tui.widgets.keybar import KeyBar
from loratui.tui.widgets.line import Line


class AskScreen(ModalScreen[str | None]):
    """The text, or None when a person went back."""

    BINDINGS = [
        Binding("escape,ctrl+c", "close", "back", id="ask.close", tooltip="Go back"),
    ]

    def __init__(self, question: str, label: str, text: str = "", hint: str = "") -> None:
        super().__init__()
        self._question = question
        self._field = Field("ask", label, text)
        self._hint = hint

    def compose(self) -> ComposeResult:
        yield Line(self._question, classes="question")
        yield self._field
        yield Line(self._hint, id="mend-ask")
        yield KeyBar(("enter", "preview"), ("esc", "back"))

    def on_mount(self) -> None:
        self._field.enter()

    def on_field_submitted(self, event: Field.Submitted) -> None:
        event.stop()
        self.dismiss(self._field.text)

    def action_close(self) -> None:
        self.dismiss(None)
