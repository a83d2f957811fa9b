"""The losses of a run in bounded memory: minimum, maximum and mean over equal spans of steps."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

CAPACITY = 2048
"""Spans kept at most; twice the columns of any terminal's braille chart."""


@dataclass(slots=True)
class Span:
    """Neighbouring steps taken together."""

    first_step: int
    count: int
    low: float
    high: float
    total: float

    @property
    def mean(self) -> float:
        return self.total / self.count


@dataclass(frozen=True, slots=True)
class EpochMean:
    """The mean loss over the steps of one epoch."""

    epoch: int
    """Counted from 1."""
    first_step: int
    last_step: int
    count: int
    mean: float

    def with_step(self, step: int, loss: float) -> EpochMean:
        """With one more step; a step that was counted before (a resumed run) changes nothing."""
        if step <= self.last_step:
            return self
        mean = self.mean + (loss - self.mean) / (self.count + 1)
        return EpochMean(self.epoch, self.first_step, step, self.count + 1, mean)


class LossHistory:
    """Losses by step. Halves its resolution whenever it is full, so memory never grows with the run."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._width = 1
        self._spans: list[Span] = []

    def __len__(self) -> int:
        return len(self._spans)

    @property
    def spans(self) -> Sequence[Span]:
        """The spans in order of steps."""
        return self._spans

    def add(self, step: int, loss: float) -> None:
        """Append a loss; values that are not finite are left out. A step at or before the last
        one (a resumed run) replaces what came from there on."""
        if not math.isfinite(loss):
            return
        while self._spans and self._spans[-1].first_step >= step:
            self._spans.pop()
        last = self._spans[-1] if self._spans else None
        if last is not None and last.count < self._width:
            last.count += 1
            last.low = min(last.low, loss)
            last.high = max(last.high, loss)
            last.total += loss
            return
        if len(self._spans) >= self._capacity:
            self._halve()
        self._spans.append(Span(step, 1, loss, loss, loss))

    def _halve(self) -> None:
        merged = []
        for index in range(0, len(self._spans), 2):
            pair = self._spans[index : index + 2]
            merged.append(
                Span(
                    pair[0].first_step,
                    sum(span.count for span in pair),
                    min(span.low for span in pair),
                    max(span.high for span in pair),
                    sum(span.total for span in pair),
                )
            )
        self._spans = merged
        self._width *= 2

    def at(self, step: int) -> tuple[Span, float] | None:
        """The span that holds a step, or the last one before it, and the smoothed value there."""
        index = bisect_right(self._spans, step, key=lambda span: span.first_step) - 1
        return (self._spans[index], self.smoothed()[index]) if index >= 0 else None

    def smoothed(self, weight: float = 0.9) -> list[float]:
        """An exponential moving average by span, started at the first mean and corrected for the
        number of steps in each span."""
        average, result = math.nan, []
        for span in self._spans:
            keep = weight**span.count
            average = span.mean if math.isnan(average) else keep * average + (1 - keep) * span.mean
            result.append(average)
        return result

    def ends(self) -> tuple[float | None, float | None]:
        """The means of about the first and the last 25 losses; of a quarter each where there are fewer than
        100, none where there are fewer than two."""
        if len(self._spans) < 2:
            return None, None
        steps = _fewest(self._spans)
        return self.first_mean(steps), self.last_mean(steps)

    def first_mean(self, steps: int = 25) -> float | None:
        """The mean of about the first ``steps`` losses."""
        return _mean(self._spans, steps)

    def last_mean(self, steps: int = 25) -> float | None:
        """The mean of about the last ``steps`` losses."""
        return _mean(self._spans[::-1], steps)


def _fewest(spans: Sequence[Span]) -> int:
    return min(25, max(1, sum(span.count for span in spans) // 4))


def steps_of(history: LossHistory) -> tuple[int, int] | None:
    """The first and the last step there is a loss of; None where there is none."""
    if not history.spans:
        return None
    last = history.spans[-1]
    return history.spans[0].first_step, last.first_step + last.count - 1


def _mean(spans: Sequence[Span], steps: int) -> float | None:
    count, total = 0, 0.0
    for span in spans:
        count += span.count
        total += span.total
        if count >= steps:
            break
    return total / count if count else None
