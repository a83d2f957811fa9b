"""Step 6: everything decided and derived, each value with its reason and editable where it stands."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding

from loratui.advice.presets import presets
from loratui.models.named import entry_of
from loratui.problems import Problem
from loratui.tui.glyphs import glyphs
from loratui.tui.text import clip, clip_path, plain, sentence
from loratui.tui.widgets.field import Field
from loratui.tui.widgets.line import Line
from loratui.tui.widgets.rows import Row, RowList
from loratui.tui.wizard.answers import mending
from loratui.tui.wizard.answers.settings import (
    FIND,
    PRESET,
    PRICE,
    Setting,
    Standing,
    all_settings,
    changed,
    place_of,
    standing,
)
from loratui.tui.wizard.panes import review_words
from loratui.tui.wizard.panes.pane import StepPane
from loratui.tui.wizard.panes.typed_value import take
from loratui.tui.wizard.panes.unfetched import entry_to_fetch
from loratui.tui.wizard.steps import REVIEW

_LABEL = 20


class ReviewPane(StepPane):
    """One list of settings; below it the reason of the one under the cursor, and what it all comes to."""

    NUMBER = REVIEW
    QUESTION = "Ready? This is what will be trained."
    HELP_TEXTS = {
        "": "Enter starts the run. It goes on when you close this window or lose the connection.\n"
        "w lets it wait in the queue: it starts by itself when a GPU is free.\n"
        "Up and down go through the settings, / finds one by its name; below stands why each is what it is.\n"
        "e edits the one under the cursor, left and right take the next choice, a takes what is advised.\n"
        "f mends what contradicts itself. c shows the config.toml and the command; 1 to 5 go back.",
    }

    BINDINGS = [
        Binding("e", "edit", "edit", id="review.edit", tooltip="Edit the setting under the cursor"),
        Binding("right", "turn(1)", "next choice", id="review.next", tooltip="The next choice"),
        Binding("left", "turn(-1)", "choice before", id="review.before", tooltip="The choice before"),
        Binding("a", "advised", "advised", id="review.advised", tooltip="Back to the value that is advised"),
        Binding("slash", "find", "find", id="review.find", tooltip="Go to a setting by letters of its name"),
        Binding("f", "mend", "mend", id="review.mend", tooltip="Mend what contradicts itself"),
        Binding(
            "t",
            "all_or_changed",
            "all / changed",
            id="review.toggle",
            tooltip="All settings, or those that changed",
        ),
    ]

    _editor: Field | None = None
    """Where a value is being typed."""

    def compose(self) -> ComposeResult:
        self._all = self.state.parent is None
        self._shown: list[Setting] = []
        self._painted = 0
        yield self.question()
        yield RowList(id="settings")
        yield Line(id="why", classes="facts")
        yield Line(id="outlook", classes="facts")
        yield Line(id="checks", classes="facts")
        yield Line(id="start")

    # What is shown

    def on_resize(self) -> None:
        """Values are cut to the room there is, which is known only now."""
        if self.size.width != self._painted:
            self.show_facts()

    def show_facts(self) -> None:
        self._painted = self.size.width
        rows = self.query_one(RowList)
        chosen = self._chosen()
        self._shown = self._rows()
        keys = [one.key for one in self._shown]
        rows.show_rows(
            [self._row(one) for one in self._shown],
            keys.index(chosen.key) if chosen and chosen.key in keys else None,
        )
        width = max(40, self.size.width - 4)
        self.query_one("#outlook", Line).show(review_words.outlook_lines(self.state, width))
        self.query_one("#checks", Line).show(review_words.checks(self.state, width))
        self._show_why()

    def _rows(self) -> list[Setting]:
        if not self._all:
            found = list(changed(self.state))
            return [*found, Setting("", "", "text")]
        first = [Setting(PRESET, "Preset", "text", ("none", *self._presets()))]
        return [*all_settings(self.state)[:1], *first, *all_settings(self.state)[1:], _PRICE_ROW]

    def _presets(self) -> list[str]:
        recipe = self.state.recipe
        entry = entry_of(recipe.base.model)
        return [
            preset.name
            for preset in presets().values()
            if preset.suits(recipe.base.family or "", entry.name if entry else "")
        ]

    def _row(self, one: Setting) -> Row:
        if not one.key:
            assert self.state.parent is not None
            number = len(all_settings(self.state)) - len(self._shown) + 1
            words = f"{number} more settings, as in {plain(self.state.parent[0])} (t shows them)"
            return (("", ""), (words, "dim"))
        found = self._standing(one)
        label = (f"{one.label:<{_LABEL}}", "strong")
        width = max(12, self.size.width - _LABEL - 6 - (len(found.remark) + 4 if found.remark else 0))
        text = plain(found.text) or "none"
        shown = clip_path(text, width) if one.key in ("base.model", "dataset.folder") else clip(text, width)
        if found.before is not None:
            shown = clip(f"{plain(found.before)} -> {text}", width)
        if found.level == "wrong":
            return (label, (f"{glyphs().wrong} {shown}", "bad"))
        sign = f"{glyphs().unusual} " if found.level == "unusual" else ""
        style = "warn" if found.level == "unusual" else "dim"
        return (label, (shown, ""), (f"   {sign}{found.remark}" if found.remark else "", style))

    def _standing(self, one: Setting) -> Standing:
        if one.key == PRESET:
            return Standing(one, self.state.preset or "none")
        if one.key == PRICE:
            price = self.state.machine.price if self.state.machine else None
            return Standing(one, "" if price is None else f"{price:g}")
        return standing(self.state, one)

    def _show_why(self) -> None:
        one = self._chosen()
        self.query_one("#why", Line).show(review_words.why(self.state, one) if one else "")

    def _chosen(self) -> Setting | None:
        index = self.query_one(RowList).cursor
        return self._shown[index] if 0 <= index < len(self._shown) else None

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        event.stop()
        self._show_why()

    def show_problem(self, problem: Problem) -> bool:
        """Put the cursor on the setting that is to blame."""
        keys = [one.key for one in self._shown]
        if problem.key in keys:
            self.query_one(RowList).choose(keys.index(problem.key))
            self._show_why()
        return False

    def keys(self) -> list[tuple[str, str]]:
        if self.editing:
            finds = self._editor is not None and self._editor.key == FIND
            return [("enter", "go to it" if finds else "take it"), ("esc", "leave it as it was")]
        mend = [("f", "mend")] if mending.mendable(self.state) else []
        fetch = [("d", "download")] if entry_to_fetch(self.state) else []
        turn = [("t", "changes alone" if self._all else "all settings")]
        more = turn if self.state.parent is not None else []
        return [*fetch, *mend, ("e", "edit"), *more, ("a", "advised"), ("/", "find")]

    def focus_first(self) -> None:
        self.query_one(RowList).focus()

    # Editing

    def take_back(self) -> bool:
        if not self.editing:
            return False
        self.close_editor()
        return True

    def action_edit(self) -> None:
        one = self._chosen()
        if one is None or not one.key:
            self.action_all_or_changed()
        elif one.choices and one.key != "optimizer.name":
            self.action_turn(1)
        elif not self.editing:
            self._open_editor(one)

    def _open_editor(self, one: Setting) -> None:
        text, hint = ("", "letters of its name") if one.key == FIND else (self._standing(one).text, "none")
        field = Field(one.key, one.label, text, placeholder=hint)
        field.add_class("editor")
        self._editor = field
        self.mount(field, before="#outlook")
        self.query_one("#why", Line).display = False
        field.call_after_refresh(field.enter)

    def action_find(self) -> None:
        """Letters of a name put the cursor on its row."""
        if self.editing:
            return
        if not self._all:
            self._all = True
            self.show_facts()
        self._open_editor(Setting(FIND, "Find", "text"))

    @property
    def editing(self) -> bool:
        """Whether a value is being typed."""
        return self._editor is not None

    def on_field_changed(self, event: Field.Changed) -> None:
        """Nothing is taken before Enter."""
        event.stop()
        event.prevent_default()
        event.field.show_note("")
        if event.field.key == FIND:
            place = place_of(self._shown, event.text)
            if place is not None:
                self.query_one(RowList).choose(place)
            elif event.text.strip():
                event.field.show_note("no setting is called so", "unusual")

    def on_field_submitted(self, event: Field.Submitted) -> None:
        """Enter in the editor takes the value; nothing starts."""
        event.stop()
        event.prevent_default()
        field = event.field
        if field.key == FIND:
            self.close_editor()
            self._show_why()
            return
        problem = take(self.state, field.key, field.text)
        if problem is not None:
            field.show_note(sentence(problem), "wrong")
            return
        self.close_editor()
        self.post_message(self.Changed())

    def close_editor(self) -> None:
        """Leave the value as it is."""
        self._editor = None
        self.query(".editor").remove()
        self.query_one("#why", Line).display = True
        self.query_one(RowList).focus()

    def action_turn(self, by: int) -> None:
        one = self._chosen()
        if one is None or not one.choices or self.editing:
            return
        choices = (*one.choices, "") if one.optional and one.kind != "flag" else one.choices
        text = self._standing(one).text
        index = choices.index(text) if text in choices else -by
        value = choices[(index + by) % len(choices)]
        if one.key == PRESET:
            self.state.choose_preset(presets().get(value))
        else:
            take(self.state, one.key, value)
        self.post_message(self.Changed())

    def action_advised(self) -> None:
        one = self._chosen()
        if one is not None and one.key and not self.editing:
            self.state.forget(one.key)
            self.post_message(self.Changed())

    def action_mend(self) -> None:
        if mending.mend(self.state):
            self.post_message(self.Changed())

    def action_all_or_changed(self) -> None:
        if self.state.parent is not None:
            self._all = not self._all
            self.post_message(self.Changed())


_PRICE_ROW = Setting(PRICE, "Price per hour", "number", (), True)
