"""What Review leads to: a run that starts, one that waits in the queue, or a waiting one that was changed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol

from loratui.problems import Problem, UserError
from loratui.recipe import Recipe
from loratui.tui.own_app import own_app
from loratui.tui.text import plain, sentence
from loratui.tui.wizard.drafts import draft

if TYPE_CHECKING:
    from textual.screen import Screen

    from loratui.runs.queueing.turn import Training, Turn
    from loratui.runs.store import Run

Start = Callable[[Recipe, int | None], "Run"]
"""Starts a recipe of so many planned steps, or raises ``UserError``."""

Wish = Literal["start", "start beside", "queue", "save"]
"""``start beside`` starts also where another run has the GPU; ``save`` changes a run that waits."""

_WORDS: dict[Wish, str] = {
    "start": "Starting the run. It goes on when you close this window.",
    "start beside": "Starting the run. It goes on when you close this window.",
    "queue": "Putting the run in the queue.",
    "save": "Saving it into the queue.",
}


class Say(Protocol):
    """Shows a sentence below the step."""

    def __call__(self, text: str, wrong: bool = False) -> None: ...


class Starter:
    """Does one such thing at a time in a thread; the answer comes back on the screen's own."""

    def __init__(self, screen: Screen[Any], start: Start, say: Say, waiting: Run | None) -> None:
        """``waiting`` is the run that is changed, where it is one."""
        self._screen = screen
        self._start = start
        self._say = say
        self.waiting = waiting
        self.wish: Wish = "start"
        """What the person pressed last."""
        self.busy = False
        """Whether it is under way; nothing else may begin."""

    def begin(self, recipe: Recipe, total_steps: int | None) -> None:
        """Do what was wished."""
        wish: Wish = "save" if self.waiting is not None else self.wish
        self.busy = True
        self._say(_WORDS[wish])
        work = partial(self._work, wish, recipe, total_steps)
        self._screen.run_worker(work, thread=True, exclusive=True, group="start")

    def _work(self, wish: Wish, recipe: Recipe, total_steps: int | None) -> None:
        tell = self._screen.app.call_from_thread
        try:
            match wish:
                case "queue" | "save":
                    run = self._into_queue(recipe, total_steps)
                    tell(self._queued, run, recipe.output.name)
                case _:
                    from loratui.runs.queueing import turn

                    busy = turn.busy(recipe.launch.num_processes) if wish == "start" else ()
                    if busy:
                        tell(self._occupied, busy, turn.of(), recipe, total_steps)
                        return
                    tell(self._started, self._start(recipe, total_steps))
        except UserError as error:
            tell(self._refused, " ".join(map(sentence, error.problems[:1])) or plain(str(error)))
        except OSError as error:
            problem = Problem("", f"The run could not be started: {error.strerror or error}.")
            tell(self._refused, sentence(problem))

    def _into_queue(self, recipe: Recipe, total_steps: int | None) -> Run:
        from loratui.engines.registry import engine
        from loratui.runs.queueing import queue

        chosen = engine(recipe.launch.engine)
        if self.waiting is None:
            return queue.add(recipe, chosen, total_steps)
        queue.change_recipe(self.waiting, recipe, chosen, total_steps)
        return self.waiting

    def _refused(self, words: str) -> None:
        self.busy = False
        self._say(words, wrong=True)

    def _occupied(
        self, training: tuple[Training, ...], turn: Turn, recipe: Recipe, total_steps: int | None
    ) -> None:
        from loratui.tui.wizard.no_free_gpu import OccupiedScreen

        self.busy = False
        self._say("")

        def answered(wish: Wish | None) -> None:
            if wish is not None:
                self.wish = wish
                self.begin(recipe, total_steps)

        self._screen.app.push_screen(OccupiedScreen(training, turn), answered)

    def _started(self, run: Run) -> None:
        draft.discard()
        own_app(self._screen.app).show_run(run)

    def _queued(self, run: Run, wanted_name: str) -> None:
        from loratui.tui.runs.waiting import placed

        draft.discard(self.waiting.folder if self.waiting else None)
        own_app(self._screen.app).show_runs(run.id, placed(run, wanted_name))
