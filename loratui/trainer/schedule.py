"""How many steps there are, and the learning rate's factor at each. No torch."""

from __future__ import annotations

import math
from dataclasses import dataclass


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


def plan(batches_per_epoch: int, accumulation: int, max_steps: int, max_epochs: int | None) -> Plan:
    """Epochs win over steps, when both are given."""
    per_epoch = math.ceil(batches_per_epoch / accumulation)
    total = max_epochs * per_epoch if max_epochs else max_steps
    return Plan(batches_per_epoch, accumulation, total, math.ceil(total / per_epoch))


def warmup_steps(given: int | float, total_steps: int) -> int:
    """lr_warmup_steps below 1 is a fraction of all steps (sd-scripts library/train_util.py:5265)."""
    return int(given * total_steps) if 0 < given < 1 else int(given)


def rate_factor(schedule: str, step: int, total_steps: int, warmup: int) -> float:
    """The factor on the learning rate in the step after ``step`` done ones.

    The formulas of ``get_constant_schedule``, ``get_constant_schedule_with_warmup`` and
    ``get_cosine_schedule_with_warmup`` (half a wave) in transformers/optimization.py. Raises
    ``ValueError`` for another name.
    """
    if schedule == "constant":
        return 1.0
    if schedule not in ("constant_with_warmup", "cosine"):
        raise ValueError(f"{schedule!r} is no learning rate schedule")
    if step < warmup:
        return step / max(1, warmup)
    if schedule == "constant_with_warmup":
        return 1.0
    progress = (step - warmup) / max(1, total_steps - warmup)
    return max(0.0, 0.5 * (1.0 + math.cos(math.pi * progress)))
