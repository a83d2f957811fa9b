"""Which of two losses is lower at equal steps, and whether that says anything."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from loratui.runs.hints.fixes import Change
from loratui.runs.losses import LossHistory, steps_of
from loratui.runs.view import RunView

_FEWEST = 8
"""Spans of steps on both sides, below which chance cannot be told."""
_CERTAIN = 2.0
"""How many standard errors a difference must be to be more than chance: about 95 %."""

_SAME_MEASURE = re.compile(
    r"network\.(?!arguments)\w+|optimizer\.\w+|steps\.\w+|samples\.\w+|output\.\w+|launch\.\w+"
    r"|training\.(?:seed|precision|cache_latents|gradient_checkpointing|base_4bit)"
    r"|kohya\.(?:fp8_base|fp8_base_unet|sdpa|xformers|mem_eff_attn|max_grad_norm|lowram|vae_batch_size"
    r"|cache_latents_to_disk|max_data_loader_n_workers|persistent_data_loader_workers|no_half_vae"
    r"|scale_weight_norms|sample_\w+|save_\w+|log\w*|full_fp16|full_bf16)"
)
"""Settings that change how well something is learned, not what its loss measures. Any other may: pictures,
resolution, base model, noise and the weight of a timestep all do."""

Sense = Literal["other measure", "no losses", "too few", "means only", "chance", "lower"]


@dataclass(frozen=True, slots=True)
class Standing:
    """Two runs at the last step that both have been at."""

    sense: Sense
    """``lower``: the difference is more than chance; ``means only``: how much of it is chance is unknown."""
    step: int | None = None
    means: tuple[float, float] | None = None
    """The mean loss of both over the ``steps`` steps up to it."""
    steps: int = 0
    chance: float | None = None
    """By how much the means may differ by chance alone: two standard errors of their difference."""
    differs: tuple[str, ...] = ()
    """The settings by which the losses measure something else."""

    @property
    def lower(self) -> Literal["A", "B"] | None:
        """The one with the lower mean."""
        if self.means is None or self.means[0] == self.means[1]:
            return None
        return "A" if self.means[0] < self.means[1] else "B"


def measured_otherwise(changes: Iterable[Change]) -> tuple[str, ...]:
    """The keys of a difference between two recipes by which their losses cannot be held against each
    other."""
    return tuple(key for key, _, _ in changes if not _SAME_MEASURE.fullmatch(key))


def standing(views: tuple[RunView, RunView], changes: Iterable[Change]) -> Standing:
    """How two runs stand where both have been. The window is the last quarter of the common steps, 200 at
    most: the learning before it would count as chance."""
    ends = [steps_of(view.losses) for view in views]
    if ends[0] is None or ends[1] is None:
        return Standing("no losses")
    step = min(ends[0][1], ends[1][1])
    differs = measured_otherwise(changes)
    steps = min(200, max(10, step // 4))
    one, other = (_window(view.losses, step - steps, step) for view in views)
    if one is None or other is None:
        return Standing("other measure" if differs else "too few", step, differs=differs)
    means = one.mean, other.mean
    chance = None
    if min(one.spans, other.spans) >= _FEWEST:
        chance = _CERTAIN * math.hypot(one.error, other.error)
    if differs:
        return Standing("other measure", step, means, steps, differs=differs)
    if not all(view.epoch_means for view in views):  # of a moving mean, neighbours say the same thing twice
        return Standing("means only", step, means, steps)
    if chance is None:
        return Standing("too few", step, means, steps)
    sense: Sense = "chance" if abs(means[0] - means[1]) <= chance else "lower"
    return Standing(sense, step, means, steps, chance)


@dataclass(frozen=True, slots=True)
class _Window:
    mean: float
    error: float
    """The standard error of the mean, the spans taken as independent."""
    spans: int


def _window(history: LossHistory, after: int, until: int) -> _Window | None:
    spans = [span for span in history.spans if span.first_step > after and span.first_step <= until]
    count = sum(span.count for span in spans)
    if not count:
        return None
    mean = sum(span.total for span in spans) / count
    spread = sum(span.count * (span.mean - mean) ** 2 for span in spans) / count
    return _Window(mean, math.sqrt(spread / max(1, len(spans) - 1)), len(spans))


def at_last_common_step(found: Standing) -> str:
    """The means and their difference: ``At step 90, where both have been: A 0.31, B 0.29 (6% lower)``."""
    if found.means is None or found.step is None:
        return "Their losses cannot be compared: one has none yet."
    one, other = found.means
    words = f"At step {found.step:,}, where both have been, mean of {found.steps}: A {one:.3g}, B {other:.3g}"
    if found.sense == "other measure" or found.lower is None:
        return words
    share = 1 - min(one, other) / max(one, other) if max(one, other) > 0 else 0.0
    return f"{words}, {found.lower} {share:.0%} lower" if share >= 0.005 else f"{words}, the same"


def what_it_means(found: Standing) -> str:
    """Which is better at equal steps, as far as a loss can say it honestly."""
    match found.sense:
        case "no losses":
            return ""
        case "other measure":
            more = f" and {len(found.differs) - 2} more" if len(found.differs) > 2 else ""
            keys = ", ".join(found.differs[:2])
            return f"Their losses measure different things ({keys}{more}): only the pictures can tell."
        case "too few":
            return "Too few steps yet to tell the difference from chance."
        case "means only":
            return (
                "No better one is named: without TensorBoard's file sd-scripts tells moving means, and how"
                " much of them is chance is not known. The pictures tell."
            )
        case "chance" if not found.chance:
            return "Both went the same way."
        case "chance":
            return f"No better, no worse: chance alone moves it by {_share(found)}."
        case "lower":
            return (
                f"{found.lower} has learned its pictures more closely (chance: {_share(found)})."
                " Which draws better, the pictures tell."
            )


def _share(found: Standing) -> str:
    assert found.means is not None and found.chance is not None
    return f"{found.chance / max(found.means):.1%}"
