"""One caption to edit, with its picture beside it where a person asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import TextArea

from loratui.dataset.checking.thresholds import TOKEN_LIMITS
from loratui.dataset.mending.entries import Entry
from loratui.dataset.mending.hand_edits import HandEdits
from loratui.formats import clip_tokens
from loratui.tui.glyphs import glyphs
from loratui.tui.text import clip_path
from loratui.tui.widgets.keybar import KeyBar
from loratui.tui.widgets.line import Line
from loratui.tui.widgets.picture import Picture


class CaptionText(TextArea):
    """Wraps, has no second line, and does not blink."""

    def __init__(self, text: str) -> None:
        super().__init__(
            text, soft_wrap=True, show_line_numbers=False, compact=True, highlight_cursor_line=False
        )
        self.cursor_blink = False


class CaptionScreen(ModalScreen[int]):
    """Edits the caption of one picture after another. Edited texts go into ``edits``; closes with the
    number of the last picture."""

    BINDINGS = [
        # Before the text field takes it: a trainer reads one line.
        Binding("enter", "close", "keep", id="caption.keep", tooltip="Keep it and go back", priority=True),
        Binding("escape", "drop", "drop the change", id="caption.drop", tooltip="Back without this change"),
        Binding("ctrl+n,pagedown", "go(1)", "next", id="caption.next", tooltip="The next picture"),
        Binding("ctrl+p,pageup", "go(-1)", "previous", id="caption.previous", tooltip="The picture before"),
        Binding("ctrl+o", "picture", "picture", id="caption.picture", tooltip="Show the picture, or hide it"),
        Binding("f1", "help", "help", id="caption.help", tooltip="This help"),
    ]

    def __init__(self, root: Path, entries: Sequence[Entry], at: int, edits: HandEdits) -> None:
        super().__init__()
        self._root = root
        self._entries = entries
        self._at = at
        self._edits = edits
        self._shows_picture = False

    def compose(self) -> ComposeResult:
        yield Line(id="title")
        with Horizontal(id="caption"):
            with Vertical(id="caption-side"):
                yield CaptionText(self._text())
                yield Line(id="caption-about", classes="facts")
            yield Picture(id="caption-picture", upright=False)
        yield KeyBar(
            ("enter", "keep"),
            ("ctrl+n/p", "next/before"),
            ("ctrl+o", "picture"),
            ("esc", "drop change"),
            ("f1", "help"),
        )

    def on_mount(self) -> None:
        self.query_one("#caption-picture").display = False
        area = self.query_one(TextArea)
        area.focus()
        area.move_cursor(area.document.end)
        self._show()

    @property
    def _entry(self) -> Entry:
        return self._entries[self._at]

    def _text(self) -> str:
        return self._edits.text(self._entry)

    def _show(self) -> None:
        place = f"{self._at + 1:,} of {len(self._entries):,}"
        self.query_one("#title", Line).show(f"{place}   {clip_path(self._entry.name, 60)}")
        self._count()

    def _count(self) -> None:
        text = self.query_one(TextArea).text
        count = clip_tokens.count(text) if text.strip() else 0
        fits = next((limit for limit in TOKEN_LIMITS if count <= limit), None)
        words = f"{count} CLIP tokens"
        if fits is None:
            words += f"   {glyphs().unusual} beyond {TOKEN_LIMITS[-1]}: the rest is cut off"
        elif fits != TOKEN_LIMITS[0]:
            words += f"   {glyphs().unusual} needs max_token_length = {fits}"
        self.query_one("#caption-about", Line).show(words)

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        event.stop()
        self._count()

    def _keep(self) -> None:
        self._edits.put(self._entry, self.query_one(TextArea).text)

    # Keys

    def action_close(self) -> None:
        self._keep()
        self.dismiss(self._at)

    def action_drop(self) -> None:
        self.dismiss(self._at)

    def action_go(self, by: int) -> None:
        self._keep()
        self._at = max(0, min(len(self._entries) - 1, self._at + by))
        area = self.query_one(TextArea)
        area.load_text(self._text())
        area.move_cursor(area.document.end)
        self._show()
        self._draw_if_shown()

    def action_picture(self) -> None:
        self._shows_picture = not self._shows_picture
        self.query_one("#caption-picture").display = self._shows_picture
        self.call_after_refresh(self._draw_if_shown)

    def action_help(self) -> None:
        from loratui.tui.help import HelpScreen

        words = "The trainer reads one line. What you keep here becomes a step when you press s on the list."
        self.app.push_screen(HelpScreen(words, self.BINDINGS))

    def action_leave(self) -> None:
        self.action_close()

    def _draw_if_shown(self) -> None:
        if self._shows_picture:
            self.query_one(Picture).show(self._root / self._entry.name)
