"""A curve, live: a braille chart that paints only the cells that changed."""

from __future__ import annotations

from collections.abc import Sequence

from loratui.runs.losses import EpochMean, LossHistory, steps_of
from loratui.tui.glyphs import glyphs
from loratui.tui.widgets import curve_grid
from loratui.tui.widgets.chart_scale import Look, Scale, scale
from loratui.tui.widgets.looking import Cell, LookedAt


class CurveChart(LookedAt):
    """Raw values as a cloud between the least and the greatest of each column, and a smoothed line."""

    COMPONENT_CLASSES = {"chart--raw", "chart--smooth", "chart--axis", "chart--epoch", "chart--cursor"}
    """
    | Class | What |
    | :- | :- |
    | `chart--raw` | The span of the raw values. |
    | `chart--smooth` | The smoothed line. |
    | `chart--axis` | Axes and labels. |
    | `chart--epoch` | The mean of each epoch. |
    | `chart--cursor` | The column of the cursor. |
    """

    DEFAULT_CSS = """
    CurveChart { height: 1fr; }
    CurveChart > .chart--smooth { text-style: bold; }
    """

    STYLES = {
        curve_grid.RAW: "chart--raw",
        curve_grid.SMOOTH: "chart--smooth",
        curve_grid.AXIS: "chart--axis",
        curve_grid.EPOCH: "chart--epoch",
        curve_grid.CURSOR: "chart--cursor",
    }

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._losses = LossHistory()
        self._total_steps: int | None = None
        self._epoch_means: Sequence[EpochMean] = ()
        self._nothing = "no loss yet"

    def show(
        self,
        losses: LossHistory,
        total_steps: int | None,
        epoch_means: Sequence[EpochMean] = (),
        nothing: str = "no loss yet",
    ) -> None:
        """Draw a history as it is now."""
        self._losses, self._total_steps = losses, total_steps
        self._epoch_means, self._nothing = epoch_means, nothing
        self.redraw()

    def extent(self) -> tuple[int, int] | None:
        return steps_of(self._losses)

    def scaled(self, look: Look) -> Scale:
        return scale(self._losses, self._total_steps, look)

    def drawn(self) -> list[list[Cell]]:
        return curve_grid.draw(
            self._losses,
            self._total_steps,
            self.size.width,
            self.size.height,
            braille=glyphs().unicode,
            look=self.look,
            epoch_means=self._epoch_means,
            nothing=self._nothing,
        )
