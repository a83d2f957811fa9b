"""Five questions and Review, over one recipe. Enter always means next."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Input

from loratui.recipe import Recipe
from loratui.tui.text import squeeze
from loratui.tui.widgets.keybar import KeyBar
from loratui.tui.widgets.line import Line
from loratui.tui.wizard import draft, rail, verdict
from loratui.tui.wizard.arriving import Arrival
from loratui.tui.wizard.keeping import Keeper
from loratui.tui.wizard.keys import BINDINGS, shown
from loratui.tui.wizard.lookups import Lookups
from loratui.tui.wizard.pane import StepPane
from loratui.tui.wizard.starting import Start, Starter
from loratui.tui.wizard.state import WizardState
from loratui.tui.wizard.steps import REVIEW
from loratui.tui.wizard.verdict import Sight

if TYPE_CHECKING:
    from pathlib import Path

    from loratui.runs.store import Run

__all__ = ["Start", "WizardScreen"]

_PANES = (
    "model.ModelPane",
    "dataset.DatasetPane",
    "purpose.PurposePane",
    "trigger.TriggerPane",
    "length.LengthPane",
    "review.ReviewPane",
)
"""By step, below this package."""
_MESSAGE_ROWS = 3
"""As the stylesheet has it."""
_EMPTY = "An empty run. The draft is gone."
START_WORDS = "[ Enter: Start training ]  [ w: Queue it ]"


class WizardScreen(Screen[None]):
    """Asks for a recipe and starts it. ``parent`` is the run a recipe was copied from; ``waiting`` is a run
    in the queue whose recipe it is."""

    BINDINGS = BINDINGS

    def __init__(
        self,
        recipe: Recipe | None,
        start: Start,
        *,
        step: int = 1,
        note: str = "",
        parent: tuple[str, Recipe] | None = None,
        waiting: Run | None = None,
    ) -> None:
        super().__init__()
        kept = draft.load(waiting.folder if waiting else None) if recipe is None or waiting else None
        if kept is not None:
            self.state, place = kept
            step, self._seen = place.step, max(place.step, place.reached)
            note = "Your unfinished run, where you left it. ctrl+n starts with an empty one."
            if waiting is not None:
                note = draft.unsaved(self.state, parent)
                self.state.parent = parent
        else:
            self.state = WizardState(recipe, parent=parent)
            self._seen = step
        self._note = note
        self._step = step
        self._waiting = self._solving = False
        self._starter = Starter(self, start, self._say, waiting)
        self._warned = False
        """Whether it was said that leaving loses what was changed in a waiting run."""
        self._is_left = False
        """Whether a waiting run is left as it was: nothing is to be kept."""
        self._keeper = Keeper(self, self._to_keep)
        self._attend()
        self._looked_again = False
        """Whether the engine was asked once more before its problem is said."""
        self._against = ""
        """What is said to stand in the way."""

    def _attend(self) -> None:
        """Look after the state as it is from now on."""
        self._lookups = Lookups(self, self.state, self._known)
        self._arrival = Arrival(self, self.state, self._say, self._is_waiting_to_start, self._model_arrived)

    def compose(self) -> ComposeResult:
        yield Line(id="breadcrumb")
        yield Line(id="rail")
        yield self._new_pane(self._step)
        yield Line(id="message")
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
        self._keeper.soon()
        self._arrive()

    def _new_pane(self, step: int) -> StepPane:
        module, _, name = _PANES[step - 1].partition(".")
        kind = getattr(importlib.import_module(f"loratui.tui.wizard.{module}"), name)
        pane = kind(self.state)
        assert isinstance(pane, StepPane)
        return pane

    def _arrive(self) -> None:
        if self._step == REVIEW:
            self._keeper.now()
            self._arrival.watch()
        self._lookups.ask(self._step)
        self._show()
        self.pane.focus_first()

    def action_next(self) -> None:
        self._starter.wish = "start"
        self._ask_next()

    def action_queue(self) -> None:
        if self._step == REVIEW:
            self._starter.wish = "queue"
            self._ask_next()

    def _ask_next(self) -> None:
        """What the keys before this one changed may still be on its way to the recipe, and comes first."""
        inside = self.focused is not None and self.pane in self.focused.ancestors
        (self.focused if self.focused is not None and inside else self.pane).post_message(StepPane.Asked())

    async def on_step_pane_next(self, event: StepPane.Next) -> None:
        event.stop()
        await self._go_on()

    async def _go_on(self) -> None:
        if self._starter.busy:
            return
        found = verdict.enter(self.state, self._step, self._sight())
        self._waiting = found.act in ("wait", "ask again")
        if found.act != "wait":
            self._looked_again = found.act == "ask again"
        match found.act:
            case "arrange":
                self._solving = True
                self.pane.solve()
            case "ask again":
                self.state.ask_engine_again()
                self._lookups.ask(self._step)
            case "refuse":
                assert found.problem is not None
                at_its_field = self.pane.show_problem(found.problem)
                self._say_against("" if at_its_field else found.words)
            case "go":
                self._say("")
                await self._go(found.step)
            case "start":
                self._begin()
            case "warn":
                self._say_against(found.words)
            case "wait":
                self._say(found.words)

    def _say_against(self, words: str) -> None:
        self._say(words, wrong=bool(words))
        self._against = words

    def _say_what_is_known_now(self) -> None:
        """What was said of the pictures may be told better once more of them is known."""
        if self._against:
            found = verdict.enter(self.state, self._step, self._sight())
            if found.act in ("refuse", "warn") and found.words != self._against:
                self._say_against(found.words)

    def _sight(self) -> Sight:
        doubts = {pane.NUMBER: doubt for pane in self.query(StepPane) if (doubt := pane.doubt())}
        awaited = self._step == REVIEW and self._arrival.is_awaited
        return Sight(self._is_known(), doubts, self._looked_again, awaited)

    async def action_anyway(self) -> None:
        """Go on in spite of what speaks against it."""
        panes = self.query(StepPane) if self._step == REVIEW else [self.pane]
        waved = [pane.wave() for pane in panes]
        if any(waved):
            await self._go_on()

    async def action_back(self) -> None:
        self._waiting = self._solving = False
        if self._starter.busy or self.pane.take_back():
            return
        if self._starter.waiting is not None and self._step == REVIEW:
            if self._may_leave():
                self.dismiss()
        elif self._step > 1:
            self._say("")
            await self._go(self._step - 1)
        elif len(self.app.screen_stack) > 1:
            self._keeper.now()
            self.dismiss()
        else:
            self._say("This is the first step. q or ctrl+c quits; what you typed is kept.")

    def _may_leave(self) -> bool:
        """Whether nothing is lost, or the person was told what is, and it is."""
        if self._starter.waiting is None:
            return True
        if self._warned or not self.state.differences():
            self._is_left = True
            draft.discard(self._starter.waiting.folder)
            return True
        self._warned = True
        self._say("Not saved yet: Enter saves it. The same key again leaves the run as it was.", wrong=True)
        return False

    async def action_jump(self, step: int) -> None:
        self._waiting = self._solving = False
        against = verdict.jump(self.state, self._step, step, self._seen, self._sight())
        self._say(against, wrong=bool(against))
        if not against:
            await self._go(step)

    # What the disk says

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

    def _known(self) -> None:
        """Something wanted has been found out."""
        if not self.is_attached:
            return
        self._lookups.ask(self._step)
        self._show()
        if self._waiting and self._is_known():
            self._waiting = False  # an answer to an older question may come yet
            self.call_later(self._go_on)

    # A model that is still to be fetched

    def action_fetch(self) -> None:
        if self._step == REVIEW and self._arrival.fetch():
            self._say("Fetching it in the background; it goes on when you leave.")

    def _is_waiting_to_start(self) -> bool:
        return self._step == REVIEW and self.is_current

    def _model_arrived(self) -> None:
        """Everything is checked again."""
        self._say("The base model is here.")
        self._lookups.ask(self._step)
        self._show()

    # What is shown

    def on_step_pane_settled(self, event: StepPane.Settled) -> None:
        event.stop()
        self._known()
        self._say_what_is_known_now()

    def on_step_pane_changed(self, event: StepPane.Changed) -> None:
        event.stop()
        self._waiting, self._solving, self._warned = self._solving, False, False
        self._say("")
        self._lookups.ask(self._step)
        self._show()
        self._keeper.soon()

    def _show(self) -> None:
        if not self.query(f"#step-{self._step}"):
            return
        from loratui.tui.wizard.outlook import outlook

        self.pane.show_facts()
        self.pane.show_notes()
        if self._step == REVIEW:
            ends = "[ Enter: Save into the queue ]" if self._starter.waiting else START_WORDS
            self.query_one("#start", Line).show(ends)
        seen = outlook(self.state)
        self.query_one("#rail", Line).show(rail.column(self.state, seen, self._step, self._seen))
        self.query_one("#breadcrumb", Line).show(rail.breadcrumb(self.state, seen, self._step, self._seen))
        self._show_keys()

    def on_descendant_focus(self) -> None:
        self._show_keys()

    def _show_keys(self) -> None:
        typing = isinstance(self.focused, Input)
        ends = [("enter", "save")] if self._starter.waiting else [("enter", "start"), ("w", "queue")]
        self.query_one(KeyBar).show(shown(self._step, self._seen, self.pane.keys(), ends, typing=typing))

    def _say(self, text: str, wrong: bool = False) -> None:
        self._against = ""
        line = self.query_one("#message", Line)
        line.show(squeeze(f"x {text}" if wrong else text, self.size.width - 2, _MESSAGE_ROWS))
        line.set_class(wrong, "-wrong")

    # The draft

    def _to_keep(self) -> tuple[WizardState, int, int, Path | None] | None:
        recipe, waiting = self.state.recipe, self._starter.waiting
        if self._starter.busy or self._is_left or not (recipe.base.model or recipe.dataset.folder):
            return None
        return self.state, self._step, self._seen, waiting.folder if waiting else None

    def on_unmount(self) -> None:
        self._keeper.last()

    async def action_fresh(self) -> None:
        waiting, parent = self._starter.waiting, self.state.parent
        if waiting is not None and (parent is None or not self.state.differences()):
            self._say("This run waits in the queue. esc goes back to the list; n there begins a new one.")
            return
        draft.discard(waiting.folder if waiting else None)
        await self.query(StepPane).remove()
        self.state = WizardState(parent[1], parent=parent) if waiting and parent else WizardState()
        self._lookups.close()
        self._arrival.close()
        self._attend()
        self._seen = REVIEW if waiting else 1
        self._say("As it waits in the queue: your changes are taken back." if waiting else _EMPTY)
        await self._go(self._seen)

    # Keys

    def action_help(self) -> None:
        from loratui.tui.help import HelpScreen

        bindings = [*type(self.pane).BINDINGS, *self.BINDINGS]
        self.app.push_screen(HelpScreen(self.pane.help_for(self.focused), bindings))

    def action_config(self) -> None:
        if self._step != REVIEW:
            return
        from loratui.tui.wizard.command import text_screen

        self.app.push_screen(text_screen(self._command(), self.state.recipe))

    def action_copy(self) -> None:
        if self._step != REVIEW:
            return
        command = self._command()
        self.app.copy_to_clipboard(command)
        self._say(f"Copied, where the terminal allows it: {command}")

    def _command(self) -> str:
        """Does without screens what Enter does here."""
        from loratui.tui.wizard.command import edit_command, shell_command

        if self._starter.waiting is not None:
            return edit_command(self._starter.waiting.id, self.state.differences())
        self._keeper.now()
        return shell_command()

    def action_leave(self) -> None:
        if not self._may_leave():
            return
        if not self._keeper.now():
            words = f"What you chose could not be kept: {draft.path()} cannot be written."
            self.app.farewell = words  # type: ignore[attr-defined]
        elif draft.path().exists():
            self.app.farewell = "What you chose is kept: loratui opens it again."  # type: ignore[attr-defined]
        self.app.exit()

    # The start

    def _begin(self) -> None:
        count = self.state.count
        self._starter.note = self._note
        self._starter.begin(self.state.recipe, count.total_steps if count and count.total_steps else None)
