"""What the mending screens have in common: they look at a set in a thread, and make steps with a preview."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from textual import work
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen

from loratui.dataset import history
from loratui.dataset.history import Plan
from loratui.dataset.probing import Cancelled, Progress
from loratui.problems import UserError
from loratui.tui.text import plain, sentence
from loratui.tui.widgets.line import Line

_NARRATE_EVERY = 0.5
"""Seconds between two lines of progress."""

Found = TypeVar("Found")


class MendScreen(Screen[bool], Generic[Found]):
    """One operation on one set. Closes with whether a step was made or undone."""

    NAME: ClassVar[str]
    HELP_TEXT: ClassVar[str] = ""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("u", "undo", "undo", id="mend.undo", tooltip="Go back to the step before"),
        Binding("question_mark,f1", "help", "help", id="mend.help", tooltip="This help"),
        Binding("escape", "back", "back", id="mend.back", tooltip="Back"),
        Binding("q", "leave", "quit", id="mend.quit", tooltip="Quit; what was made stays"),
    ]

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.changed = False
        self.found: Found | None = None
        """None while it is looked for."""
        self._told = 0.0
        self._news = ""
        """What was done, to be said once the new state is seen."""

    def on_mount(self) -> None:
        self.look_again()

    def on_resize(self) -> None:
        self.show()

    # To be said by each screen

    def look(self) -> Found:
        """What there is to do; runs in a thread. May raise ``UserError``."""
        raise NotImplementedError

    def show(self) -> None:
        """Paint what was found."""
        raise NotImplementedError

    # Looking

    def look_again(self, news: str = "") -> None:
        """Look at the step that counts now, and then say ``news``."""
        self.found = None
        self._news = news
        self.say("Looking.")
        self._look()

    @work(thread=True, exclusive=True, group="look")
    def _look(self) -> None:
        try:
            found = self.look()
        except Cancelled:
            return
        except UserError as error:
            self.hand_over(self._refused, error)
            return
        except OSError as error:
            self.hand_over(self._refused, UserError(error.filename or "", *_problem(error)))
            return
        self.hand_over(self._take, found)

    def take(self, found: Found) -> None:
        """Something was found; on the screen's own thread, before it is painted."""

    def _take(self, found: Found) -> None:
        self.found = found
        self.take(found)
        self.say(self._news)
        self._news = ""
        self.show()

    def _refused(self, error: UserError) -> None:
        self.say(_words(error), wrong=True)
        self.show()

    def hand_over(self, call: Callable[..., Any], *arguments: Any) -> None:
        """From a thread to the screen, where that is still there."""
        if self.is_attached and not self.gone():
            self.app.call_from_thread(call, *arguments)

    def gone(self) -> bool:
        """Whether the screen was left: nobody waits for an answer."""
        return not self.is_running

    def told(self, progress: Progress) -> None:
        """How far a look is, from its thread."""
        what = "reading files" if progress.stage == "files" else "looking at pictures"
        self._tell(f"{what}, {progress.done:,} of {progress.total:,}", progress.done == progress.total)

    def _tell(self, words: str, last: bool) -> None:
        now = time.monotonic()
        if last or now - self._told >= _NARRATE_EVERY:
            self._told = now
            self.hand_over(self.say, words)

    # Making

    def propose(self, plan: Plan, lines: list[str] | None = None) -> None:
        """Show what a plan does, and make it when that is wanted."""
        from loratui.tui.dataset.confirm import ConfirmScreen

        if plan.is_empty:
            self.say("Nothing to do.")
            return

        def take(yes: bool | None) -> None:
            if yes:
                self._make(plan)

        self.app.push_screen(ConfirmScreen(plan, lines or []), take)

    @work(thread=True, exclusive=True, group="make")
    def _make(self, plan: Plan) -> None:
        try:
            step = history.apply(
                plan,
                lambda done, total: self._tell(f"{done:,} of {total:,} files", done == total),
                self.gone,
            )
        except Cancelled:
            return
        except UserError as error:
            self.hand_over(self._refused, error)
            return
        self.hand_over(self._made, step)

    def _made(self, step: history.Step) -> None:
        self.changed = True
        self.made(step)
        self.look_again(f"Step {step.number} counts now. u takes it back.")

    def made(self, step: history.Step) -> None:
        """A step was made."""

    def say(self, words: str, wrong: bool = False) -> None:
        """The line at the bottom."""
        if not self.is_attached:
            return
        line = self.query_one("#message", Line)
        line.show(Content(f"x {words}" if wrong else words))
        line.set_class(wrong, "-wrong")

    # Keys

    def action_undo(self) -> None:
        try:
            left, now = history.undo(self.folder)
        except UserError as error:
            self._refused(error)
            return
        self.changed = True
        where = "your folder as it is" if now.number == 0 else f"step {now.number}"
        self.look_again(f"Step {left.number} is undone; {where} counts now.")

    def action_help(self) -> None:
        from loratui.tui.help import HelpScreen

        shared = [binding for binding in MendScreen.BINDINGS if binding not in self.BINDINGS]
        self.app.push_screen(HelpScreen(self.HELP_TEXT, [*self.BINDINGS, *shared]))

    def action_back(self) -> None:
        if len(self.app.screen_stack) > 1:
            self.dismiss(self.changed)
        else:
            self.app.exit()

    def action_leave(self) -> None:
        self.app.exit()


def step_words(folder: Path) -> str:
    """Which set a screen is about: its name and the step that counts."""
    try:
        found = history.find(folder)
    except UserError:
        return plain(folder.name)
    return plain(found.source.name) + (f", step {found.number}" if found.number else "")


def _words(error: UserError) -> str:
    first = error.problems[0]
    source = plain(Path(error.source).name) + ": " if error.source else ""
    return source + (sentence(first) if not source else plain(f"{first.message} {first.fix}".strip()))


def _problem(error: OSError) -> tuple[Any, ...]:
    from loratui.problems import Problem

    return (Problem("", f"{error.strerror or error}."),)
