"""Review's watch over a base model that is still on its way to this disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from loratui.tui.text import plain

if TYPE_CHECKING:
    from textual.screen import Screen
    from textual.timer import Timer

    from loratui.models.fetching import Progress
    from loratui.tui.wizard.answers.state import WizardState

_POLL = 1.0
"""Seconds between two looks at a download."""


class Arrival:
    """Looks once a second while a model is missing, and not otherwise. ``arrived`` is called when it is here,
    ``say`` with how far it is, each time there is something new to say and ``is_shown``."""

    def __init__(
        self,
        screen: Screen[Any],
        state: WizardState,
        say: Callable[[str, bool], None],
        is_shown: Callable[[], bool],
        arrived: Callable[[], None],
    ) -> None:
        self._screen = screen
        self._state = state
        self._say = say
        self._is_shown = is_shown
        self._arrived = arrived
        self._timer: Timer | None = None
        self._told: Progress | None = None

    @property
    def is_awaited(self) -> bool:
        """Whether something of the model is not on this disk."""
        from loratui.tui.wizard.panes import unfetched

        return unfetched.entry_to_fetch(self._state) is not None

    def fetch(self) -> bool:
        """Begin to fetch it, or go on. False when there is nothing to fetch."""
        from loratui.tui.wizard.panes import unfetched

        if not unfetched.begin(self._state):
            return False
        self.watch()
        return True

    def watch(self) -> None:
        """Look at it from now on, where there is something to wait for."""
        if self._timer is None and self.is_awaited:
            self._timer = self._screen.set_interval(_POLL, self._look)

    def close(self) -> None:
        """Nobody waits for it any more."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    def _look(self) -> None:
        from loratui.tui.wizard.panes import unfetched

        found = unfetched.progress(self._state)
        if not self.is_awaited:
            self.close()
            if unfetched.arrived(self._state):
                self._arrived()
        elif found is not None and found != self._told and self._is_shown():
            self._told = found  # said once: other words may stand here meanwhile
            self._say(f"Base model: {plain(found.sentence())}", found.state == "failed")
