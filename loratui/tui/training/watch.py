"""What the panel knows of its run and of the machine, and when it looks again. Draws nothing."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from loratui.events import ENDED
from loratui.runs.follow import LogTail, RunFollower
from loratui.runs.store import Run, read_status
from loratui.runs.view import RunView
from loratui.tui.training import words

if TYPE_CHECKING:
    from loratui.runs.hardware.gpu import Gpu, GpuReading
    from loratui.runs.hardware.host import Host

POLL = 0.5
"""Seconds between looks while the terminal has the focus."""
POLL_SLOW = 5.0
"""The same on a slow link, and without the focus anywhere."""
MACHINE_POLL = 2.0
HOST_POLL = 10.0
"""Memory and disk change slowly, and every change costs bytes."""


class RunWatch:
    """One run, by its files."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.view = RunView()
        """As of the last look."""
        self.resumable = False
        """Whether it has ended before its end and saved a state to go on from."""
        self.saw_it_run = False
        self.just_ended = False
        """Whether it ended between the last two looks, and ran before our eyes."""
        self._follower = RunFollower(run)
        self._tail = LogTail(run.output)
        self._looked = self._turn_read = 0.0
        self._turn = ""

    @property
    def has_ended(self) -> bool:
        """Whether it is over, as of the last look."""
        return self.view.state in ENDED

    def is_due(self, focused: bool) -> bool:
        """Whether to look again at this tick. A run that has ended is looked at now and then: it may be
        resumed from elsewhere."""
        since = time.monotonic() - self._looked
        return (focused and not self.has_ended) or since >= POLL_SLOW - POLL / 2

    def look(self) -> list[str]:
        """Read what is new. Returns lines for the log."""
        self._looked = time.monotonic()
        before, self.view = self.view, self._follower.poll()
        self.just_ended = self.has_ended and self.saw_it_run and before.state not in ENDED
        if self.has_ended:
            self.resumable = self.view.state != "finished" and self._has_state()
        else:
            self.saw_it_run = True
        return [*self._tail.poll(), *words.news(before, self.view)]

    def turn(self) -> str:
        """Of a run that waits: where in the queue, and behind whom. Read again every few seconds."""
        now = time.monotonic()
        if not self._turn or now - self._turn_read >= POLL_SLOW:
            from loratui.tui.runs.waiting import words as waiting

            self._turn, self._turn_read = waiting(self.run.id), now
        return f"{self._turn} esc: the list of runs, where its place is changed (K J H)."

    def _has_state(self) -> bool:
        from loratui.runs.launch import newest_state

        return newest_state(self.run) is not None


class MachineWatch:
    """The GPUs a run may use, and the memory and disk beside them."""

    def __init__(self, run: Run) -> None:
        self.gpus: GpuReading | None = None
        self.host: Host | None = None
        self.peaks: dict[str, int] = {}
        """The most bytes seen in use on each GPU, by label."""
        self._run = run
        self._looked = self._host_looked = 0.0

    def is_due(self) -> bool:
        """Whether to read again; asked once for each reading."""
        now = time.monotonic()
        if now - self._looked < MACHINE_POLL:
            return False
        self._looked = now
        return True

    def read(self) -> tuple[GpuReading, Host]:
        """The machine now, for ``take``. Slow where NVML is: for a thread."""
        from loratui.runs.hardware import gpu, host

        reading = gpu.sample()
        if reading.gpus:
            ours = self._ours(reading)
            none = reading.sentence or "No GPU is visible to this run."
            reading = gpu.GpuReading(ours, reading.sentence if ours else none)
        seen, now = self.host, time.monotonic()
        if seen is None or now - self._host_looked >= HOST_POLL:
            seen, self._host_looked = host.sample(self._run.folder), now
        return reading, seen

    def _ours(self, reading: GpuReading) -> tuple[Gpu, ...]:
        """The GPUs its supervisor gave it; before there is one, those that we see."""
        from loratui.runs.hardware import gpu

        status = read_status(self._run)
        if status is None or status.gpus is None:
            return gpu.visible(reading, os.environ)
        return tuple(one for one in reading.gpus if one.index in status.gpus)

    def take(self, gpus: GpuReading, host: Host) -> None:
        """Keep what was read."""
        self.gpus, self.host = gpus, host
        for gpu in gpus.gpus:
            self.peaks[gpu.label] = max(gpu.used_bytes, self.peaks.get(gpu.label, 0))
