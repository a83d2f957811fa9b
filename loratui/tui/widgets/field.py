"""One setting to type: a label, a text field, and a line below for what is wrong or worth knowing."""

from __future__ import annotations

from typing import Literal

from textual.app import ComposeResult
from textual.content import Content
from textual.events import DescendantBlur, DescendantFocus, Key
from textual.geometry import Size
from textual.message import Message
from textual.reactive import var
from textual.widget import Widget
from textual.widgets import Input

from loratui.tui.glyphs import glyphs
from loratui.tui.text import clip, rows, squeeze

_MOST_ROWS = 5
"""Of a note; a path of thousands of letters is no reason to lose the sentence around it."""

Kind = Literal["text", "whole", "number"]
Level = Literal["", "fine", "unusual", "wrong"]


class Entry(Input):
    """A text field whose cursor does not blink: blinking costs 2.6 kB a second."""

    cursor_blink = var(False, init=False)

    def __init__(self, text: str, *, placeholder: str, id: str) -> None:
        super().__init__(
            text, placeholder=placeholder, id=id, compact=True, select_on_focus=False, highlighter=None
        )
        self.cursor_blink = False

    async def on_key(self, event: Key) -> None:
        """Where a question mark is no text, it asks for help as everywhere else."""
        if event.character == "?" and isinstance(self.parent, Field) and self.parent.kind != "text":
            event.stop()
            event.prevent_default()
            await self.screen.run_action("help")


class Field(Widget):
    """A label, a text field and a note. It draws all but the text field itself: a widget less for each
    label is a faster first frame."""

    DEFAULT_CSS = """
    Field { height: auto; layout: vertical; }
    Field > Entry { width: 1fr; margin: 0 3 0 21; }
    Field.-number > Entry { width: 12; margin: 0 0 0 21; }
    """

    class Changed(Message):
        """A person changed the text."""

        def __init__(self, field: Field, text: str) -> None:
            super().__init__()
            self.field = field
            self.text = text

        @property
        def control(self) -> Field:
            return self.field

    class Submitted(Message):
        """Enter was pressed; comes behind what was typed before."""

        def __init__(self, field: Field) -> None:
            super().__init__()
            self.field = field

        @property
        def control(self) -> Field:
            return self.field

    def __init__(
        self, key: str, label: str, text: str, *, kind: Kind = "text", placeholder: str = ""
    ) -> None:
        super().__init__(
            id=key.replace(".", "-").replace("_", "-"), classes="" if kind == "text" else "-number"
        )
        self.key = key
        self.kind = kind
        self._label = label
        self._entry = Entry(text, placeholder=placeholder, id=f"{self.id}-entry")
        self._unit = ""
        self._note = ""
        self._level: Level = ""
        self._known = text

    def compose(self) -> ComposeResult:
        yield self._entry

    @property
    def text(self) -> str:
        """What stands in the field."""
        return self._entry.value

    @property
    def note(self) -> str:
        """The line below, with its sign."""
        return self._note

    def put(self, text: str) -> None:
        """Show another value without telling anybody."""
        self._known = text
        if self._entry.value != text:
            self._entry.value = text

    def enter(self) -> None:
        """Put the cursor into the field."""
        self._entry.focus()

    def begin(self, text: str) -> None:
        """Put the cursor behind this text, in place of what stood there, as if it had been typed."""
        self._entry.value = text
        self._entry.cursor_position = len(text)
        self.enter()

    def show_unit(self, text: str) -> None:
        """What stands behind a number."""
        if text != self._unit:
            self._unit = text
            self.refresh()

    def show_note(self, text: str, level: Level = "") -> None:
        """The line below: a sentence, and whether it is fine, unusual, or stops the person."""
        sign = {"fine": glyphs().fine, "unusual": glyphs().unusual, "wrong": glyphs().wrong}.get(level)
        note = f"{sign} {text}" if sign and text else text
        if (note, level) != (self._note, self._level):
            rows = self._note_rows(self.size.width)
            self._note, self._level = note, level
            self.refresh(layout=len(self._note_rows(self.size.width)) != len(rows))

    def _note_rows(self, width: int) -> list[str]:
        width = max(20, width - 2)
        return rows(squeeze(self._note, width, _MOST_ROWS), width) if self._note else []

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return 1 + len(self._note_rows(width))

    def render(self) -> Content:
        width = self.size.width
        edge = "bold $accent" if self.has_focus_within else "$text-muted"
        label = "bold $accent" if self.has_focus_within else ""
        inside = 12 if self.kind != "text" else max(0, width - 24)
        parts: list[tuple[str, str]] = [(f"  {clip(self._label, 16):<17}", label), ("[ ", edge)]
        parts += [(" " * inside, ""), (" ]", edge)]
        if self._unit:
            parts.append((clip(f" {self._unit}", max(0, width - 24 - inside + 1)), ""))
        colour = {"fine": "$success", "unusual": "$warning", "wrong": "$error"}.get(
            self._level, "$text-muted"
        )
        parts += [(f"\n  {row}", colour) for row in self._note_rows(width)]
        return Content.assemble(*parts)

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        self.refresh()

    def on_descendant_blur(self, event: DescendantBlur) -> None:
        self.refresh()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if event.value != self._known:
            self._known = event.value
            self.post_message(self.Changed(self, event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Submitted(self))
