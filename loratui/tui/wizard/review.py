"""Step 7: everything decided, once more, and what would still stop it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.content import Content

from loratui.families import FAMILIES
from loratui.problems import Problem
from loratui.recipe import EngineName
from loratui.tui.glyphs import glyphs
from loratui.tui.text import clip, clip_path, home_path, number, plain, sentence
from loratui.tui.widgets.field import Field
from loratui.tui.widgets.line import Line
from loratui.tui.widgets.rows import Row, RowList
from loratui.tui.wizard import draft
from loratui.tui.wizard.facts import DatasetFacts
from loratui.tui.wizard.pane import StepPane
from loratui.tui.wizard.state import REVIEW

if TYPE_CHECKING:
    from loratui.recipe import Recipe

ENGINES: tuple[EngineName, ...] = ("builtin", "kohya")
_ENGINE_WORDS = {
    "builtin": "loratui's own trainer: SD 1.x and SDXL, nothing to set up",
    "kohya": "kohya-ss/sd-scripts, where you have a checkout: every family",
}
_MOST_PROBLEMS = 4


class ReviewPane(StepPane):
    """The name, the decisions, the engine's checks, and the command that does the same."""

    NUMBER = 7
    QUESTION = "Ready? This is what will be trained."
    HELP_TEXTS = {
        "": "Enter starts the run. It goes on when you close this window or lose the connection.\n"
        "c shows the config.toml the trainer gets; 1 to 6 go back to a step; nothing is lost on the way.",
        "output-name": "The name of the LoRA file. A run never overwrites another: each has its own folder.",
        "engines": "Both engines read the same config.toml. The builtin one comes with loratui and trains\n"
        "Stable Diffusion 1.x and SDXL; kohya needs a checkout of sd-scripts and trains every family.",
    }

    def compose(self) -> ComposeResult:
        yield self.question()
        yield Field("output.name", "Name", self.state.text("output.name"))
        yield Line(id="decisions", classes="facts")
        yield Line("  Engine", classes="heading")
        rows: list[Row] = [((f"{name:<9}", "strong"), (_ENGINE_WORDS[name], "dim")) for name in ENGINES]
        yield RowList(rows, ENGINES.index(self.state.recipe.launch.engine), id="engines")
        yield Line("  Checks", classes="heading")
        yield Line(id="checks", classes="facts")
        yield Line(f"  the same without screens:  loratui train {home_path(draft.path())}", classes="hint")
        yield Line("[ Enter: Start training ]", id="start")

    def show_facts(self) -> None:
        if not self.query_one(Field).has_focus_within:
            self.query_one(Field).put(self.state.text("output.name"))
        self.query_one(RowList).choose(ENGINES.index(self.state.recipe.launch.engine))
        self.query_one("#decisions", Line).show(decisions(self.state.recipe, self._pictures(), self._steps()))
        self.query_one("#checks", Line).show(self._checks())

    def _pictures(self) -> str:
        dataset = self.state.dataset
        if not isinstance(dataset, DatasetFacts):
            return ""
        return number(len(dataset.scan.train_pictures), "picture")

    def _steps(self) -> str:
        count = self.state.count
        return f"{number(count.total_steps, 'step')}" if count and count.total_steps else ""

    def _checks(self) -> Content:
        signs = glyphs()
        if self.state.wanted_checks is not None:
            return Content(f"  checking{signs.more}")
        problems = [problem for step in range(1, REVIEW + 1) for problem in self.state.problems(step)]
        if not problems:
            engine = self.state.recipe.launch.engine
            return Content.assemble(
                (f"  {signs.fine} model, pictures and settings fit; {engine} is ready", "$success")
            )
        lines = [
            (f"  {signs.wrong} {sentence(problem)}\n", "$error") for problem in problems[:_MOST_PROBLEMS]
        ]
        lines[-1] = (lines[-1][0].rstrip("\n"), lines[-1][1])
        return Content.assemble(*lines)

    def show_problem(self, problem: Problem) -> bool:
        return super().show_problem(problem) or problem.key.startswith(("launch.", "base.", "dataset."))

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        event.stop()
        self.state.set("launch.engine", ENGINES[event.index])
        self.post_message(self.Changed())


def decisions(recipe: Recipe, pictures: str, steps: str) -> str:
    """The recipe in four lines, by the steps it was decided in."""
    family = FAMILIES.get(recipe.base.family or "")
    network, optimizer = recipe.network, recipe.optimizer
    length = (
        f"{recipe.steps.epochs} epochs" if recipe.steps.target is None else f"{recipe.steps.target:,} steps"
    )
    samples = len(recipe.samples.prompts) if recipe.samples.every_epochs else 0
    rows = (
        ("1 Model", clip_path(recipe.base.model, 34), family.title if family else ""),
        (
            "2 Dataset",
            clip_path(recipe.dataset.folder, 34),
            _joined(pictures, clip(plain(recipe.dataset.trigger), 16)),
        ),
        (
            "5 Steps",
            steps or length,
            _joined(
                length if steps else "",
                f"batch {recipe.steps.batch_size}",
                f"{samples} samples" if samples else "no samples",
            ),
        ),
        ("6 Rank", f"{network.rank}, alpha {network.alpha:g}", f"{optimizer.name} {optimizer.unet_rate:g}"),
    )
    return "\n".join(f"  {name:<10} {value:<35} {more}".rstrip() for name, value, more in rows)


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)
