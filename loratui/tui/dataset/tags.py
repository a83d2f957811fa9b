"""Tags by frequency, captions one by one, and changes on what a filter shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.widgets import Input

from loratui.dataset import history
from loratui.dataset.history import Plan, Written
from loratui.dataset.mending import tag_edits, tag_filter
from loratui.dataset.mending.caption_plan import CaptionPlan, CaptionWork, plan_captions, plan_drop, shown
from loratui.dataset.mending.entries import Entries, Entry, read_entries
from loratui.dataset.mending.tag_edits import Edit
from loratui.dataset.mending.tag_filter import Filter, Term
from loratui.dataset.mending.tag_table import TagCount, tag_table
from loratui.dataset.thresholds import TOKEN_LIMITS
from loratui.problems import UserError
from loratui.tui.dataset.screen import MendScreen, step_words
from loratui.tui.glyphs import glyphs
from loratui.tui.text import clip, clip_path, number, plain
from loratui.tui.widgets.field import Field
from loratui.tui.widgets.keybar import KeyBar
from loratui.tui.widgets.line import Line
from loratui.tui.widgets.rows import Row, RowList

_EXAMPLES = 60
_BAR = 12


class TagsScreen(MendScreen[Entries]):
    """The tag table, or the captions; above them the filter."""

    NAME = "captions and tags"
    HELP_TEXT = (
        "Every operation works on what the filter shows, and shows first what it would change. A filter:\n"
        "  tag:red hair   first:ohwx   caption:word   missing:   missing:smile   tokens:>75   tags:<5\n"
        "  folder:10_hero   name:IMG_*        with AND, OR, NOT and parentheses between\n"
        "Captions edited one by one become a step of their own when you press s, or when you leave."
    )
    BINDINGS = [
        Binding("slash", "filter", "filter", id="tags.filter", tooltip="Type a filter"),
        Binding("tab", "turn", "tags / captions", id="tags.turn", tooltip="Tags by frequency, or captions"),
        Binding("enter", "open", "open", id="tags.open", tooltip="Show a tag's pictures; edit a caption"),
        Binding("a", "add(True)", "add in front", id="tags.front", tooltip="Add tags in front"),
        Binding("e", "add(False)", "add at the end", id="tags.end", tooltip="Add tags at the end"),
        Binding("d", "remove", "remove", id="tags.remove", tooltip="Remove a tag"),
        Binding("r", "rename", "rename", id="tags.rename", tooltip="Call a tag something else"),
        Binding("t", "trigger", "trigger first", id="tags.trigger", tooltip="Trigger word to the front"),
        Binding(
            "n",
            "normalise",
            "tidy",
            id="tags.tidy",
            tooltip="UTF-8, one line, each tag once",
        ),
        Binding("m", "fill", "fill missing", id="tags.fill", tooltip="Write captions for pictures without"),
        Binding("x", "leave_out", "leave out", id="tags.out", tooltip="Leave out the pictures shown"),
        Binding("c", "clear", "clear filter", id="tags.clear", tooltip="Show everything again"),
        Binding("s", "save", "save", id="tags.save", tooltip="Make a step of captions edited one by one"),
    ]

    def __init__(self, folder: Path, wanted: str = "") -> None:
        super().__init__(folder)
        self._filter_text = wanted
        self._filter: Filter | None = tag_filter.parse(wanted) if wanted.strip() else None
        self._unreadable = False
        """What stands in the filter's field is no filter; the list still shows the one before."""
        self._shows_tags = True
        self._tags: tuple[TagCount, ...] = ()
        self._shown: tuple[Entry, ...] = ()
        self.pending: dict[str, str] = {}
        """Captions edited and not yet a step, by name of their file."""

    def compose(self) -> ComposeResult:
        yield Line(id="title")
        with Vertical(id="tags-filter"):
            yield Field("filter", "Filter", self._filter_text, placeholder="everything")
        yield Line(id="mend-head")
        yield RowList(id="mend-rows")
        yield Line(id="mend-about")
        yield Line(id="message")
        yield KeyBar()

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(RowList).focus()

    def look(self) -> Entries:
        return read_entries(history.begin(self.folder))

    # What is shown

    def show(self) -> None:
        if not self.size.width or not self.is_attached:
            return
        self.query_one("#title", Line).show(f"loratui   captions and tags   {step_words(self.folder)}")
        if self.found is not None:
            self._shown = shown(self.found, self._filter)
            self._tags = tag_table(self._shown)
        self._show_rows()

    def _show_rows(self, cursor: int | None = None) -> None:
        rows = self.query_one(RowList)
        width = self.size.width
        if self._shows_tags:
            most = self._tags[0].count if self._tags else 1
            made = [_tag_row(tag, most, len(self._shown), width) for tag in self._tags]
        else:
            made = [self._caption_row(entry, width) for entry in self._shown]
        at = rows.cursor if cursor is None else cursor
        rows.show_rows(made, max(0, min(at, len(made) - 1)))
        self._show_head()
        self._show_about()
        self._show_keys()

    def _show_head(self) -> None:
        if self.found is None:
            return
        what = number(len(self._tags), "tag") if self._shows_tags else "captions"
        words = f"{number(len(self._shown), 'picture')} of {len(self.found.all):,}, {what}"
        if self.pending:
            words += (
                f"   {glyphs().unusual} {number(len(self.pending), 'caption')} edited: s makes a step of it"
            )
        self.query_one("#mend-head", Line).show(words)

    def _caption_row(self, entry: Entry, width: int) -> Row:
        text = self.pending.get(entry.caption_name, entry.text)
        name = min(28, max(12, width // 3))
        changed = "*" if entry.caption_name in self.pending else " "
        if not text:
            words = ("(no caption)" if entry.caption is None else "(empty)", "warn")
        else:
            words = (clip(plain(text), width - name - 6), "")
        return ((f"{changed}{clip_path(entry.name, name):<{name}}  ", "strong"), words)

    def _show_about(self) -> None:
        words = ""
        if self._shows_tags:
            tag = self._tag()
            if tag is not None:
                words = f"{plain(tag.tag)}: in {tag.count:,} of {number(len(self._shown), 'picture')}"
                if tag.meant:
                    words += f"\nOne letter away from {plain(tag.meant)}, which is common: r renames it."
        else:
            entry = self._entry()
            if entry is not None:
                text = self.pending.get(entry.caption_name, entry.text)
                words = f"{clip_path(entry.name, 50)}   {_tokens(entry)}\n{plain(text)}"
        self.query_one("#mend-about", Line).show(words)

    def _show_keys(self) -> None:
        if isinstance(self.focused, Input):
            keys = [("enter", "show"), ("esc", "back to the list"), ("f1", "help")]
        else:
            keys = [
                ("enter", "filter by it" if self._shows_tags else "edit"),
                ("/", "filter"),
                ("tab", "captions" if self._shows_tags else "tags"),
                ("a", "add"),
                ("d", "remove"),
                ("r", "rename"),
                ("t", "trigger"),
                ("?", "more"),
                ("esc", "back"),
            ]
        if self.pending and not isinstance(self.focused, Input):
            keys.insert(0, ("s", "save"))
        self.query_one(KeyBar).show(keys)

    def _tag(self) -> TagCount | None:
        cursor = self.query_one(RowList).cursor
        return self._tags[cursor] if self._shows_tags and 0 <= cursor < len(self._tags) else None

    def _entry(self) -> Entry | None:
        cursor = self.query_one(RowList).cursor
        return self._shown[cursor] if not self._shows_tags and 0 <= cursor < len(self._shown) else None

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        event.stop()
        self._show_about()

    def on_descendant_focus(self) -> None:
        self._show_keys()

    # The filter

    def action_filter(self) -> None:
        self.query_one(Field).enter()

    def on_field_changed(self, event: Field.Changed) -> None:
        event.stop()
        try:
            self._filter = tag_filter.parse(event.text) if event.text.strip() else None
        except UserError as error:
            problem = error.problems[0]
            event.field.show_note(f"{problem.message.splitlines()[0]} {problem.fix}", "wrong")
            self._unreadable = True
            return
        self._unreadable = False
        self._filter_text = event.text
        event.field.show_note("")
        self.show()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.query_one(RowList).focus()

    def action_clear(self) -> None:
        self._set_filter("")

    def _set_filter(self, text: str) -> None:
        self._filter_text = text
        self._filter = tag_filter.parse(text) if text.strip() else None
        field = self.query_one(Field)
        field.put(text)
        field.show_note("")
        self._unreadable = False
        self.show()

    def action_turn(self) -> None:
        self._shows_tags = not self._shows_tags
        self._show_rows(0)
        self.query_one(RowList).focus()

    def action_open(self) -> None:
        tag, entry = self._tag(), self._entry()
        if tag is not None:
            term = str(Term("tag", tag.tag))
            joined = f"{self._filter_text.strip()} AND {term}" if self._filter_text.strip() else term
            self._shows_tags = False
            self._set_filter(f"({self._filter_text.strip()}) AND {term}" if " OR " in joined else joined)
        elif entry is not None and self.found is not None:
            from loratui.tui.dataset.caption import CaptionScreen

            at = self._shown.index(entry)
            screen = CaptionScreen(self.found.base.root, self._shown, at, self.pending)
            self.app.push_screen(screen, lambda last: self._edited(last))

    def _edited(self, last: int | None) -> None:
        self._show_rows(last)

    # Operations on what is shown

    def action_add(self, front: bool) -> None:
        where, place = ("in front of", "in front") if front else ("at the end of", "at the end")
        self._ask(
            f"Add tags {where} {number(len(self._shown), 'caption')}",
            "Tags",
            "",
            "Several between commas. Captions that have them already stay as they are.",
            lambda text: (
                tag_edits.add(text, front=front),
                f"'{text}' added {place}",
            ),
        )

    def action_remove(self) -> None:
        tag = self._tag()
        self._ask(
            f"Remove a tag from {number(len(self._shown), 'caption')}",
            "Tags",
            tag.tag if tag else "",
            "Several between commas; * and ? stand for anything.",
            lambda text: (tag_edits.remove(text), f"'{text}' removed"),
        )

    def action_rename(self) -> None:
        tag = self._tag()
        if tag is None:
            self.say("tab goes to the tags; put the cursor on the one to rename.")
            return
        self._ask(
            f"Call {clip(plain(tag.tag), 40)} something else in {number(tag.count, 'caption')}",
            "New name",
            tag.meant or tag.tag,
            "Where a caption has the new one already, the old one goes.",
            lambda text: (tag_edits.rename(tag.tag, text), f"'{tag.tag}' renamed to '{text}'"),
        )

    def action_trigger(self) -> None:
        first = self._shown[0].tags[0] if self._shown and self._shown[0].tags else ""
        self._ask(
            f"The trigger word of {number(len(self._shown), 'caption')}",
            "Trigger word",
            first if all(entry.tags[:1] == (first,) for entry in self._shown[:3]) else "",
            "It is moved to the front, or put there where it is missing.",
            lambda text: (tag_edits.lead(text), f"the trigger word '{text}' in front"),
        )

    def action_normalise(self) -> None:
        work = CaptionWork(normalise=True, edits=(tag_edits.dedupe,), words=("each tag once",))
        self._propose_work(work)

    def action_fill(self) -> None:
        from loratui.tui.dataset.ask import AskScreen

        missing = sum(not entry.text for entry in self._shown)
        hint = "{name} is the file's name, {folder} the words of its folder."
        screen = AskScreen(f"Captions for {number(missing, 'picture')} without", "Caption", "{folder}", hint)

        def take(text: str | None) -> None:
            if text and text.strip():
                self._propose_work(CaptionWork(fill=text))

        self.app.push_screen(screen, take)

    def action_leave_out(self) -> None:
        if self.found is None or self._must_wait():
            return
        if self._filter is None:
            self.say("A filter first: without one this would leave out everything. / types one.")
            return
        self.propose(plan_drop(self.found, self._shown), [entry.name for entry in self._shown])

    def _ask(
        self, question: str, label: str, text: str, hint: str, make: Callable[[str], tuple[Edit, str]]
    ) -> None:
        from loratui.tui.dataset.ask import AskScreen

        def take(typed: str | None) -> None:
            if typed is None or not typed.strip():
                return
            edit, words = make(typed.strip())
            self._propose_work(CaptionWork(edits=(edit,), words=(words,)))

        if not self._must_wait():
            self.app.push_screen(AskScreen(question, label, text, hint), take)

    def _propose_work(self, work: CaptionWork) -> None:
        if self.found is None or self._must_wait():
            return
        try:
            planned = plan_captions(self.found, self._shown, work)
        except UserError as error:
            self._refused(error)
            return
        self.propose(planned.plan, before_and_after(planned))

    def _must_wait(self) -> bool:
        if self.pending:
            self.say("First s: it makes a step of the captions you edited.")
        elif self._unreadable:
            self.say("The filter cannot be read: / goes to it, c clears it.")
        return bool(self.pending) or self._unreadable

    # Captions edited one by one

    def _pending_plan(self) -> Plan | None:
        if self.found is None or not self.pending:
            return None
        put: dict[str, history.Source] = {
            name: Written(text.encode("utf-8", "replace") or b"\n") for name, text in self.pending.items()
        }
        words = f"{number(len(put), 'caption')} edited by hand"
        return Plan(self.found.base, "captions", words, put)

    def action_save(self) -> None:
        plan = self._pending_plan()
        if plan is None:
            self.say("No caption was edited: tab, then enter on one.")
            return
        before = {entry.caption_name: entry.text for entry in self.found.all} if self.found else {}
        lines = [
            line
            for name, text in self.pending.items()
            for line in (name, f"  - {before.get(name) or '(none)'}", f"  + {text}", "")
        ]
        self.propose(plan, lines)

    def made(self, step: history.Step) -> None:
        self.pending.clear()

    def action_back(self) -> None:
        if isinstance(self.focused, Input):
            self.query_one(RowList).focus()
        else:
            self._keep_pending()
            super().action_back()

    def action_leave(self) -> None:
        self._keep_pending()
        super().action_leave()

    def on_unmount(self) -> None:
        self._keep_pending()

    def _keep_pending(self) -> None:
        """What was typed is not lost: it becomes a step, which undo takes back."""
        plan = self._pending_plan()
        if plan is None:
            return
        try:
            step = history.apply(plan)
        except UserError as error:
            self.app.farewell = str(error)  # type: ignore[attr-defined]
            return
        self.pending.clear()
        self.changed = True
        self.app.farewell = (  # type: ignore[attr-defined]
            f"The captions you edited are step {step.number}: {step.folder}"
        )

    def action_undo(self) -> None:
        if self.pending:
            self.pending.clear()
            self._show_rows()
            self.say("The captions edited since the last step are as they were.")
        else:
            super().action_undo()


def before_and_after(planned: CaptionPlan) -> list[str]:
    """The first changes."""
    lines: list[str] = []
    for change in planned.changes[:_EXAMPLES]:
        before = "(none)" if change.before is None else change.before.replace("\n", " / ") or "(empty)"
        lines += [change.name, f"  - {before}", f"  + {change.after or '(empty)'}", ""]
    if len(planned.changes) > _EXAMPLES:
        lines.append(f"and {len(planned.changes) - _EXAMPLES:,} more")
    if planned.guessed:
        guessed = number(len(planned.guessed), "caption")
        lines = [f"{guessed} not in UTF-8, read as Windows-1252: see that the words are right.", "", *lines]
    return lines


def _tag_row(tag: TagCount, most: int, pictures: int, width: int) -> Row:
    signs = glyphs()
    bar = signs.bar_full * max(1, round(_BAR * tag.count / max(1, most)))
    name = max(16, width - 2 - 8 - 7 - _BAR - 4)
    return (
        (f"{tag.count:>6,}  ", "strong"),
        (f"{100 * tag.count / max(1, pictures):>4.0f} % ", "dim"),
        (f"{bar:<{_BAR}}  ", "dim"),
        (clip(plain(tag.tag) + (f"   {signs.unusual} {plain(tag.meant)}?" if tag.meant else ""), name), ""),
    )


def _tokens(entry: Entry) -> str:
    shortest = TOKEN_LIMITS[0]
    count = entry.tokens
    return f"{count} tokens" + (f" {glyphs().unusual} more than {shortest}" if count > shortest else "")
