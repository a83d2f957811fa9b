"""Five questions and Review, over one recipe. Enter always means next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loratui.recipe import Recipe
from loratui.tui.wizard.answers import verdict
from loratui.tui.wizard.answers.ends import Ends, ends
from loratui.tui.wizard.answers.verdict import Sight
from loratui.tui.wizard.drafts.kept_screen import KeptScreen
from loratui.tui.wizard.drafts.opening import Opening, opening
from loratui.tui.wizard.keys import BINDINGS
from loratui.tui.wizard.panes.download_watch import Arrival
from loratui.tui.wizard.panes.message import MessageLine
from loratui.tui.wizard.panes.pane import StepPane
from loratui.tui.wizard.starting import Start, Starter
from loratui.tui.wizard.steps import REVIEW

if TYPE_CHECKING:
    from loratui.runs.store import Run

__all__ = ["Start", "WizardScreen"]


class WizardScreen(KeptScreen):
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
        super().__init__(opening(recipe, step, note, parent, waiting), waiting)
        self._waiting = self._solving = False
        """Whether Enter waits for what is looked up; whether it waits for the pictures to be arranged."""
        self._starter = Starter(self, start, self._say, waiting)
        self._looked_again = False
        """Whether the engine was asked once more before its problem is said."""

    def _attend(self) -> None:
        super()._attend()
        self._arrival = Arrival(self, self.state, self._say, self._is_waiting_to_start, self._model_arrived)

    async def _open(self, opened: Opening) -> None:
        self._arrival.close()
        await super()._open(opened)

    def _arrive(self) -> None:
        super()._arrive()
        if self._step == REVIEW:
            self._arrival.watch()

    def _is_over(self) -> bool:
        return self._starter.busy or super()._is_over()

    def _known(self) -> None:
        super()._known()
        if self.is_attached and self._waiting and self._is_known():
            self._waiting = False  # an answer to an older question may come yet
            self.call_later(self._go_on)

    # Moving

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
                self.query_one(MessageLine).say_against("" if at_its_field else found.words)
            case "go":
                self._say("")
                await self._go(found.step)
            case "return":
                assert found.problem is not None
                await self._go(found.step)
                at_its_field = self.pane.show_problem(found.problem)
                self.query_one(MessageLine).say_against("" if at_its_field else found.words)
            case "start":
                self._begin()
            case "warn":
                self.query_one(MessageLine).say_against(found.words)
            case "wait":
                self._say(found.words)

    def _say_what_is_known_now(self) -> None:
        """What was said of the pictures may be told better once more of them is known."""
        line = self.query_one(MessageLine)
        if line.against:
            found = verdict.enter(self.state, self._step, self._sight())
            if found.act in ("refuse", "warn") and found.words != line.against:
                line.say_against(found.words)

    def _sight(self) -> Sight:
        doubts = {pane.NUMBER: doubt for pane in self.query(StepPane) if (doubt := pane.doubt())}
        awaited = self._step == REVIEW and self._arrival.is_awaited
        return Sight(self._is_known(), doubts, self._looked_again, awaited)

    def _ends(self) -> Ends:
        return ends(self.state, self._sight(), saves=self._run_waiting is not None)

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
        if self._run_waiting is not None and self._step == REVIEW:
            if self._may_leave():
                self.dismiss()
        elif self._step > 1:
            self._say("")
            await self._go(self._step - 1)
        elif len(self.app.screen_stack) > 1:
            if self._keeper.leave() == "ask":
                self._ask_whose()
            else:
                self.dismiss()
        else:
            self._say("This is the first step. q or ctrl+c quits; what you typed is kept.")

    async def action_jump(self, step: int) -> None:
        self._waiting = self._solving = False
        against = verdict.jump(self.state, self._step, step, self._seen, self._sight())
        self._say(against, wrong=bool(against))
        if not against:
            await self._go(step)

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

    # Review's own keys

    def action_config(self) -> None:
        if self._step != REVIEW:
            return
        from loratui.tui.wizard.answers.command import text_screen

        self.app.push_screen(text_screen(self._command(), self.state.recipe))

    def action_copy(self) -> None:
        if self._step != REVIEW:
            return
        command = self._command()
        self.app.copy_to_clipboard(command)
        self._say(f"Copied, where the terminal allows it: {command}")

    def _command(self) -> str:
        from loratui.tui.wizard.answers.command import command

        self._keeper.now()
        self._keeper.is_named()
        return command(self.state, self._run_waiting)

    # The start

    def _begin(self) -> None:
        if self._keeper.is_changed_elsewhere():
            self._ask_whose()
            return
        count = self.state.count
        self._starter.begin(self.state.recipe, count.total_steps if count and count.total_steps else None)
