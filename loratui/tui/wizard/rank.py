"""Step 6: how much the LoRA may learn, and how fast."""

from __future__ import annotations

from pathlib import Path

from textual.app import ComposeResult

from loratui.advice.network import Advice, effective_rate, file_size_bytes, network_advice
from loratui.tui.glyphs import glyphs
from loratui.tui.text import size
from loratui.tui.widgets.field import Field
from loratui.tui.widgets.line import Line
from loratui.tui.widgets.rows import Row, RowList
from loratui.tui.wizard.pane import StepPane

RANKS = (4, 8, 16, 32, 64, 128)


class RankPane(StepPane):
    """Ranks with what they cost, alpha, and the learning rate."""

    NUMBER = 6
    QUESTION = "How much may the LoRA learn?"
    HELP_TEXTS = {
        "": "Rank is how much the LoRA can hold: more learns more, and more of what you do not want.\n"
        "The file grows with it. Values outside the usual range are marked, not refused.",
        "ranks": "Rank is how much the LoRA can hold. A character fits into 8 to 32; a style takes more.\n"
        "The file grows with it, and so does the memory needed for training.",
        "network-alpha": "Everything the LoRA does is multiplied by alpha / rank. Half of rank is gentle,\n"
        "equal to rank counts the learning rate as it is. Above rank is refused: it multiplies the rate.",
        "optimizer-unet-rate": "How far each step goes. Too high: broken pictures, a loss of nan. Too low:\n"
        "the LoRA does not show. AdamW begins at 1e-4; Prodigy finds its own and wants 1.",
    }

    def compose(self) -> ComposeResult:
        yield self.question()
        yield Line(f"  {'RANK':>6}   {'FILE':>8}   GOOD FOR", classes="heading")
        yield RowList(self._rows(), self._ranks().index(self.state.recipe.network.rank), id="ranks")
        yield Field("network.alpha", "Alpha", self.state.text("network.alpha"), kind="number")
        yield Field(
            "optimizer.unet_rate", "Learning rate", self.state.text("optimizer.unet_rate"), kind="number"
        )
        yield Line(id="others", classes="facts")

    def _ranks(self) -> list[int]:
        return sorted({*RANKS, self.state.recipe.network.rank})

    def _advice(self) -> dict[str, Advice]:
        recipe = self.state.recipe
        given = network_advice(recipe.dataset.purpose, recipe.base.family or "sd15")
        return {advice.key: advice for advice in given}

    def _rows(self) -> list[Row]:
        recipe = self.state.recipe
        advice = self._advice()["network.rank"]
        rows: list[Row] = []
        is_demo = Path(recipe.base.model).parent.name == "demo"  # its tiny model makes tiny files
        family = "" if is_demo else recipe.base.family or ""
        for rank in self._ranks():
            encoders = recipe.optimizer.text_encoder_rate is not None
            cost = file_size_bytes(family, rank, recipe.output.precision, text_encoders=encoders)
            if rank == advice.value:
                words, style = f"where to begin for a {recipe.dataset.purpose}", "good"
            elif rank < advice.low:
                words, style = "less than usual", "dim"
            elif rank > advice.high:
                words, style = f"{glyphs().unusual} more than usual: learns by heart", "warn"
            else:
                words, style = "usual", ""
            rows.append(
                ((f"{rank:>6}   ", "strong"), (f"{size(cost) if cost else '':>8}   ", ""), (words, style))
            )
        return rows

    def show_facts(self) -> None:
        recipe = self.state.recipe
        network, optimizer = recipe.network, recipe.optimizer
        self.query_one(RowList).show_rows(self._rows(), self._ranks().index(network.rank))
        for field in self.fields():
            if not field.has_focus_within:
                field.put(self.state.text(field.key))
        self.query_one("#network-alpha", Field).show_unit(
            f"strength alpha / rank = {network.alpha / network.rank:.3g}"
        )
        effective = effective_rate(optimizer.unet_rate, network.rank, network.alpha)
        self.query_one("#optimizer-unet-rate", Field).show_unit(f"effective {effective:.2g}")
        encoders = (
            "the text encoder stays as it is"
            if optimizer.text_encoder_rate is None
            else f"text encoder {optimizer.text_encoder_rate:g}"
        )
        training = recipe.training
        reason = self._advice()["network.rank"].reason
        self.query_one("#others", Line).show(
            f"  {reason}\n\n"
            f"  {optimizer.name}, {optimizer.schedule}, {encoders}\n"
            f"  {training.resolution[0]}x{training.resolution[1]} px, precision {training.precision},"
            f" seed {training.seed}"
        )

    def note(self, field: Field) -> tuple[str, str]:
        advice = self._advice().get(field.key)
        if field.key != "optimizer.unet_rate" or advice is None:
            return "", ""
        optimizer = self.state.recipe.optimizer
        if not optimizer.name.lower().startswith("adamw"):
            return "", ""
        if advice.low <= optimizer.unet_rate <= advice.high:
            return "", ""
        return f"usual: {advice.low:g} to {advice.high:g}", "unusual"

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        event.stop()
        self.state.choose_rank(self._ranks()[event.index])
        self.post_message(self.Changed())
