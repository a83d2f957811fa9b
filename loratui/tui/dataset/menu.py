"""Everything there is to mend about a set."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import Screen

from loratui.tui.dataset.words import step_words
from loratui.tui.text import home_path
from loratui.tui.widgets.keybar import KeyBar
from loratui.tui.widgets.line import Line
from loratui.tui.widgets.rows import Row, RowList

SCREENS = (
    ("d", "Duplicates", "the same or nearly the same picture; keep the best", "duplicates.DuplicatesScreen"),
    ("t", "Captions and tags", "add, remove, rename, tidy, edit one by one", "tags.TagsScreen"),
    ("w", "Tags by a tagger", "WD14 or another in ONNX looks at each picture", "labels.TagScreen"),
    ("c", "Sentences", "Kosmos-2 describes each picture", "labels.SentenceScreen"),
    ("v", "Variants", "each picture three times: no words, tags, a sentence", "labels.VariantsScreen"),
    ("f", "Formats and pixels", "rotation, transparency, ignored formats, broken", "plans.ConvertScreen"),
    ("n", "Folders and names", "the 10_name layout, shared captions, leftovers", "plans.ArrangeScreen"),
    ("s", "Steps", "what was done; undo, redo, changes of your folder", "steps.StepsScreen"),
)
"""Key, name, what it does, and the screen below ``loratui.tui.dataset``, made from the folder alone."""


class MendMenu(Screen[bool]):
    """A row for each kind of mending. Closes with whether anything was changed."""

    BINDINGS = [
        Binding("enter", "open", "open", id="mend.open", tooltip="Open it"),
        *(
            Binding(
                key, f"open('{key}')", name, id=f"mend.{name.split()[0].lower()}", tooltip=words.capitalize()
            )
            for key, name, words, _ in SCREENS
        ),
        Binding("question_mark,f1", "help", "help", id="mend.help", tooltip="This help"),
        Binding("escape", "back", "back", id="mend.back", tooltip="Back"),
        Binding("q", "leave", "quit", id="mend.quit", tooltip="Quit; what was made stays"),
    ]

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._changed = False

    def compose(self) -> ComposeResult:
        yield Line(id="title")
        yield Line("What shall be mended?", classes="question")
        rows: list[Row] = [
            ((f"{key}  {name:<20}", "strong"), (words, "dim")) for key, name, words, _ in SCREENS
        ]
        yield RowList(rows, id="mend-rows")
        yield Line(
            f"{home_path(self._folder)} stays as it is: each operation makes a new step beside it, and shows"
            " first what it would do.",
            classes="hint",
        )
        yield Line(id="message")
        yield KeyBar(("enter", "open"), ("?", "help"), ("esc", "back"), ("q", "quit"))

    def on_mount(self) -> None:
        self.query_one(RowList).focus()
        self._show()

    def _show(self) -> None:
        self.query_one("#title", Line).show(f"loratui   mend   {step_words(self._folder)}")

    def action_open(self, key: str = "") -> None:
        at = [entry[0] for entry in SCREENS].index(key) if key else self.query_one(RowList).cursor
        self.query_one(RowList).choose(at)
        module, _, name = SCREENS[at][3].partition(".")
        screen: Callable[[Path], Screen[bool]] = getattr(
            importlib.import_module(f"loratui.tui.dataset.{module}"), name
        )
        self.app.push_screen(screen(self._folder), self._came_back)

    def _came_back(self, changed: bool | None) -> None:
        self._changed = self._changed or bool(changed)
        self._show()

    def action_help(self) -> None:
        from loratui.tui.help import HelpScreen

        words = "Your folder is only read. What a step leaves out lies in the step before; undo goes back."
        self.app.push_screen(HelpScreen(words, self.BINDINGS))

    def action_back(self) -> None:
        if len(self.app.screen_stack) > 1:
            self.dismiss(self._changed)
        else:
            self.app.exit()

    def action_leave(self) -> None:
        self.app.exit()
