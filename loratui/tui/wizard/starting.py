"""Starting the run from Review, beside the screen."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from loratui.problems import Problem, UserError
from loratui.recipe import Recipe

if TYPE_CHECKING:
    from textual.screen import Screen

    from loratui.runs.store import Run

Start = Callable[[Recipe, int | None], "Run"]
"""Starts a recipe of so many planned steps, or raises ``UserError``."""


class Starter:
    """Starts one run at a time in a thread; the answer comes back on the screen's own."""

    def __init__(
        self,
        screen: Screen[Any],
        start: Start,
        started: Callable[[Run], None],
        refused: Callable[[UserError], None],
    ) -> None:
        self._screen = screen
        self._start = start
        self._started = started
        self._refused = refused
        self.busy = False

    def begin(self, recipe: Recipe, total_steps: int | None) -> None:
        """Start a recipe; ``busy`` until it was refused."""
        self.busy = True
        self._screen.run_worker(
            lambda: self._work(recipe, total_steps), thread=True, exclusive=True, group="start"
        )

    def _work(self, recipe: Recipe, total_steps: int | None) -> None:
        tell = self._screen.app.call_from_thread
        try:
            run = self._start(recipe, total_steps)
        except UserError as error:
            tell(self._refuse, error)
        except OSError as error:
            problem = Problem("", f"The run could not be started: {error.strerror or error}.")
            tell(self._refuse, UserError("", problem))
        else:
            tell(self._started, run)

    def _refuse(self, error: UserError) -> None:
        self.busy = False
        self._refused(error)
