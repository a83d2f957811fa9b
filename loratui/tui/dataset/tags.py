"""Tags by frequency, captions one by one, and changes on what a filter shows."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Input

from loratui.dataset import history
from loratui.dataset.mending.caption_plan import CaptionWork, plan_captions, plan_drop, shown
from loratui.dataset.mending.entries import Entries, Entry, read_entries
from loratui.dataset.mending.hand_edits import HandEdits
from loratui.dataset.mending.tag_filter import Term
from loratui.dataset.mending.tag_table import TagCount, tag_table
from loratui.dataset.mending.typed_filter import TypedFilter
from loratui.problems import UserError
from loratui.tui.dataset import tag_keys, tag_questions
from loratui.tui.dataset.screen import MendScreen
from loratui.tui.dataset.tag_keys import BINDINGS
from loratui.tui.dataset.tag_questions import Question
from loratui.tui.dataset.tag_rows import (
    about_caption,
    about_tag,
    caption_row,
    change_lines,
    plan_lines,
    tag_row,
)
from loratui.tui.glyphs import glyphs
from loratui.tui.own_app import own_app
from loratui.tui.text import number
from loratui.tui.widgets.field import Field
from loratui.tui.widgets.keybar import KeyBar


class TagsScreen(MendScreen[Entries]):
    """The tag table, or the captions; above them the filter."""

    NAME = "captions and tags"
    HELP_TEXT = (
        "Every operation works on what the filter shows, and shows first what it would change. A filter:\n"
        "  tag:red hair   first:ohwx   caption:word   missing:   missing:smile   tokens:>75   tags:<5\n"
        "  folder:10_hero   name:IMG_*        with AND, OR, NOT and parentheses between\n"
        "Captions edited one by one become a step of their own when you press s, or when you leave."
    )
    BINDINGS = BINDINGS

    def __init__(self, folder: Path, wanted: str = "", first: CaptionWork | None = None) -> None:
        """``first`` is proposed as soon as the captions are read."""
        super().__init__(folder)
        self._first = first
        self._wanted = TypedFilter(wanted)
        self._shows_tags = True
        self._tags: tuple[TagCount, ...] = ()
        self._shown: tuple[Entry, ...] = ()
        self._edits = HandEdits()

    def above(self) -> Iterable[Widget]:
        with Vertical(id="tags-filter"):
            yield Field("filter", "Filter", self._wanted.text, placeholder="everything")

    def look(self) -> Entries:
        return read_entries(history.begin(self.folder))

    def take(self, found: Entries) -> None:
        first, self._first = self._first, None
        if first is not None:
            self._shown = shown(found, self._wanted.filter)
            self._propose_work(first)

    # What is shown

    def show_found(self, width: int) -> None:
        if self.found is not None:
            self._shown = shown(self.found, self._wanted.filter)
            self._tags = tag_table(self._shown)
        self._show_rows()

    def _show_rows(self, cursor: int | None = None) -> None:
        width = self.size.width
        if self._shows_tags:
            most = self._tags[0].count if self._tags else 1
            made = [tag_row(tag, most, len(self._shown), width) for tag in self._tags]
        else:
            made = [
                caption_row(entry, self._edits.text(entry), edited=entry in self._edits, width=width)
                for entry in self._shown
            ]
        at = self.rows.cursor if cursor is None else cursor
        self.rows.show_rows(made, max(0, min(at, len(made) - 1)))
        if self.found is not None:
            self.show_head(self._head(self.found))
        self.show_about()
        self._show_keys()

    def _head(self, found: Entries) -> str:
        what = number(len(self._tags), "tag") if self._shows_tags else "captions"
        words = f"{number(len(self._shown), 'picture')} of {len(found.all):,}, {what}"
        if self._edits:
            edited = number(len(self._edits), "caption")
            words += f"   {glyphs().unusual} {edited} edited: s makes a step of it"
        return words

    def about(self) -> str:
        tag, entry = self._tag(), self._entry()
        if tag is not None:
            return about_tag(tag, len(self._shown))
        if entry is not None:
            return about_caption(entry, self._edits.text(entry))
        missing = self._missing()
        if not missing:
            return ""
        return (
            f"No tags yet: {number(missing, 'picture')} without a caption. m writes one for each, the same"
            " words for all; esc, then w or c has them written by what is in each picture."
        )

    def _show_keys(self) -> None:
        typing = isinstance(self.focused, Input)
        found = tag_keys.shown(
            tags=self._shows_tags, edited=bool(self._edits), typing=typing, missing=bool(self._missing())
        )
        self.query_one(KeyBar).show(found)

    def _missing(self) -> int:
        """How many of the pictures shown have no caption."""
        return sum(not self._edits.text(entry) for entry in self._shown)

    def _tag(self) -> TagCount | None:
        cursor = self.rows.cursor
        return self._tags[cursor] if self._shows_tags and 0 <= cursor < len(self._tags) else None

    def _entry(self) -> Entry | None:
        cursor = self.rows.cursor
        return self._shown[cursor] if not self._shows_tags and 0 <= cursor < len(self._shown) else None

    def on_descendant_focus(self) -> None:
        self._show_keys()

    # The filter

    def action_filter(self) -> None:
        self.query_one(Field).enter()

    def on_field_changed(self, event: Field.Changed) -> None:
        event.stop()
        self._filter_by(event.text)

    def on_field_submitted(self, event: Field.Submitted) -> None:
        event.stop()
        self.rows.focus()

    def action_clear(self) -> None:
        self.query_one(Field).put("")
        self._filter_by("")

    def _filter_by(self, text: str) -> None:
        self._wanted.type(text)
        wrong = self._wanted.problem
        if wrong is not None:
            self.query_one(Field).show_note(f"{wrong.message.splitlines()[0]} {wrong.fix}", "wrong")
            return
        self.query_one(Field).show_note("")
        self.show()

    def action_turn(self) -> None:
        self._shows_tags = not self._shows_tags
        self._show_rows(0)
        self.rows.focus()

    def action_open(self) -> None:
        tag, entry = self._tag(), self._entry()
        if tag is not None:
            narrowed = self._wanted.narrowed(Term("tag", tag.tag))
            self._shows_tags = False
            self.query_one(Field).put(narrowed)
            self._filter_by(narrowed)
        elif entry is not None and self.found is not None:
            from loratui.tui.dataset.caption import CaptionScreen

            at = self._shown.index(entry)
            screen = CaptionScreen(self.found.base.root, self._shown, at, self._edits)
            self.app.push_screen(screen, self._show_rows)

    # Operations on what is shown

    def action_add(self, front: bool) -> None:
        self._ask(tag_questions.add(self._shown, front=front))

    def action_remove(self) -> None:
        self._ask(tag_questions.remove(self._shown, self._tag()))

    def action_rename(self) -> None:
        tag = self._tag()
        if tag is None:
            self.say("tab goes to the tags; put the cursor on the one to rename.")
        else:
            self._ask(tag_questions.rename(tag))

    def action_trigger(self) -> None:
        self._ask(tag_questions.trigger(self._shown))

    def action_fill(self) -> None:
        self._ask(tag_questions.fill(self._shown))

    def action_normalise(self) -> None:
        self._propose_work(tag_questions.TIDY)

    def action_leave_out(self) -> None:
        if self.found is None or self._must_wait():
            return
        if self._wanted.filter is None:
            self.say("A filter first: without one this would leave out everything. / types one.")
            return
        self.propose(plan_drop(self.found, self._shown), [entry.name for entry in self._shown])

    def _ask(self, question: Question) -> None:
        from loratui.tui.dataset.ask import AskScreen

        def take(typed: str | None) -> None:
            if typed and typed.strip():
                self._propose_work(question.work(typed.strip()))

        if not self._must_wait():
            screen = AskScreen(question.words, question.label, question.text, question.hint)
            self.app.push_screen(screen, take)

    def _propose_work(self, work: CaptionWork) -> None:
        found = self.found
        if found is None or self._must_wait():
            return
        planned = self.attempt(lambda: plan_captions(found, self._shown, work))
        if planned is not None:
            self.propose(planned.plan, plan_lines(planned))

    def _must_wait(self) -> bool:
        if self._edits:
            self.say("First s: it makes a step of the captions you edited.")
        elif self._wanted.problem is not None:
            self.say("The filter cannot be read: / goes to it, c clears it.")
        return bool(self._edits) or self._wanted.problem is not None

    # Captions edited one by one

    def action_save(self) -> None:
        if self.found is None or not self._edits:
            self.say("No caption was edited: tab, then enter on one.")
            return
        self.propose(self._edits.plan(self.found.base), change_lines(self._edits.changes(self.found)))

    def made(self, step: history.Step) -> None:
        self._edits.clear()

    def action_back(self) -> None:
        if isinstance(self.focused, Input):
            self.rows.focus()
        else:
            self._keep_edits()
            super().action_back()

    def action_leave(self) -> None:
        self._keep_edits()
        super().action_leave()

    def on_unmount(self) -> None:
        self._keep_edits()

    def _keep_edits(self) -> None:
        """What was typed is not lost: it becomes a step, which undo takes back."""
        if self.found is None or not self._edits:
            return
        try:
            step = history.apply(self._edits.plan(self.found.base))
        except UserError as error:
            own_app(self.app).farewell = str(error)
            return
        self._edits.clear()
        self.changed = True
        own_app(self.app).farewell = f"The captions you edited are step {step.number}: {step.folder}"

    def action_undo(self) -> None:
        if self._edits:
            self._edits.clear()
            self._show_rows()
            self.say("The captions edited since the last step are as they were.")
        else:
            super().action_undo()
