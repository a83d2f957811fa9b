"""The peak of a GPU's memory while a trainer runs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from loratui.runs.hardware import gpu

FEWEST_STEPS = 20
"""Below it a training says nothing of the next."""
_LOOK_EVERY = 2.0


class Meter:
    """Follows one GPU's used memory while a trainer runs. A machine without one measures speed alone."""

    def __init__(
        self,
        read: Callable[[], gpu.GpuReading] = gpu.sample,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Reads the GPU: what is in use now is not the trainer's."""
        self._read, self._clock = read, clock
        before = _chosen(read())
        self.gpu = before.name if before else ""
        self._before = before.used_bytes if before else 0
        self._most = self._before
        self._looked_at = clock()

    def look(self) -> None:
        """To be called again and again; reads the GPU every two seconds at most. A caching allocator keeps
        what it has taken, so the peak is not missed."""
        if not self.gpu or self._clock() - self._looked_at < _LOOK_EVERY:
            return
        self._looked_at = self._clock()
        now = _chosen(self._read())
        self._most = max(self._most, now.used_bytes if now else 0)

    @property
    def peak_gib(self) -> float | None:
        """The most that was in use beyond what was before; None where nothing was seen."""
        return (self._most - self._before) / 2**30 if self._most > self._before else None


def _chosen(reading: gpu.GpuReading) -> gpu.Gpu | None:
    """The GPU a training takes: the first that CUDA_VISIBLE_DEVICES leaves."""
    return gpu.first_visible(reading, os.environ)
