"""A run's signs of life, as its supervisor hears them: what it is busy with, how long steps take, when it was
last heard of."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from loratui.events import Checkpoint, Event, Phase, Sample, StateSaved, Step

_STEPS_KEPT = 50


class Pulse:
    """A fold over events with a clock of its own (monotonic seconds)."""

    def __init__(self, folder: Path, clock: Callable[[], float] = monotonic) -> None:
        """Paths in events count from ``folder``."""
        self._folder = folder
        self._clock = clock
        self._heard_at = clock()
        self._stepped_at: float | None = None
        self.phase = "starting"
        self.step_seconds: deque[float] = deque(maxlen=_STEPS_KEPT)
        self.largest_checkpoint = 0
        """Bytes."""
        self.checkpoint_folder: Path | None = None

    @property
    def silent_for(self) -> float:
        """Seconds since anything was heard."""
        return self._clock() - self._heard_at

    def note(self, event: Event) -> None:
        """Take in one event of the trainer's."""
        now = self._clock()
        match event:
            case Step():
                self._note_step(event, now)
            case Phase():
                self.phase, self._stepped_at = event.name, None
            case Checkpoint():
                self._stepped_at = None
                self._note_file(self._folder / event.path)
            case StateSaved() | Sample():
                self._stepped_at = None
            case _:
                return
        self._heard_at = now

    def _note_step(self, event: Step, now: float) -> None:
        if event.elapsed is not None:
            self.step_seconds.append(event.elapsed)
        elif self._stepped_at is not None:
            self.step_seconds.append(now - self._stepped_at)
        self.phase, self._stepped_at = "training", now

    def _note_file(self, path: Path) -> None:
        try:
            self.largest_checkpoint = max(self.largest_checkpoint, path.stat().st_size)
        except OSError:
            return
        self.checkpoint_folder = path.parent
