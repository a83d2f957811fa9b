"""What a supervisor looks at besides the log, now and then: disk, silence, memory, the GPU."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from loratui.events import Hint
from loratui.runs.hardware import gpu
from loratui.runs.hardware.cgroup import out_of_memory_kills
from loratui.runs.hints import rules as hint_rules
from loratui.runs.supervision.pulse import Pulse

LOOK_EVERY = 10.0
"""Seconds between two looks."""
_LOOKS_THROTTLED = 3
"""A GPU that is slowed down in so many looks running is so for good; a peak of power is not."""


class Watch:
    """Rules on numbers over one attempt. Cheap: a statvfs, a small file, one reading of the GPU."""

    def __init__(
        self,
        folder: Path,
        *,
        patience: float = hint_rules.SHORTEST_SILENCE,
        clock: Callable[[], float] = time.monotonic,
        kills: Callable[[], int] = out_of_memory_kills,
        read: Callable[[], gpu.GpuReading] = gpu.sample,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """Call it before the trainer is started: memory of the GPU in use now is other programs'."""
        self._folder = folder
        self._patience = patience
        self._clock = clock
        self._kills = kills
        self._read = read
        self._environment = environment
        self._kills_before = kills()
        self._looked_at: float | None = None
        self._throttled = 0
        self._reading = read()
        self._before = gpu.first_visible(self._reading, environment)

    @property
    def killed_for_memory(self) -> Hint | None:
        """A hint when the kernel has killed a process of this container since the start."""
        return hint_rules.oom_kill(self._kills_before, self._kills())

    def look(self, pulse: Pulse) -> Iterator[Hint]:
        """The hints of this moment; the same one may come again. Looks every ``LOOK_EVERY`` seconds, however
        often it is called."""
        now = self._clock()
        if self._looked_at is None and self._before is not None:
            shared = hint_rules.gpu_shared(self._before.used_bytes, self._before.total_bytes)
            if shared is not None:
                yield shared
        if self._looked_at is not None and now - self._looked_at < min(LOOK_EVERY, self._patience):
            return
        self._looked_at = now
        yield from self._disk(pulse)
        yield from self._silence(pulse)
        yield from self._gpu()

    def _disk(self, pulse: Pulse) -> Iterator[Hint]:
        folders = {self._folder, pulse.checkpoint_folder or self._folder}
        for folder in folders:
            try:
                space = os.statvfs(folder)
            except OSError:
                continue
            hint = hint_rules.disk_low(space.f_bavail * space.f_frsize, pulse.largest_checkpoint)
            if hint is not None:
                yield hint

    def _silence(self, pulse: Pulse) -> Iterator[Hint]:
        hint = hint_rules.no_progress(pulse.silent_for, pulse.step_seconds, pulse.phase, self._patience)
        if hint is None:
            return
        yield hint
        killed = self.killed_for_memory  # a worker process was killed, and the trainer waits for it
        if killed is not None:
            yield killed

    def _gpu(self) -> Iterator[Hint]:
        if self._before is None:
            return
        now = gpu.first_visible(self._read(), self._environment)
        hint = hint_rules.gpu_throttled(now.throttled_by) if now is not None else None
        self._throttled = self._throttled + 1 if hint is not None else 0
        if hint is not None and self._throttled >= _LOOKS_THROTTLED:
            yield hint
