"""How long to train, counted back from how often pictures should be shown.

Guides contradict each other mostly because they count steps at different batch sizes. What they agree on
is exposures: optimizer steps times effective batch. Civitai's trainer comes to about 2000 (FLUX 1000),
ai-toolkit's defaults to 2000-3000, fluxgym's to 3200; hollowstrawberry's to 1000 (SDXL) and 2000-12000
(SD 1.5). Each picture is then seen exposures / pictures times.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from loratui.recipe import Purpose

Effort = Literal["quick", "balanced", "thorough"]

EFFORTS: dict[Effort, float] = {"quick": 0.6, "balanced": 1.0, "thorough": 1.6}
"""Times the exposures of a balanced training."""

_EXPOSURES: dict[Purpose, int] = {
    "character": 2000,
    "style": 3000,
    "concept": 2500,
    "object": 2000,
    "trial": 500,
}
_TRANSFORMERS = frozenset({"sd3", "flux", "anima"})
_TRANSFORMER_SHARE = 0.75
"""They learn sooner: Civitai's FLUX default is half of its SDXL one, fluxgym's the same."""
_SEEN = (10, 100)
"""Times each picture is seen, for sets of up to a hundred."""
_SEEN_OF_MANY = 8
_MANY_PICTURES = 100

CHECKPOINTS = (8, 12)
"""Kept of a training: enough to choose the best by eye (Civitai and ai-toolkit keep 10)."""
_WANTED_CHECKPOINTS = 10
_FEWEST_EPOCHS = 8
"""Below it checkpoints are saved by steps, or there would be too few to choose from."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One length of training."""

    exposures: int
    """Pictures shown, repeats counted, before rounding to whole epochs."""
    epochs: int | None
    """None where less than two epochs are wanted; ``target`` says it then."""
    target: int | None
    """Optimizer steps."""
    total_steps: int
    times_seen: float
    """Each training picture, on average."""
    save_every_epochs: int
    """0 where it is saved by steps."""
    save_every_steps: int
    """0 where it is saved by epochs."""
    checkpoints: int
    """Files saved, the last one included."""
    capped: str = ""
    """Why it is not as long as purpose and effort alone would make it, or longer."""


def exposures(purpose: Purpose, family: str, images: int, effort: Effort = "balanced") -> int:
    """How many pictures to show in all."""
    return _bounded(purpose, family, images, effort)[0]


def repeats(images: int, reg_images: int) -> int:
    """What stands before a folder's name. Regularization pictures are filled up to the training count, so
    repeats are what makes use of more of them; without them epochs say the same thing better."""
    if not images or not reg_images:
        return 1
    return max(1, math.ceil(reg_images / images))


def plan(
    purpose: Purpose,
    family: str,
    effort: Effort,
    *,
    images: int,
    repeated: int,
    steps_per_epoch: int,
    batch: int,
) -> Plan:
    """A length for a set of ``images`` pictures, ``repeated`` with repeats, whose epoch has
    ``steps_per_epoch`` optimizer steps of ``batch`` pictures (accumulation and processes counted)."""
    wanted, capped = _bounded(purpose, family, images, effort)
    exact = wanted / max(1, repeated)
    if exact < 2:
        target = max(1, round(wanted / max(1, batch)))
        every = save_interval(target)
        seen = target * batch / max(1, images)
        return Plan(wanted, None, target, target, seen, 0, every, math.ceil(target / every), capped)
    epochs, interval = _epochs(round(exact))
    total = epochs * max(1, steps_per_epoch)
    seen = epochs * repeated / max(1, images)
    if epochs < _FEWEST_EPOCHS:
        every = save_interval(total)
        return Plan(wanted, epochs, None, total, seen, 0, every, math.ceil(total / every), capped)
    return Plan(wanted, epochs, None, total, seen, interval, 0, math.ceil(epochs / interval), capped)


def save_interval(epochs: int) -> int:
    """Epochs, or steps, between two checkpoints, so that about ten are saved."""
    fewest, most = CHECKPOINTS
    interval = max(1, round(epochs / _WANTED_CHECKPOINTS))
    nearby = range(max(1, interval - 1), interval + 2)
    good = [each for each in nearby if fewest <= math.ceil(epochs / each) <= most]
    return min(good, key=lambda each: abs(epochs / each - _WANTED_CHECKPOINTS), default=interval)


def _bounded(purpose: Purpose, family: str, images: int, effort: Effort) -> tuple[int, str]:
    wanted = _EXPOSURES[purpose] * EFFORTS[effort]
    if family in _TRANSFORMERS:
        wanted *= _TRANSFORMER_SHARE
    if images < 1 or purpose == "trial":
        return round(wanted), ""
    seen = wanted / images
    if images > _MANY_PICTURES:
        if seen < _SEEN_OF_MANY:
            return _SEEN_OF_MANY * images, f"each of many pictures must be seen {_SEEN_OF_MANY} times"
        return round(wanted), ""
    fewest, most = _SEEN
    if seen > most:
        return most * images, f"pictures seen more than {most} times are learnt by heart"
    if seen < fewest:
        return fewest * images, f"each picture must be seen {fewest} times"
    return round(wanted), ""


def _epochs(about: int) -> tuple[int, int]:
    """The number of epochs near ``about`` that makes a whole number of checkpoints, and the interval."""
    if about < _FEWEST_EPOCHS:
        return max(1, about), 0
    fewest, most = CHECKPOINTS
    pairs = [
        (count * interval, interval)
        for interval in (about // _WANTED_CHECKPOINTS, about // _WANTED_CHECKPOINTS + 1)
        if interval
        for count in range(fewest, most + 1)
    ]
    return min(pairs, key=lambda pair: (abs(pair[0] - about), abs(pair[0] / pair[1] - _WANTED_CHECKPOINTS)))
