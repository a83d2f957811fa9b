"""The shapes that lr_scheduler names: the learning rate's factor at each step. No torch.

The formulas are those of transformers/optimization.py, and for piecewise_constant of
diffusers/optimization.py, which sd-scripts calls (library/train_util.py:5265-5390); the tests compare them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

ARGUMENTS: Mapping[str, frozenset[str]] = {
    "constant": frozenset(),
    "constant_with_warmup": frozenset(),
    "linear": frozenset(),
    "cosine": frozenset({"num_cycles"}),
    "cosine_with_restarts": frozenset(),
    "polynomial": frozenset({"lr_end"}),
    "inverse_sqrt": frozenset(),
    "cosine_with_min_lr": frozenset({"min_lr"}),
    "warmup_stable_decay": frozenset({"warmup_type", "decay_type"}),
    "piecewise_constant": frozenset({"step_rules"}),
}
"""Names, and what lr_scheduler_args may say of each."""

_POLYNOMIAL_END = 1e-7
_LONG = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RateShape:
    """A learning rate schedule over a known number of optimizer steps."""

    name: str
    total_steps: int
    warmup: int = 0
    decay: int = 0
    """Steps at the end in which warmup_stable_decay falls."""
    cycles: int = 1
    """cosine_with_restarts: waves; cosine_with_min_lr and warmup_stable_decay: half waves."""
    power: float = 1.0
    timescale: int | None = None
    least: float | None = None
    """lr_scheduler_min_lr_ratio."""
    rate: float = 1.0
    """The learning rate that ends given as rates are set in relation to."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """lr_scheduler_args."""

    def factor(self, step: int) -> float:
        """The factor on the learning rate in the step after ``step`` done ones. Raises ``ValueError`` for an
        unknown name."""
        shape = _SHAPES.get(self.name)
        if shape is None:
            raise ValueError(f"{self.name!r} is no learning rate schedule")
        if self.name not in ("constant", "piecewise_constant", "warmup_stable_decay") and step < self.warmup:
            return step / max(1, self.warmup)
        return shape(self, step)

    def progress(self, step: int) -> float:
        """The share of the steps after the warmup that is done."""
        return (step - self.warmup) / max(1, self.total_steps - self.warmup)


def steps_of(given: float, total_steps: int) -> int:
    """lr_warmup_steps and lr_decay_steps: a fraction of all steps when written as one
    (library/train_util.py:5273), else steps. A number like 100.0, of which sd-scripts would make a hundred
    times all steps, means 100."""
    return int(given * total_steps) if isinstance(given, float) and given <= 1 else int(given)


def _linear(shape: RateShape, step: int) -> float:
    return max(0.0, 1.0 - shape.progress(step))


def _cosine(shape: RateShape, step: int) -> float:
    waves = float(shape.arguments.get("num_cycles", 0.5))
    return max(0.0, _wave(waves, shape.progress(step)))


def _restarts(shape: RateShape, step: int) -> float:
    progress = shape.progress(step)
    return 0.0 if progress >= 1 else max(0.0, _wave(0.5, shape.cycles * progress % 1.0))


def _polynomial(shape: RateShape, step: int) -> float:
    end = float(shape.arguments.get("lr_end", _POLYNOMIAL_END))
    end = min(1.0, end / shape.rate) if shape.rate else 0.0
    progress = shape.progress(step)
    return end if progress >= 1 else (1.0 - end) * (1.0 - progress) ** shape.power + end


def _inverse_root(shape: RateShape, step: int) -> float:
    timescale = shape.timescale or shape.warmup or _LONG
    return 1.0 / math.sqrt((step + timescale - shape.warmup) / timescale)


def _cosine_with_least(shape: RateShape, step: int) -> float:
    least = shape.least or 0.0
    if "min_lr" in shape.arguments:
        least = float(shape.arguments["min_lr"]) / shape.rate
    return max(0.0, _above(least, _wave(shape.cycles / 2, shape.progress(step))))


def _stable_then_down(shape: RateShape, step: int) -> float:
    least = shape.least or 0.0
    if step < shape.warmup:
        progress = step / max(1, shape.warmup)
        way = {"linear": progress, "cosine": _wave(0.5, 1 - progress), "1-sqrt": 1 - math.sqrt(1 - progress)}
        return max(0.0, _above(least, way[shape.arguments.get("warmup_type", "linear")]))
    # Without a decay phase that fits, the stable one ends with the training.
    stable_until = max(shape.warmup, shape.total_steps - shape.decay)
    if step < stable_until:
        return 1.0
    if step >= stable_until + shape.decay:
        return least
    progress = (step - stable_until) / max(1, shape.decay)
    way = {
        "linear": 1 - progress,
        "cosine": _wave(shape.cycles / 2, progress),
        "1-sqrt": 1 - math.sqrt(progress),
    }
    return max(0.0, _above(least, way[shape.arguments.get("decay_type", "cosine")]))


def _pieces(shape: RateShape, step: int) -> float:
    """``1:10,0.1:20,0.01``: 1 before step 10, 0.1 before step 20, then 0.01."""
    *rules, last = str(shape.arguments["step_rules"]).split(",")
    pairs = (rule.split(":") for rule in rules)
    for until, value in sorted((int(until), float(value)) for value, until in pairs):
        if step < until:
            return value
    return float(last)


def _wave(waves: float, progress: float) -> float:
    return 0.5 * (1.0 + math.cos(math.pi * waves * 2.0 * progress))


def _above(least: float, factor: float) -> float:
    return factor * (1.0 - least) + least


_SHAPES: Mapping[str, Callable[[RateShape, int], float]] = {
    "constant": lambda shape, step: 1.0,
    "constant_with_warmup": lambda shape, step: 1.0,
    "linear": _linear,
    "cosine": _cosine,
    "cosine_with_restarts": _restarts,
    "polynomial": _polynomial,
    "inverse_sqrt": _inverse_root,
    "cosine_with_min_lr": _cosine_with_least,
    "warmup_stable_decay": _stable_then_down,
    "piecewise_constant": _pieces,
}
