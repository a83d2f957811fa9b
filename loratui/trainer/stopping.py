"""Ending on request: SIGTERM and SIGINT end at once while nothing is trained yet, and after the step
in hand once it is."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType


class StopRequest:
    """Whether somebody asked the trainer to end."""

    def __init__(self, at_once: Callable[[int], None] | None = None) -> None:
        self.requested = False
        self.by_signal = 0
        """The one that asked first; 0 for none."""
        self._at_once = at_once

    def listen(self) -> None:
        """Take the process's signals. Only the main thread may."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def defer(self) -> None:
        """From here on there is something to save: a request waits for the end of the step."""
        self._at_once = None

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.requested, self.by_signal = True, self.by_signal or number
        if self._at_once is not None:
            self._at_once(number)
