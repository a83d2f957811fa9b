"""One step of the wizard at a time, between the rail and the keys; which one, and what of it is known."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Input

from loratui.tui.widgets.keybar import KeyBar
from loratui.tui.widgets.line import Line
from loratui.tui.wizard import rail
from loratui.tui.wizard.answers.ends import START, Ends
from loratui.tui.wizard.answers.lookups import Lookups
from loratui.tui.wizard.drafts.opening import Opening
from loratui.tui.wizard.keys import obeyed, shown
from loratui.tui.wizard.panes.message import MessageLine
from loratui.tui.wizard.panes.pane import StepPane
from loratui.tui.wizard.steps import REVIEW

if TYPE_CHECKING:
    from loratui.runs.store import Run

_PANES = (
    "model.ModelPane",
    "dataset.DatasetPane",
    "purpose.PurposePane",
    "trigger.TriggerPane",
    "length.LengthPane",
    "review.ReviewPane",
)
"""By step, below this package."""


class StepsScreen(Screen[None]):
    """Shows what was opened, step by step. What Enter and Escape lead to is for those who derive from it."""

    def __init__(self, opened: Opening, waiting: Run | None = None) -> None:
        """``waiting`` is the run in the queue that is changed: Review saves it in place of a start."""
        super().__init__()
        self.state, self._step, self._seen = opened.state, opened.step, opened.reached
        self._note = opened.note
        self._run_waiting = waiting
        self._attend()

    def _attend(self) -> None:
        """Look after the state as it is from now on."""
        self._lookups = Lookups(self, self.state, self._known)

    def compose(self) -> ComposeResult:
        yield Line(id="breadcrumb")
        yield Line(id="rail")
        yield self._new_pane(self._step)
        yield MessageLine(id="message")
        yield KeyBar()

    def on_mount(self) -> None:
        if self._note:
            self._say(self._note)
        self._arrive()

    # Moving

    @property
    def step(self) -> int:
        """The step shown, from 1."""
        return self._step

    @property
    def pane(self) -> StepPane:
        """The step shown."""
        return self.query_one(f"#step-{self._step}", StepPane)

    async def _go(self, step: int) -> None:
        if not self.query(f"#step-{step}"):
            await self.mount(self._new_pane(step), before="#message")
        for pane in self.query(StepPane):
            pane.display = step == pane.NUMBER
        self._step, self._seen = step, max(self._seen, step)
        self._arrive()

    def _new_pane(self, step: int) -> StepPane:
        module, _, name = _PANES[step - 1].partition(".")
        kind = getattr(importlib.import_module(f"loratui.tui.wizard.panes.{module}"), name)
        pane = kind(self.state)
        assert isinstance(pane, StepPane)
        return pane

    def _arrive(self) -> None:
        """A step is shown that was not."""
        self._lookups.ask(self._step)
        self._show()
        self.pane.focus_first()

    async def _open(self, opened: Opening) -> None:
        """Another recipe in place of what is shown."""
        await self.query(StepPane).remove()
        self.state, self._seen = opened.state, opened.reached
        self._lookups.close()
        self._attend()
        self._say(opened.note)
        await self._go(opened.step)

    # What the disk says

    def _known(self) -> None:
        """Something wanted has been found out."""
        if self.is_attached:
            self._lookups.ask(self._step)
            self._show()

    def _is_known(self) -> bool:
        if not self.pane.is_settled():
            return False
        match self._step:
            case 1:
                return self.state.wanted_model is None
            case 2:
                return self.state.wanted_dataset is None
            case step if step == REVIEW:
                return self.state.wanted_checks is None
            case _:
                return True

    # What is shown

    def _show(self) -> None:
        if not self.query(f"#step-{self._step}"):
            return
        from loratui.tui.wizard.answers.outlook import outlook

        self.pane.show_facts()
        self.pane.show_notes()
        if self._step == REVIEW:
            self.query_one("#start", Line).show(self._ends().words)
        seen = outlook(self.state)
        self.query_one("#rail", Line).show(rail.column(self.state, seen, self._step, self._seen))
        self.query_one("#breadcrumb", Line).show(rail.breadcrumb(self.state, seen, self._step, self._seen))
        self._show_keys()

    def on_descendant_focus(self) -> None:
        self._show_keys()

    def _show_keys(self) -> None:
        typing = isinstance(self.focused, Input)
        ends = self._ends().keys if self._step == REVIEW else ()
        self.query_one(KeyBar).show(shown(self._step, self._seen, self.pane.keys(), ends, typing=typing))

    def _ends(self) -> Ends:
        """What Review ends in."""
        return START

    def _say(self, text: str, wrong: bool = False) -> None:
        self.query_one(MessageLine).say(text, wrong)

    def action_help(self) -> None:
        from loratui.tui.help import HelpScreen

        bindings = [*type(self.pane).BINDINGS, *obeyed(self._step)]
        self.app.push_screen(HelpScreen(self.pane.help_for(self.focused), bindings))
