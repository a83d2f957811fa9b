"""Step 5: how long, and what is drawn on the way."""

from __future__ import annotations

from textual.app import ComposeResult

from loratui.tui.glyphs import glyphs
from loratui.tui.text import number
from loratui.tui.widgets.field import Field
from loratui.tui.widgets.line import Line
from loratui.tui.widgets.rows import Row, RowList
from loratui.tui.wizard.facts import DatasetFacts
from loratui.tui.wizard.lengths import Length, lengths
from loratui.tui.wizard.pane import StepPane

_PROMPTS = ("samples.prompt_1", "samples.prompt_2")
_MANY_VIEWS = 300
"""Showings of one picture above which small sets are learnt by heart."""


class LengthPane(StepPane):
    """Quick, normal, thorough or a number of epochs; the exact count; sample prompts."""

    NUMBER = 5
    QUESTION = "How long should it train?"
    HELP_TEXTS = {
        "": "One step looks at one batch of pictures; one epoch shows every picture as often as its\n"
        "folder's number says. Too short: it is not learnt. Too long: the pictures are learnt by heart.\n"
        "What is saved after each epoch lets you choose the best one afterwards.",
        "lengths": "Where people begin for what you want to teach, worked out for your pictures.\n"
        "Normal is a good first try; look at the samples and choose an earlier epoch when it is too much.",
        "steps-epochs": "How often the whole set is shown. A character is usually learnt when each picture\n"
        "was seen 50 to 150 times.",
        "steps-batch-size": "Pictures looked at in one step. 1 or 2 learn finer and fit small GPUs;\n"
        "more is faster where memory allows. Twice the batch means half the steps.",
        "samples-prompt-1": "Pictures drawn from these words after each epoch show how far it has come.\n"
        "Begin with the trigger word. Leave both empty to draw none.",
    }

    def compose(self) -> ComposeResult:
        prompts = self.state.recipe.samples.prompts
        yield self.question()
        yield RowList(self._rows(), self._chosen(), id="lengths")
        yield Field("steps.epochs", "Epochs", self.state.text("steps.epochs"), kind="whole")
        yield Field("steps.batch_size", "Batch size", self.state.text("steps.batch_size"), kind="whole")
        yield Line(id="count", classes="facts")
        for index, key in enumerate(_PROMPTS):
            text = prompts[index] if index < len(prompts) else ""
            yield Field(key, f"Sample prompt {index + 1}", text, placeholder="none")

    def _lengths(self) -> tuple[Length, ...]:
        dataset = self.state.dataset
        if not isinstance(dataset, DatasetFacts):
            return ()
        shown = sum(picture.repeats for picture in dataset.scan.train_pictures)
        return lengths(self.state.recipe.dataset.purpose, shown)

    def _rows(self) -> list[Row]:
        rows: list[Row] = []
        count = self.state.count
        for length in self._lengths():
            steps = f"{length.epochs * count.steps_per_epoch:,} steps" if count else ""
            rows.append(
                (
                    (f"{length.title:<11}", "strong"),
                    (f"{number(length.epochs, 'epoch'):>12}  {steps:>14}   ", ""),
                    (length.words, "dim"),
                )
            )
        target = self.state.recipe.steps.target
        words = (
            f"{target:,} steps, as the recipe says" if target is not None else "the number of epochs below"
        )
        rows.append((("Custom     ", "strong"), (f"{'':>12}  {'':>14}   ", ""), (words, "dim")))
        return rows

    def _chosen(self) -> int:
        steps = self.state.recipe.steps
        offered = self._lengths()
        if steps.target is None:
            for index, length in enumerate(offered):
                if length.epochs == steps.epochs:
                    return index
        return len(offered)

    def show_facts(self) -> None:
        custom = self.query_one("#steps-epochs", Field).has_focus_within
        cursor = len(self._lengths()) if custom else self._chosen()
        self.query_one(RowList).show_rows(self._rows(), cursor)
        self.query_one("#steps-epochs", Field).put(self.state.text("steps.epochs"))
        self.query_one("#count", Line).show(self._count())

    def _count(self) -> str:
        count, steps = self.state.count, self.state.recipe.steps
        if count is None or not count.total_steps:
            return ""
        views = count.epochs * count.train_images_repeated / max(1, count.train_images)
        if steps.epochs is None:
            views = count.total_steps * steps.batch_size * steps.accumulation / max(1, count.train_images)
        many = f"   {glyphs().unusual} very often: watch the samples" if views > _MANY_VIEWS else ""
        per_epoch = f"{number(count.steps_per_epoch, 'step')} an epoch"
        return (
            f"  {number(count.total_steps, 'step')} exactly: {per_epoch} {glyphs().times} {count.epochs}\n"
            f"  each picture is seen {number(round(views), 'time')}{many}"
        )

    def take(self, field: Field, text: str) -> None:
        if field.key == "steps.epochs":
            self.state.type(field.key, text, "whole")
            if field.key not in self.state.typed:
                epochs = self.state.recipe.steps.epochs
                assert epochs is not None
                self.state.choose_epochs(epochs)
        elif field.key in _PROMPTS:
            texts = [
                self.query_one(f"#{key.replace('.', '-').replace('_', '-')}", Field).text for key in _PROMPTS
            ]
            rest = self.state.recipe.samples.prompts[len(_PROMPTS) :]
            words = tuple(text.strip() for text in texts if text.strip())
            self.state.set("samples.prompts", (*words, *rest))
        else:
            super().take(field, text)

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        event.stop()
        offered = self._lengths()
        if event.index < len(offered):
            self.state.choose_epochs(offered[event.index].epochs)
        self.post_message(self.Changed())
