"""Asks whose draft counts, where two terminals have changed it."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING, Literal

from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import ModalScreen

from loratui.runs.hints import fixing
from loratui.tui.text import clip, number, plain
from loratui.tui.widgets.keybar import KeyBar
from loratui.tui.widgets.line import Line

if TYPE_CHECKING:
    from loratui.recipe import Recipe

Choice = Literal["here", "there"]

_ROWS = 8
_LABEL = 24


class ElsewhereScreen(ModalScreen[Choice | None]):
    """Dismissed with the draft that counts; with None nothing is decided, and it is asked again."""

    BINDINGS = [
        Binding("enter,h", "close('here')", "keep mine", id="elsewhere.here", tooltip="Go on with this one"),
        Binding("t", "close('there')", "take the other", id="elsewhere.there", tooltip="Go on with theirs"),
        Binding("escape,q", "close", "look first", id="elsewhere.back", tooltip="Decide later"),
    ]

    def __init__(self, here: Recipe, there: Recipe | None, *, waits: bool) -> None:
        """``there`` is None where the draft is gone; ``waits`` says that it is a run in the queue."""
        super().__init__()
        self._here = here
        self._there = there
        self._waits = waits

    def compose(self) -> ComposeResult:
        what = "run" if self._waits else "draft"
        yield Line(f"Another terminal has changed this {what} meanwhile", classes="question")
        yield Line(id="elsewhere-differs", classes="facts")
        yield Line(id="elsewhere-keys", classes="facts")
        yield KeyBar(("enter", "keep mine"), ("t", "take the other"), ("esc", "look first"))

    def on_resize(self) -> None:
        width = max(30, self.size.width - 4)
        self.query_one("#elsewhere-differs", Line).show(
            differences(self._here, self._there, width, waits=self._waits)
        )
        self.query_one("#elsewhere-keys", Line).show(
            "\n".join(
                fill(f"{key:<8}{words}", width, subsequent_indent=" " * 8)
                for key, words in _keys(self._there is None, self._waits)
            )
        )

    def action_close(self, choice: Choice | None = None) -> None:
        self.dismiss(choice)


def _keys(gone: bool, waits: bool) -> list[tuple[str, str]]:
    mine, other = "go on with what is here", "go on with the other one"
    if gone:
        other = "back to the list of runs" if waits else "begin with an empty one"
    if not waits:
        mine += "" if gone else "; the other comes back when this one is started or given up"
        other += "; this one comes back when that is started or given up"
    return [("enter", mine), ("t", other), ("esc", "look at it first; nothing is written before you choose")]


def differences(here: Recipe, there: Recipe | None, width: int, *, waits: bool) -> str:
    """What the two terminals do not agree on, in rows of ``width``."""
    if there is None:
        gone = "It left the queue" if waits else "It was started as a run there, or given up"
        return fill(f"{gone}. Enter goes on with what is here all the same.", width)
    found = there.diff(here)
    rows = [f"{'':<{_LABEL}}there -> here"]
    for key, other, mine in found[:_ROWS]:
        change = plain(" -> ".join(fixing.word(value) or "(empty)" for value in (other, mine)))
        rows.append(f"{clip(key, _LABEL - 1):<{_LABEL}}{clip(change, width - _LABEL)}")
    if len(found) > _ROWS:
        rows.append(f"and {number(len(found) - _ROWS, 'more setting')}")
    return "\n".join(rows)
