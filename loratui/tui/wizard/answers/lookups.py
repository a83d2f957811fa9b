"""Looks up, beside the screen, what the wizard wants to know of the disk. Each question is asked once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from loratui.recipe import Recipe
from loratui.tui.wizard.answers.state import WizardState
from loratui.tui.wizard.steps import REVIEW

if TYPE_CHECKING:
    from textual.screen import Screen


class Lookups:
    """Asks in threads; answers go into the state on the screen's own thread, then ``known`` is called."""

    def __init__(self, screen: Screen[Any], state: WizardState, known: Callable[[], None]) -> None:
        self._screen = screen
        self._state = state
        self._known = known
        self._asked: dict[str, object] = {}
        """Questions under way, by kind."""

    def ask(self, step: int) -> None:
        """Ask for what is not known yet. The engine is asked on Review only."""
        state = self._state
        model, dataset, checks = state.wanted_model, state.wanted_dataset, state.wanted_checks
        machine = state.machine is None and step != 1  # the first step looks at it by itself
        if model is None and dataset is None and not machine and step != REVIEW:
            return
        from loratui.tui.wizard.answers import facts, model_facts

        if machine:
            self._look("machine", "", facts.read_machine, lambda _, found: state.take_machine(found))
        if model is not None:

            def meant() -> bool:
                return state.recipe.base.model == model

            self._look("model", model, lambda: model_facts.read_model(model, meant), state.take_model)
        if dataset is not None:
            self._look("dataset", dataset, lambda: facts.read_dataset(*dataset), state.take_dataset)
        if checks is not None and step == REVIEW:
            self._look("checks", checks, lambda: facts.read_checks(checks), state.take_checks)

    def close(self) -> None:
        """Answers that come from now on are for nobody."""
        self._known = lambda: None

    def _look(
        self, name: str, question: Any, look: Callable[[], Any], take: Callable[[Any, Any], None]
    ) -> None:
        if name in self._asked and self._same(self._asked[name], question):
            return
        self._asked[name] = question

        def answer(found: Any) -> None:
            if name in self._asked and self._same(self._asked[name], question):
                del self._asked[name]
            take(question, found)
            self._known()

        def work() -> None:
            found = look()
            if self._screen.is_attached:
                self._screen.app.call_from_thread(answer, found)

        self._screen.run_worker(work, thread=True, group=name)

    @staticmethod
    def _same(one: object, other: object) -> bool:
        return one is other or (not isinstance(one, Recipe) and one == other)
