"""How many steps there are. No torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


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
