"""Step 5: how much effort, and what is drawn and saved on the way."""

from __future__ import annotations

from typing import get_args

from textual.app import ComposeResult

from loratui.advice.length import Effort
from loratui.advice.pace import duration
from loratui.advice.waste import MOST_STEPS, MOST_TIMES_SEEN
from loratui.tui.glyphs import glyphs
from loratui.tui.text import number, size
from loratui.tui.widgets.field import Field
from loratui.tui.widgets.line import Line
from loratui.tui.widgets.rows import Row, RowList
from loratui.tui.wizard.answers.derive import planned_length
from loratui.tui.wizard.answers.outlook import outlook
from loratui.tui.wizard.panes.pane import StepPane

EFFORTS: tuple[Effort, ...] = get_args(Effort)
_WORDS: dict[Effort, str] = {
    "quick": "rough: tests the dataset",
    "balanced": "what most use",
    "thorough": "may learn by heart",
}
_ABSURD = 1_000_000
"""Steps that nobody means; ten a second make more than a day of it."""
_PROMPTS = ("samples.prompt_1", "samples.prompt_2")


class LengthPane(StepPane):
    """Quick, balanced, thorough, or a number of epochs; the exact count; sample prompts and intervals."""

    NUMBER = 5
    QUESTION = "How long should it train?"
    HELP_TEXTS = {
        "": "One step looks at one batch of pictures; one epoch shows every picture as often as its\n"
        "folder's number says. Too short: it is not learnt. Too long: the pictures are learnt by heart.\n"
        "About ten checkpoints are kept, so that you can choose the best one afterwards.",
        "lengths": "Worked out backwards from how often pictures should be shown for what is taught.\n"
        "Balanced is a good first try; look at the samples and take an earlier checkpoint if it is too much.",
        "steps-epochs": "How often the whole set is shown. A character is usually learnt when each picture\n"
        "was seen 50 to 100 times. To set a number of steps instead, use Review.",
        "steps-batch-size": "Pictures looked at in one step. 1 or 2 learn finer and fit small GPUs;\n"
        "more is faster where memory allows. Twice the batch means half the steps.",
        "samples-prompt-1": "Pictures drawn from these words with each checkpoint show how far it has come.\n"
        "Write what you want to draw later. Leave both empty to draw none.",
        "output-save-every-epochs": "A checkpoint after so many epochs; 0 saves only at the end.",
        "samples-every-epochs": "Sample pictures after so many epochs; 0 draws none.",
    }

    _waved = 0
    """The count a person goes on with all the same."""

    def compose(self) -> ComposeResult:
        prompts = self.state.recipe.samples.prompts
        yield self.question()
        yield RowList(self._rows(), self._chosen(), id="lengths")
        for key, label in (("steps.epochs", "Epochs"), ("steps.batch_size", "Batch size")):
            yield Field(key, label, self.state.text(key), kind="whole")
        yield Line(id="count", classes="facts")
        for index, key in enumerate(_PROMPTS):
            text = prompts[index] if index < len(prompts) else ""
            yield Field(key, f"Sample prompt {index + 1}", text, placeholder="none")
        yield Field(
            "samples.every_epochs", "Sample every", self.state.text("samples.every_epochs"), kind="whole"
        )
        key = "output.save_every_epochs"
        yield Field(key, "Save every", self.state.text(key), kind="whole")

    def _rows(self) -> list[Row]:
        rows: list[Row] = []
        seen = outlook(self.state)
        each = seen.pace.seconds_per_step if seen.pace else None
        price = self.state.machine.price if self.state.machine else None
        before = None
        for effort in EFFORTS:
            planned = planned_length(self.state, effort)
            told, words = "", _WORDS[effort]
            if planned is not None and planned.total_steps == before:
                words = "the same here"
            before = planned.total_steps if planned is not None else None
            if planned is not None:
                length = number(planned.epochs, "epoch") if planned.epochs else ""
                told = f"{length:>12}  {number(planned.total_steps, 'step'):>13}"
                if each is not None:
                    seconds = each * planned.total_steps
                    told += f"  {duration(seconds):>10}"
                    told += f"  {seconds / 3600 * price:.2f}" if price is not None else ""
            rows.append(((f"{effort.capitalize():<10}", "strong"), (f"{told}   ", ""), (words, "dim")))
        target = self.state.recipe.steps.target
        words = f"{target:,} steps" if target is not None else "the number of epochs below"
        rows.append((("Custom    ", "strong"), (words, "dim")))
        return rows

    def _chosen(self) -> int:
        steps = self.state.recipe.steps
        efforts = (self.state.effort, *EFFORTS)
        for effort in efforts:
            planned = planned_length(self.state, effort)
            if planned and (planned.epochs, planned.target) == (steps.epochs, steps.target):
                return EFFORTS.index(effort)
        return len(EFFORTS)

    def show_facts(self) -> None:
        custom = self.query_one("#steps-epochs", Field).has_focus_within
        self.query_one(RowList).show_rows(self._rows(), len(EFFORTS) if custom else self._chosen())
        for field in self.fields():
            if not field.has_focus_within and field.key not in _PROMPTS:
                field.put(self.state.text(field.key))
        prompts = self.state.recipe.samples.prompts
        for index, key in enumerate(_PROMPTS):
            field = next(one for one in self.fields() if one.key == key)
            if not field.has_focus_within:
                field.put(prompts[index] if index < len(prompts) else "")
        self._show_units()
        self.query_one("#count", Line).show(self._count())

    def _show_units(self) -> None:
        seen, recipe = outlook(self.state), self.state.recipe
        every = next(field for field in self.fields() if field.key == "samples.every_epochs")
        by_steps = _by_steps(recipe.kohya.get("sample_every_n_steps"))
        every.show_unit(by_steps if recipe.samples.prompts else "epochs (no prompts: draws none)")
        saves = next(field for field in self.fields() if field.key == "output.save_every_epochs")
        words = _by_steps(recipe.kohya.get("save_every_n_steps"))
        if seen.disk_bytes is not None:
            words += f": {number(seen.checkpoints or 0, 'file')}, {size(seen.disk_bytes)} with states"
        saves.show_unit(words)

    def _count(self) -> str:
        count, steps = self.state.count, self.state.recipe.steps
        wrong = any(key.startswith("steps.") for key in self.state.typed)
        if count is None or not count.total_steps or wrong:
            return ""
        views = count.total_steps / max(1, count.steps_per_epoch)
        views *= count.train_images_repeated / max(1, count.train_images)
        sign = glyphs().unusual
        warning = ""
        if count.total_steps > MOST_STEPS:
            warning = f"   {sign} more than {MOST_STEPS:,} steps are seldom meant"
        elif views > MOST_TIMES_SEEN:
            warning = f"   {sign} more than {MOST_TIMES_SEEN} times: learnt by heart"
        per_epoch = f"{number(count.steps_per_epoch, 'step')} an epoch"
        epochs = (
            f"{glyphs().times} {count.epochs}" if steps.epochs else f"{glyphs().times} about {count.epochs}"
        )
        return (
            f"  {number(count.total_steps, 'step')} exactly: {per_epoch} {epochs}\n"
            f"  each picture is seen {number(round(views), 'time')}{warning}"
        )

    def doubt(self) -> str:
        count = self.state.count
        total = count.total_steps if count else 0
        if total <= _ABSURD or total == self._waved:
            return ""
        return f"{number(total, 'step')} take days on any GPU. Look at the epochs."

    def wave(self) -> bool:
        stood = bool(self.doubt())
        self._waved = self.state.count.total_steps if self.state.count else 0
        return stood

    def take(self, field: Field, text: str) -> None:
        if field.key in _PROMPTS:
            texts = [one.text for one in self.fields() if one.key in _PROMPTS]
            rest = self.state.recipe.samples.prompts[len(_PROMPTS) :]
            words = tuple(text.strip() for text in texts if text.strip())
            self.state.set("samples.prompts", (*words, *rest))
        else:
            super().take(field, text)

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        event.stop()
        if event.index < len(EFFORTS):
            self.state.choose_effort(EFFORTS[event.index])
        else:
            self.query_one("#steps-epochs", Field).enter()
        self.post_message(self.Changed())


def _by_steps(every: object) -> str:
    """The unit of a field of epochs, and what is done by steps besides."""
    return f"epochs, and every {every} steps" if every else "epochs"
