"""Step 4: the word that calls the LoRA up."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding

from loratui.places import expanded
from loratui.tui.widgets.field import Field
from loratui.tui.widgets.line import Line
from loratui.tui.wizard.answers.facts import DatasetFacts
from loratui.tui.wizard.panes.pane import StepPane


class TriggerPane(StepPane):
    """One word, and how many captions say it."""

    NUMBER = 4
    QUESTION = "Which word shall call it up?"
    HELP_TEXTS = {
        "": "The word that calls the LoRA up in a prompt. Choose one no model knows (ohwx).\n"
        "It must stand in the captions; where none says it, it is put in front of them while\n"
        "training, and your files stay as they are. A style may do without: leave it empty.",
    }

    BINDINGS = [
        Binding(
            "ctrl+t",
            "lead",
            "into the captions",
            id="trigger.lead",
            tooltip="Put it in front of the captions, in a copy of links; shown before, undone by u",
        ),
    ]

    def compose(self) -> ComposeResult:
        yield self.question()
        yield Field("dataset.trigger", "Trigger word", self.state.text("dataset.trigger"), placeholder="none")
        yield Line(id="trigger-facts", classes="facts")

    def focus_first(self) -> None:
        self.query_one(Field).enter()

    def show_facts(self) -> None:
        field = self.query_one(Field)
        if not field.has_focus_within or "dataset.trigger" not in self.state.decided:
            field.put(self.state.text("dataset.trigger"))
        advised = self.state.why.get("dataset.trigger")
        words = ""
        if advised is not None:
            shown = repr(advised.value) if advised.value else "none"
            words = f"  Proposed: {shown}. {advised.reason}"
        self.query_one("#trigger-facts", Line).show(words)

    def note(self, field: Field) -> tuple[str, str]:
        recipe = self.state.recipe
        trigger = recipe.dataset.trigger
        if not trigger or not isinstance(self.state.dataset, DatasetFacts):
            return "", ""
        found, total = self.state.dataset.says(trigger)
        if not total:
            return "", ""
        if found == total:
            return f"all {total} captions say it", "fine"
        if recipe.kohya.get("caption_prefix"):
            words = f"none of the {total} captions says it: it is put in front of them while training"
            return f"{words}, your files stay as they are", "fine"
        words = f"not in {total - found} of {total} captions: what they show will not be called up"
        return f"{words}. ctrl+t puts it in front of them, in a copy", "unusual"

    def action_lead(self) -> None:
        """Show the step that puts the word in front of all captions, and make it when that is wanted."""
        recipe, known = self.state.recipe, self.state.dataset
        if not recipe.dataset.trigger or not isinstance(known, DatasetFacts) or known.named is not None:
            return
        from loratui.tui.dataset import tag_questions
        from loratui.tui.dataset.tags import TagsScreen

        work = tag_questions.lead(recipe.dataset.trigger)
        screen = TagsScreen(expanded(recipe.dataset.folder), first=work)
        self.app.push_screen(screen, self._mended)

    def _mended(self, changed: bool | None) -> None:
        if changed:
            self.state.reread_dataset()
            self.post_message(self.Changed())
