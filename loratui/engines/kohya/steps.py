"""The steps in sd-scripts' bar ``steps``.

It draws a slow step twice: first with the postfix of the step before, then with its own; quick ones only
once, and with gradient accumulation each small step again under the same number (train_network.py:1488-1518).
Its loss is a mean: over the first epoch so far, then over a window of one epoch (``LossRecorder``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from loratui.engines.kohya.lines import Bar
from loratui.events import Step

_LOSS = re.compile(r"(?:^|, )avr_loss=([-+\w.]+)")


class StepBar:
    """A fold over the drawings of one bar."""

    def __init__(self) -> None:
        self.number = 0
        """The last number drawn."""
        self._given = 0
        self._waiting: float | None = None
        self._drawn_with_loss = 0
        self._postfix = ""
        """That of the last drawing."""
        self._stale = ""
        """That of the last drawing of the step before."""

    def draw(self, bar: Bar, base: int, epoch: int | None) -> Iterator[Step]:
        """The steps known to be done with their loss by now. ``base`` is added to their numbers."""
        if bar.done != self.number:
            yield from self.flush(base, epoch)
            self.number, self._drawn_with_loss, self._stale = bar.done, 0, self._postfix
        found = _LOSS.search(bar.postfix)
        if found is not None and bar.done > self._given:
            self._waiting = _number(found[1])
            self._drawn_with_loss += 1
            if bar.postfix != self._stale or self._drawn_with_loss > 1:
                yield from self.flush(base, epoch)
        self._postfix = bar.postfix

    def flush(self, base: int, epoch: int | None) -> Iterator[Step]:
        """The step that waits for a second drawing, when no better will come."""
        if self._waiting is None:
            return
        loss, self._waiting = self._waiting, None
        self._given = self.number
        finite = math.isfinite(loss)
        yield Step(base + self.number, average_loss=loss if finite else None, epoch=epoch, finite=finite)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
