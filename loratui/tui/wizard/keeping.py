"""Keeps the draft on the disk while a person works, a moment after the last change."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from loratui.tui.wizard import draft

if TYPE_CHECKING:
    from pathlib import Path

    from textual.screen import Screen
    from textual.timer import Timer

    from loratui.tui.wizard.state import WizardState

Now = Callable[[], tuple["WizardState", int, int, "Path | None"] | None]
"""The state, the step shown, the furthest reached, and the folder of the waiting run it changes; None while
there is nothing to be kept."""

_AFTER = 0.3
"""Seconds of quiet before the draft is written."""


class Keeper:
    """Writes a draft soon, or now."""

    def __init__(self, screen: Screen[Any], now: Now) -> None:
        self._screen = screen
        self._now = now
        self._timer: Timer | None = None

    def soon(self) -> None:
        """There was a change; more may follow."""
        self._stop()
        self._timer = self._screen.set_timer(_AFTER, self.now)

    def now(self) -> bool:
        """Write it. False when the disk does not let us."""
        self._stop()
        found = self._now()
        return found is None or draft.save(*found)

    def last(self) -> None:
        """The screen goes: write what has not been written yet."""
        if self._timer is not None:
            self.now()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
