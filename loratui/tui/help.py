"""Screens of plain text over another screen: help, a config, paths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen

from loratui.tui.widgets.keybar import KeyBar
from loratui.tui.widgets.line import Line

_PROSE = 70
"""A line of at least so many characters goes on in the next one."""


class TextScreen(ModalScreen[None]):
    """Text to read; any of the usual keys goes back."""

    BINDINGS = [
        Binding(
            "escape,enter,q,question_mark,f1,ctrl+c", "close", "back", id="text.close", tooltip="Go back"
        ),
        Binding("y", "copy", "copy", id="text.copy", tooltip="Copy through the terminal (OSC 52)"),
    ]

    def __init__(self, title: str, text: str | Content, *, copy: str = "") -> None:
        super().__init__()
        self._title = title
        self._text = text
        self._copy = copy

    def compose(self) -> ComposeResult:
        yield Line(self._title, classes="question")
        with VerticalScroll(id="text"):
            yield Line(self._text, id="text-body")
        yield KeyBar(("esc", "back"), ("up/down", "scroll"), *((("y", "copy"),) if self._copy else ()))

    def action_close(self) -> None:
        self.dismiss()

    def action_copy(self) -> None:
        if self._copy:
            self.app.copy_to_clipboard(self._copy)


class HelpScreen(TextScreen):
    """Words on what the person looks at, and all its keys."""

    def __init__(self, words: str, bindings: Sequence[Any]) -> None:
        parts: list[tuple[str, str]] = [(f"{flowing(words)}\n", ""), ("\nKeys\n", "bold")]
        told: set[str] = set()
        for binding in bindings:
            if isinstance(binding, Binding) and binding.tooltip and binding.key not in told:
                told.add(binding.key)  # the first one is the one that is obeyed
                keys = binding.key.replace("question_mark", "?").replace("escape", "esc").replace(",", " ")
                parts.append((f"  {keys:<12} ", "bold"))
                parts.append((f"{binding.tooltip}\n", ""))
        super().__init__("Help", Content.assemble(*parts))


def flowing(words: str) -> str:
    """Text without the line breaks of prose: it wraps where the screen ends. A short line ends as it does."""
    lines = words.split("\n")
    parts = [line + (" " if len(line) >= _PROSE and line[-1:] != " " else "\n") for line in lines[:-1]]
    return "".join([*parts, lines[-1]])
