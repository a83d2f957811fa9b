"""The sentence below a step: what is going on, or what stands in the way."""

from __future__ import annotations

from loratui.tui.text import squeeze
from loratui.tui.widgets.line import Line

_ROWS, _MORE_ROWS, _NARROW = 3, 6, 60
"""Rows, and those of a terminal of fewer cells than the last: what to press stands at the end."""


class MessageLine(Line):
    """Says one thing at a time."""

    against = ""
    """What it says to stand in the way of going on; empty while it says something else."""

    def say(self, text: str, wrong: bool = False) -> None:
        """Show a sentence, marked where something is ``wrong``; an empty one clears it."""
        self.against = ""
        width = self.screen.size.width
        rows = _ROWS if width >= _NARROW else _MORE_ROWS
        self.show(squeeze(f"x {text}" if wrong else text, width - 2, rows))
        self.set_class(wrong, "-wrong")

    def say_against(self, words: str) -> None:
        """Show what stands in the way; empty for nothing."""
        self.say(words, wrong=bool(words))
        self.against = words
