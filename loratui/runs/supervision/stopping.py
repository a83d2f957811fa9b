"""How a supervisor hears of a stop, and how a stop hardens."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time


class Stop:
    """A stop as it hardens: asked for, then insisted on."""

    def __init__(self, grace: float) -> None:
        self.asked = False
        self.ran_out = False
        self._grace = grace
        self._deadline = float("inf")

    def ask(self, at_once: bool = False) -> bool:
        """Note a request. A second one, or a kill, ends the patience. Returns whether it is the first."""
        first = not self.asked
        self._deadline = time.monotonic() + (self._grace if first and not at_once else 0.0)
        self.asked = True
        return first

    def is_due(self) -> bool:
        """Whether patience has run out."""
        return time.monotonic() >= self._deadline


class Signals:
    """Signals turned into something to wait for. SIGTERM is a stop; a closed terminal is none."""

    def __init__(self) -> None:
        self._terms = 0
        self._waiting, self._wake = os.pipe()
        os.set_blocking(self._waiting, False)
        os.set_blocking(self._wake, False)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._on_term)

    def _on_term(self, *_: object) -> None:
        self._terms += 1

    def take_terms(self) -> int:
        """How often SIGTERM came since the last call."""
        count, self._terms = self._terms, 0
        return count

    def wait(self, seconds: float) -> None:
        """Sleep, until a signal at the latest."""
        select.select([self._waiting], [], [], seconds)
        with contextlib.suppress(BlockingIOError):
            os.read(self._waiting, 4096)
