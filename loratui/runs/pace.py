"""How fast a run goes, and what is left of it."""

from __future__ import annotations

from collections import deque
from statistics import median

SOON = 2.0
"""Seconds of training before the clock between steps is a better measure than the last step's own."""
RECENT = 50
"""Steps that the speed of now is taken from."""


class Pace:
    """Two measures of one attempt: a step's own time, for the speed shown; and the time that passes from step
    to step with all the saving and sampling in between, for the time left."""

    def __init__(self) -> None:
        self._elapsed: deque[float] = deque(maxlen=RECENT)
        self._seen: deque[tuple[int, float]] = deque(maxlen=RECENT)
        self._first: tuple[int, float] | None = None

    def restart(self) -> None:
        """Another attempt begins: what lies between is no training."""
        self._seen.clear()
        self._first = None

    def add(self, step: int, clock: float, elapsed: float | None) -> None:
        """A step is done. ``clock`` in seconds, monotonic; ``elapsed`` the step's own, where it is told."""
        if elapsed is not None:
            self._elapsed.append(elapsed)
        if self._first is None:
            self._first = (step, clock)
        self._seen.append((step, clock))

    @property
    def seconds_per_step(self) -> float | None:
        """Of the steps alone, lately."""
        if self._elapsed:
            return median(self._elapsed)
        return _between(self._seen[0], self._seen[-1]) if self._seen else None

    @property
    def seconds_per_step_overall(self) -> float | None:
        """With saving and sampling, as measured in this attempt. Records are stamped in batches, so a few
        steps are timed by themselves."""
        if self._first is None:
            return None
        last = self._seen[-1]
        if last[1] - self._first[1] < SOON and self._elapsed:
            return self.seconds_per_step
        return _between(self._first, last) or self.seconds_per_step


def _between(first: tuple[int, float], last: tuple[int, float]) -> float | None:
    steps = last[0] - first[0]
    return (last[1] - first[1]) / steps if steps > 0 else None
