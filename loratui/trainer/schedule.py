"""How many steps there are, and the learning rate's factor at each. No torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from loratui.builtin_support import SCHEDULES

T = TypeVar("T")
_POLYNOMIAL_END = 1e-7


@dataclass(frozen=True, slots=True)
class Plan:
    """The totals of a training (sd-scripts train_network.py:798-805)."""

    batches_per_epoch: int
    accumulation: int
    total_steps: int
    epochs: int

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps; what is accumulated is flushed at the end of an epoch."""
        return math.ceil(self.batches_per_epoch / self.accumulation)

    def chunks(self, batches: Sequence[T]) -> list[Sequence[T]]:
        """The batches of one epoch, by the optimizer step they are accumulated for."""
        return [
            batches[first : first + self.accumulation] for first in range(0, len(batches), self.accumulation)
        ]


def plan(batches_per_epoch: int, accumulation: int, max_steps: int, max_epochs: int | None) -> Plan:
    """Epochs win over steps, when both are given."""
    per_epoch = math.ceil(batches_per_epoch / accumulation)
    total = max_epochs * per_epoch if max_epochs else max_steps
    return Plan(batches_per_epoch, accumulation, total, math.ceil(total / per_epoch))


def warmup_steps(given: int | float, total_steps: int) -> int:
    """lr_warmup_steps below 1 is a fraction of all steps (sd-scripts library/train_util.py:5265)."""
    return int(given * total_steps) if 0 < given < 1 else int(given)


def rate_factor(
    schedule: str,
    step: int,
    total_steps: int,
    warmup: int,
    *,
    cycles: int = 1,
    power: float = 1.0,
    rate: float = 1.0,
) -> float:
    """The factor on the learning rate in the step after ``step`` done ones.

    The formulas of transformers/optimization.py: cosine is half a wave; with restarts, ``cycles`` of
    them; polynomial falls with ``power`` to a rate of 1e-7. Raises ``ValueError`` for another name.
    """
    if schedule == "constant":
        return 1.0
    if schedule not in SCHEDULES:
        raise ValueError(f"{schedule!r} is no learning rate schedule")
    if step < warmup:
        return step / max(1, warmup)
    if schedule == "constant_with_warmup":
        return 1.0
    progress = (step - warmup) / max(1, total_steps - warmup)
    if schedule == "linear":
        return max(0.0, 1.0 - progress)
    if schedule == "cosine":
        return max(0.0, 0.5 * (1.0 + math.cos(math.pi * progress)))
    if schedule == "cosine_with_restarts":
        return 0.0 if progress >= 1 else 0.5 * (1.0 + math.cos(math.pi * (cycles * progress % 1.0)))
    end = min(1.0, _POLYNOMIAL_END / rate) if rate else 0.0
    return end if progress >= 1 else (1.0 - end) * (1.0 - progress) ** power + end
