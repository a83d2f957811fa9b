"""Asks before a run is stopped."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import ModalScreen

from loratui.tui.widgets.keybar import KeyBar
from loratui.tui.widgets.line import Line


class StopScreen(ModalScreen[bool]):
    """True to stop."""

    BINDINGS = [
        Binding("enter", "close(True)", "stop", id="stop.yes", tooltip="Stop after this step"),
        Binding("escape,q,n", "close(False)", "keep running", id="stop.no", tooltip="Keep running"),
    ]

    def __init__(self, name: str, saves: bool) -> None:
        super().__init__()
        self._run_name = name
        self._saves = saves

    def compose(self) -> ComposeResult:
        what = (
            "It finishes this step, saves the LoRA and a state to resume from, and ends."
            if self._saves
            else "This engine saves nothing on a stop: what was saved last stays, to resume from."
        )
        yield Line(f"Stop {self._run_name}?", classes="question")
        yield Line(what, classes="facts")
        yield Line("enter   stop after this step\nesc     keep running", classes="facts")
        yield KeyBar(("enter", "stop"), ("esc", "keep running"))

    def action_close(self, stop: bool) -> None:
        self.dismiss(stop)
