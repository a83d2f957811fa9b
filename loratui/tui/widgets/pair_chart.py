"""Two loss curves over each other, live."""

from __future__ import annotations

from loratui.runs.losses import LossHistory, steps_of
from loratui.tui.glyphs import glyphs
from loratui.tui.widgets import pair_grid
from loratui.tui.widgets.chart_scale import Look, Scale
from loratui.tui.widgets.looking import Cell, LookedAt

Pair = tuple[LossHistory, LossHistory]


class PairChart(LookedAt):
    """Draws the smoothed lines of two runs: A through, B dashed, both with their letters."""

    COMPONENT_CLASSES = {"pair--axis", "pair--first", "pair--second", "pair--cursor"}
    """
    | Class | What |
    | :- | :- |
    | `pair--axis` | Axes and labels. |
    | `pair--first` | The first run's line. |
    | `pair--second` | The second run's line. |
    | `pair--cursor` | The column of the cursor. |
    """

    DEFAULT_CSS = """
    PairChart { height: 1fr; }
    PairChart > .pair--first { text-style: bold; }
    """

    STYLES = {
        pair_grid.AXIS: "pair--axis",
        pair_grid.FIRST: "pair--first",
        pair_grid.SECOND: "pair--second",
        pair_grid.CURSOR: "pair--cursor",
    }

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.can_focus = True
        self._pair: Pair = (LossHistory(), LossHistory())
        self._total_steps: int | None = None

    def show(self, pair: Pair, total_steps: int | None) -> None:
        """Draw two histories as they are now. ``total_steps`` is where the longer one is to end while it goes
        on; None when both are over."""
        self._pair, self._total_steps = pair, total_steps
        self.redraw()

    def on_focus(self) -> None:
        """No cursor before a key asks for one: the lines are looked at first."""

    def extent(self) -> tuple[int, int] | None:
        found = [steps for steps in map(steps_of, self._pair) if steps is not None]
        return (min(first for first, _ in found), max(last for _, last in found)) if found else None

    def scaled(self, look: Look) -> Scale:
        return pair_grid.scaled(self._pair, self._total_steps, look)

    def drawn(self) -> list[list[Cell]]:
        return pair_grid.draw(
            *self._pair,
            self.size.width,
            self.size.height,
            braille=glyphs().unicode,
            look=self.look,
            total_steps=self._total_steps,
        )
