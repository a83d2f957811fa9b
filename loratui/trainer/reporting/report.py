"""What the trainer says: one prefixed JSON line for each event."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Literal

from loratui.events import PREFIX, Event, Message, Phase, PhaseName, Step, encode

_BETWEEN_PROGRESS = 0.5
"""Seconds; a progress line for every one of thousands of pictures would help nobody."""


class Reporter:
    """Passes events on, one whole line at a time."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self._emit = emit
        self.step = 0
        """The last step told."""
        self._last_progress = float("-inf")

    def emit(self, event: Event) -> None:
        """Pass one event on."""
        if isinstance(event, Step):
            self.step = event.step
        self._emit(event)

    def phase(self, name: PhaseName, detail: str = "") -> None:
        """Say what begins now."""
        self.emit(Phase(name, detail))

    def progress(self, name: PhaseName, done: int, total: int, detail: str = "") -> None:
        """Say how far a long part is; the first and the last are never left out."""
        now = time.monotonic()
        if done in (0, total) or now - self._last_progress >= _BETWEEN_PROGRESS:
            self._last_progress = now
            self.emit(Phase(name, detail, done, total))

    def message(self, level: Literal["info", "warning", "error"], text: str, key: str = "") -> None:
        """A sentence for the person."""
        self.emit(Message(level, text, key))


def line_writer(descriptor: int) -> Callable[[Event], None]:
    """Writes events to a file descriptor, unbuffered, so that each line is there at once."""
    prefix = PREFIX.encode()

    def emit(event: Event) -> None:
        rest = prefix + encode(event) + b"\n"
        while rest:
            rest = rest[os.write(descriptor, rest) :]

    return emit


def to_stderr(event: Event) -> None:
    """What a process that does not speak for all still has to say: why it broke off."""
    if isinstance(event, Message) and event.level == "error":
        print(event.text, file=sys.stderr, flush=True)
