"""Step 3: what the LoRA shall learn."""

from __future__ import annotations

from typing import get_args

from textual.app import ComposeResult

from loratui.recipe import Purpose
from loratui.tui.widgets.rows import Row, RowList
from loratui.tui.wizard.panes.pane import StepPane

PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
_WORDS: dict[Purpose, str] = {
    "character": "a person or a figure",
    "style": "how things are drawn",
    "concept": "a pose, an idea",
    "object": "a thing, a piece of clothing",
    "trial": "only to see that it works",
}


class PurposePane(StepPane):
    """A character, a style, a concept, an object, or a trial."""

    NUMBER = 3
    QUESTION = "What shall it learn?"
    HELP_TEXTS = {
        "": "It sets where rank, rates and length begin; what you set yourself stays as it is.\n"
        "A character or an object is one thing in many pictures. A style is how all of them are drawn.\n"
        "A concept is what they have in common besides: a pose, a composition, an idea.",
    }

    def compose(self) -> ComposeResult:
        yield self.question()
        rows: list[Row] = [((f"{word:<12}", "strong"), (_WORDS[word], "dim")) for word in PURPOSES]
        yield RowList(rows, PURPOSES.index(self.state.recipe.dataset.purpose), id="purpose")

    def show_facts(self) -> None:
        self.query_one(RowList).choose(PURPOSES.index(self.state.recipe.dataset.purpose))

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        event.stop()
        self.state.set("dataset.purpose", PURPOSES[event.index])
        self.post_message(self.Changed())
