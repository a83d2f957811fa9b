"""How fast steps are lately: their own time alone, without caching, sampling and saving between them."""

from __future__ import annotations

from collections import deque

WINDOW = 50
"""Steps."""


class Speed:
    """A mean over the last steps of this process. The first warms up, and counts only while it is alone."""

    def __init__(self) -> None:
        self._steps: deque[tuple[float, int]] = deque(maxlen=WINDOW)
        self._alone = True

    def add(self, seconds: float, images: int) -> None:
        """A step is done: how long it took, and the pictures that all processes together were shown."""
        if len(self._steps) == 1 and self._alone:
            self._steps.clear()
            self._alone = False
        self._steps.append((seconds, images))

    @property
    def seconds_per_step(self) -> float | None:
        """None before the first."""
        return self._seconds / len(self._steps) if self._steps else None

    @property
    def images_per_second(self) -> float | None:
        """None before the first, or where no time has passed."""
        return sum(images for _, images in self._steps) / self._seconds if self._seconds > 0 else None

    @property
    def _seconds(self) -> float:
        return sum(seconds for seconds, _ in self._steps)
