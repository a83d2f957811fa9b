"""Step 4: the word that calls the LoRA up."""

from __future__ import annotations

from textual.app import ComposeResult

from loratui.tui.widgets.field import Field
from loratui.tui.wizard.facts import DatasetFacts
from loratui.tui.wizard.pane import StepPane


class TriggerPane(StepPane):
    """One word, and how many captions say it."""

    NUMBER = 4
    QUESTION = "Which word shall call it up?"
    HELP_TEXTS = {
        "": "The word that calls the LoRA up in a prompt. Choose one no model knows (ohwx)\n"
        "and write it into every caption. A style may do without.",
    }

    def compose(self) -> ComposeResult:
        yield self.question()
        yield Field("dataset.trigger", "Trigger word", self.state.text("dataset.trigger"), placeholder="none")

    def focus_first(self) -> None:
        self.query_one(Field).enter()

    def note(self, field: Field) -> tuple[str, str]:
        trigger = self.state.recipe.dataset.trigger
        if not trigger or not isinstance(self.state.dataset, DatasetFacts):
            return "", ""
        found, total = self.state.dataset.with_word(trigger), len(self.state.dataset.captions)
        if not total:
            return "", ""
        return f"found in {found} of {total} captions", "fine" if found == total else "unusual"
