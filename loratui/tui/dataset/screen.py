"""What the mending screens have in common: they look at a set in a thread, and make steps with a preview."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget

from loratui.dataset import history
from loratui.dataset.history import Plan
from loratui.dataset.pictures.probing import Cancelled, Progress
from loratui.problems import UserError
from loratui.tui.dataset.words import error_words, step_words, system_error
from loratui.tui.widgets.keybar import KeyBar
from loratui.tui.widgets.line import Line
from loratui.tui.widgets.rows import RowList

_NARRATE_EVERY = 0.5
"""Seconds between two lines of progress."""

Found = TypeVar("Found")
Done = TypeVar("Done")


class MendScreen(Screen[bool], Generic[Found]):
    """One operation on one set. Closes with whether a step was made or undone."""

    NAME: ClassVar[str]
    HELP_TEXT: ClassVar[str] = ""
    KEYS: ClassVar[tuple[tuple[str, str], ...]] = ()
    """The keys shown at the bottom, before those of help and of going back."""

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

    def compose(self) -> ComposeResult:
        yield Line(id="title")
        yield from self.above()
        yield Line(id="mend-head")
        yield RowList(id="mend-rows")
        yield Line(id="mend-about")
        yield Line(id="message")
        yield KeyBar(*self.KEYS, ("?", "help"), ("esc", "back"))

    def on_mount(self) -> None:
        self.look_again()
        self.rows.focus()

    def on_resize(self) -> None:
        self.show()

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        event.stop()
        self.show_about()

    # To be said by each screen

    def look(self) -> Found:
        """What there is to do; runs in a thread. May raise ``UserError``."""
        raise NotImplementedError

    def above(self) -> Iterable[Widget]:
        """What stands between the title and the rows."""
        return ()

    def show_found(self, width: int) -> None:
        """Paint what was found, or that nothing is yet."""
        raise NotImplementedError

    def about(self) -> str:
        """Two lines about the row under the cursor."""
        return ""

    # Painting

    @property
    def rows(self) -> RowList:
        """What there is, row by row."""
        return self.query_one(RowList)

    def show(self) -> None:
        """Paint everything, once there is room for it."""
        if not self.size.width or not self.is_attached:
            return
        self.query_one("#title", Line).show(f"loratui   {self.NAME}   {self.set_name()}")
        self.show_found(self.size.width)

    def set_name(self) -> str:
        """Which set this is, for the title."""
        return step_words(self.folder)

    def show_head(self, words: str) -> None:
        """The line above the rows."""
        self.query_one("#mend-head", Line).show(words)

    def show_about(self) -> None:
        """The lines below the rows."""
        self.query_one("#mend-about", Line).show(self.about())

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
            self.hand_over(self._refused, system_error(error))
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
        self.say(error_words(error), wrong=True)
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
        self.made(step)
        self.moved(f"Step {step.number} counts now. u takes it back.")

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
        moved = self.attempt(lambda: history.undo(self.folder))
        if moved is not None:
            left, now = moved
            where = "your folder as it is" if now.number == 0 else f"step {now.number}"
            self.moved(f"Step {left.number} is undone; {where} counts now.")

    def attempt(self, act: Callable[[], Done]) -> Done | None:
        """Do something here and now; what is wrong with it is said, and None returned."""
        try:
            return act()
        except UserError as error:
            self._refused(error)
            return None

    def moved(self, news: str) -> None:
        """Another step counts now."""
        self.changed = True
        self.look_again(news)

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
