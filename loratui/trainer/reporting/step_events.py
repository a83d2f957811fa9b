"""Tells of steps as their numbers become known.

A GPU works behind the program that feeds it. To ask it for a number is to wait until it has caught up, and
then it has nothing to do. So there a step is told one step late; whatever else is told, kept or ended comes
after all steps before it (``settle``), so that nothing is kept of weights that have become no numbers.
"""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from loratui import events
from loratui.trainer.reporting.average_loss import AverageLoss
from loratui.trainer.reporting.report import Reporter
from loratui.trainer.reporting.speed import Speed
from loratui.trainer.stepping import NotFiniteError, Pending


@dataclass(slots=True)
class Begun:
    """A step whose numbers may still be on their way."""

    step: int
    """Counted from 1."""
    epoch: int
    """Counted from 0, as the next."""
    position: int
    """Of its first batch in the epoch."""
    images: int
    """Shown by all processes together."""
    since: float
    """Seconds on the monotonic clock."""
    numbers: Pending
    elapsed: float | None = None


@dataclass(slots=True)
class Telling:
    """Everything that is told of steps."""

    report: Reporter
    groups: Sequence[str]
    """Names of the optimizer's parameter groups."""
    device: torch.device
    average: AverageLoss
    told: int
    """The last step told, and so known to be sound."""
    late: bool = False
    """Whether a step is told when the next one is under way."""
    speed: Speed = field(default_factory=Speed)
    _held: Begun | None = None

    def add(self, begun: Begun) -> None:
        """A step has begun. Raises ``NotFiniteError`` where it, or the one before it, is no number."""
        self.settle()
        self._held = begun
        if self.late:
            begun.elapsed = time.monotonic() - begun.since
        else:
            self.settle()

    def settle(self) -> None:
        """Wait for what is under way. Raises ``NotFiniteError`` where it is no number."""
        if self._held is not None:
            begun, self._held = self._held, None
            self._tell(begun)

    def no_number(self, step: int, epoch: int) -> None:
        """A step came to nothing."""
        self.report.emit(events.Step(step, None, epoch=epoch + 1, finite=False))

    def _tell(self, begun: Begun) -> None:
        try:
            done = begun.numbers.read()
        except NotFiniteError:
            self.no_number(begun.step, begun.epoch)
            raise
        elapsed = time.monotonic() - begun.since if begun.elapsed is None else begun.elapsed
        self.speed.add(elapsed, begun.images)
        for number, loss in enumerate(done.losses):
            self.average.add(begun.epoch, begun.position + number, loss)
        self.told = begun.step
        self.report.emit(
            events.Step(
                begun.step,
                sum(done.losses) / len(done.losses),
                self.average.mean,
                begun.epoch + 1,
                dict(zip(self.groups, done.rates_in_use, strict=True)),
                done.norm if math.isfinite(done.norm) else None,
                elapsed,
                self.speed.seconds_per_step,
                self.speed.images_per_second,
                peak_memory=_peak_memory(self.device),
            )
        )


def _peak_memory(device: torch.device) -> int:
    """Bytes."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
