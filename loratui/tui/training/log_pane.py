"""The log in the panel: a few lines at its foot, or the whole screen with search and a filter."""

from __future__ import annotations

from collections.abc import Iterable

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input

from loratui.tui.text import clip, number
from loratui.tui.widgets.field import Entry
from loratui.tui.widgets.line import Line
from loratui.tui.widgets.log_lines import LogLines

KEYS = (
    ("/", "search"),
    ("n N", "matches"),
    ("e", "errors"),
    ("left/right", "shift"),
    ("end", "follow"),
)
SEARCH_KEYS = (("enter", "search"), ("esc", "no search"))


class LogPane(Vertical):
    """Lines, and with the whole screen a line below that says what is searched for."""

    BINDINGS = [
        Binding("slash", "search", "search", id="log.search", tooltip="Search the log"),
        Binding("n", "next(-1)", "older", id="log.older", tooltip="The next match above"),
        Binding("N", "next(1)", "newer", id="log.newer", tooltip="The next match below"),
        Binding("e", "grave", "errors only", id="log.errors", tooltip="Warnings and errors alone, and back"),
        Binding("escape", "leave_search", "leave the search", id="log.leave", show=False),
    ]

    DEFAULT_CSS = """
    LogPane > LogLines { height: 1fr; }
    LogPane > #log-words, LogPane > #log-search { display: none; height: 1; }
    """

    class Closed(Message):
        """A person wants the panel back."""

    _said = ""
    """What was said last of a search."""

    def compose(self) -> ComposeResult:
        yield LogLines(id="log-lines")
        yield Line(id="log-words")
        yield Entry("", placeholder="word or part of a line, then Enter; esc leaves", id="log-search")

    @property
    def lines(self) -> LogLines:
        return self.query_one(LogLines)

    @property
    def is_searching(self) -> bool:
        """Whether a word is being typed."""
        return bool(self.query_one(Entry).display)

    def write_lines(self, lines: Iterable[str]) -> None:
        """Append lines; those beyond the last thousands are forgotten."""
        self.lines.write_lines(lines)
        if self.query_one("#log-words").display:
            self._say(self._said)

    def open(self) -> None:
        """Take the keys: the pane has the whole screen now."""
        self.lines.can_focus = True
        self.lines.focus()
        self.query_one("#log-words").display = True
        self._say("")

    def close(self) -> None:
        """Back to a few lines that follow the run."""
        self._end_search()
        self.query_one("#log-words").display = False
        lines = self.lines
        lines.can_focus = False
        lines.search("")
        if lines.grave_only:
            lines.show_grave_only(False)
        self.follow()

    def follow(self) -> None:
        """Go to the newest line once the layout has settled, and stay there."""
        self.call_after_refresh(self.lines.follow)

    def _say(self, words: str) -> None:
        self._said = words
        about = "warnings and errors only" if self.lines.grave_only else "everything"
        shown = f"{about}: {number(len(self.lines.lines), 'line')}"
        text = "   ".join(filter(None, (shown, words)))
        self.query_one("#log-words", Line).show(clip(text, self.size.width))

    def action_search(self) -> None:
        entry = self.query_one(Entry)
        entry.display = True
        entry.value = ""
        entry.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._end_search()
        word = event.value.strip()
        count = self.lines.search(word)
        if word:
            found = f"{number(count, 'line')} with {word!r}; n older, N newer" if count else f"no {word!r}"
            self._say(found)
        else:
            self._say("")

    def _end_search(self) -> None:
        entry = self.query_one(Entry)
        if self.is_searching:
            entry.display = False
            if self.lines.can_focus:
                self.lines.focus()

    def action_next(self, by: int) -> None:
        at, count = self.lines.next_match(by)
        self._say(f"match {at} of {count}" if count else "nothing is searched for: press /")

    def action_grave(self) -> None:
        self.lines.show_grave_only(not self.lines.grave_only)
        self._say("")

    def action_leave_search(self) -> None:
        if self.is_searching:
            self._end_search()
        else:
            self.post_message(self.Closed())
