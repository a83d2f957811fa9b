"""The wizard's draft: kept while a person works, opened anew, given up, and shared with other terminals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loratui.tui.own_app import own_app
from loratui.tui.wizard.answers.state import WizardState
from loratui.tui.wizard.drafts import draft
from loratui.tui.wizard.drafts.keeping import Keeper
from loratui.tui.wizard.drafts.opening import Opening, anew, parent_of, there
from loratui.tui.wizard.steps import REVIEW
from loratui.tui.wizard.steps_screen import StepsScreen

if TYPE_CHECKING:
    from loratui.runs.store import Run
    from loratui.tui.wizard.drafts.conflict import Choice


class KeptScreen(StepsScreen):
    """Steps whose recipe is on the disk a moment after each change."""

    def __init__(self, opened: Opening, waiting: Run | None) -> None:
        super().__init__(opened, waiting)
        self._warned = False
        """Whether it was said that leaving loses what was changed in a waiting run."""
        self._is_left = False
        """Whether a waiting run is left as it was."""
        self._keeper = Keeper(self, self._to_keep, self._ask_whose, waiting, is_draft=opened.is_draft)

    async def _go(self, step: int) -> None:
        await super()._go(step)
        if step != REVIEW:
            self._keeper.soon()

    def _arrive(self) -> None:
        if self._step == REVIEW:
            self._keeper.now()
        super()._arrive()

    def _is_over(self) -> bool:
        """Whether nothing is to be kept."""
        return self._is_left

    def _to_keep(self) -> tuple[WizardState, int, int] | None:
        recipe = self.state.recipe
        if self._is_over() or not (recipe.base.model or recipe.dataset.folder):
            return None
        return self.state, self._step, self._seen

    def on_unmount(self) -> None:
        self._keeper.last()

    async def action_fresh(self) -> None:
        waiting, parent = self._run_waiting, self.state.parent
        if waiting is not None and (parent is None or not self.state.differences()):
            self._say("This run waits in the queue. esc goes back to the list; n there begins a new one.")
            return
        self._keeper.give_up()
        await self._open(anew(parent, waiting))

    def _ask_whose(self) -> None:
        """Two terminals have changed it."""
        if not self.is_current:
            return
        from loratui.tui.wizard.drafts.conflict import ElsewhereScreen

        waiting = self._run_waiting
        other = there(waiting)
        is_gone = draft.as_it_lies(waiting) is None
        asks = ElsewhereScreen(
            self.state.recipe, None if is_gone else other.state.recipe, waits=waiting is not None
        )
        self.app.push_screen(asks, self._chosen)

    async def _chosen(self, choice: Choice | None) -> None:
        waiting = self._run_waiting
        match choice:
            case "here":
                if waiting is not None:
                    self.state.parent = parent_of(waiting) or self.state.parent
                self._keeper.keep_mine()
                self._show()
            case "there" if waiting is not None and not waiting.folder.is_dir():
                self._is_left = True
                self.dismiss()
            case "there":
                self._keeper.give_way()
                await self._open(there(waiting))
            case None:
                self._say("Nothing is written until you choose: the next change asks again.")

    def _may_leave(self) -> bool:
        """Whether nothing is lost, or the person was told what is, and it is."""
        if self._run_waiting is None:
            return True
        if self._warned or not self.state.differences():
            self._keeper.give_up_mine()
            self._is_left = True
            return True
        self._warned = True
        self._say("Not saved yet: Enter saves it. The same key again leaves the run as it was.", wrong=True)
        return False

    def action_leave(self) -> None:
        if not self._may_leave():
            return
        match self._keeper.leave():
            case "ask":
                self._ask_whose()
                return
            case "lost":
                words = f"What you chose could not be kept: {draft.path()} cannot be written."
                own_app(self.app).farewell = words
            case "kept" if draft.path().exists():
                own_app(self.app).farewell = "What you chose is kept: loratui opens it again."
        self.app.exit()
