"""Asks what to do when no GPU is free: wait in the queue, or start all the same."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING, Literal

from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import ModalScreen

from loratui.runs.queueing.turn import names
from loratui.tui.text import duration, number, plain
from loratui.tui.widgets.keybar import KeyBar
from loratui.tui.widgets.line import Line

if TYPE_CHECKING:
    from loratui.runs.queueing.turn import Training, Turn


class OccupiedScreen(ModalScreen[Literal["queue", "start beside"] | None]):
    """Dismissed with what to do; with None nothing is started."""

    BINDINGS = [
        Binding("enter,w", "close('queue')", "queue", id="occupied.queue", tooltip="Put it in the queue"),
        Binding("s", "close('start beside')", "start now", id="occupied.start", tooltip="Start it now"),
        Binding("escape,q,n", "close", "back", id="occupied.back", tooltip="Start nothing"),
    ]

    def __init__(self, training: tuple[Training, ...], turn: Turn) -> None:
        super().__init__()
        self._training = training
        self._turn = turn

    def compose(self) -> ComposeResult:
        who = plain(names(self._training)) or "Another run"
        verb = "train" if len(self._training) > 1 else "trains"
        yield Line(f"No GPU is free: {who} {verb} now", classes="question")
        yield Line("\n".join(f"  {plain(progress(one))}" for one in self._training), classes="facts")
        yield Line(id="occupied-why", classes="facts")
        waits = f" and {number(self._turn.of, 'run')} that wait" if self._turn.of else ""
        waits = waits.replace("1 run that wait", "1 run that waits")
        yield Line(
            f"enter   put this run in the queue: it starts by itself, after {who}{waits}\n"
            "s       start it now all the same\n"
            "esc     back; nothing is started",
            classes="facts",
        )
        yield KeyBar(("enter", "queue"), ("s", "start now"), ("esc", "back"))

    def on_resize(self) -> None:
        words = "Two trainings on one GPU share its memory: both get slow, and either may run out of it."
        self.query_one("#occupied-why", Line).show(fill(words, max(30, self.size.width - 4)))

    def action_close(self, wish: Literal["queue", "start beside"] | None = None) -> None:
        self.dismiss(wish)


def progress(one: Training) -> str:
    """``hero   step 120 of 400, 16 min left``."""
    total = f" of {one.total_steps:,}" if one.total_steps else ""
    left = f", {duration(one.seconds_left)} left" if one.seconds_left is not None else ""
    return f"{one.name}   step {one.step:,}{total}{left}"
