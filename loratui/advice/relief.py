"""What takes memory off the GPU, the gentlest first: for a run that ran out of it.

A lever is offered only where the memory model says that it lowers the peak. Where the GPU's size is known,
the model is first corrected by what happened: a run that ran out of C GiB needed at least C.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from loratui.advice.base_bits import FOUR_BITS, FP8_KEYS, fewer_bits
from loratui.advice.memory import estimate
from loratui.advice.sizes import SIZES
from loratui.recipe import Recipe, change

_WORTH_IT = 0.01
"""A lever that lowers the peak by less than this share is passed over."""
_ENOUGH_UNKNOWN = 0.8
"""Where the GPU's size is not known: levers are taken until the peak is this share of what it was."""
_ENOUGH = 0.95
"""Share of the GPU that the corrected peak may take."""
_SMALLEST_SIDE = 256
_SMALLEST_RANK = 4


@dataclass(frozen=True, slots=True)
class Lever:
    """One step down."""

    changes: dict[str, Any]
    """Final values by dotted key."""
    reason: str


@dataclass(frozen=True, slots=True)
class Relief:
    """The levers to take together. ``levers`` is empty where nothing helps, and ``refusal`` says why."""

    levers: tuple[Lever, ...]
    refusal: str = ""
    before_gib: float | None = None
    after_gib: float | None = None
    """Peaks by the model, corrected where the GPU's size is known; None for a family without sizes."""


def relief(
    recipe: Recipe,
    family: str,
    *,
    capacity_gib: float | None = None,
    capability: tuple[int, int] | None = None,
    sampling: bool = False,
) -> Relief:
    """What to change in a recipe that ran out of GPU memory.

    ``capacity_gib`` is the memory of the GPU, where it is known; ``capability`` its CUDA compute capability;
    ``sampling`` says that it happened while a sample picture was drawn.
    """
    if family not in SIZES or sampling:  # of drawing the model knows too little to judge a lever
        first = next(iter(_levers(recipe, capability, sampling)), None)
        return Relief((first,)) if first else Relief((), "No setting is left that would take less memory.")
    before = estimate(recipe, family).estimate_gib
    correction = max(1.0, capacity_gib / before) if capacity_gib else 1.0
    limit = _ENOUGH * capacity_gib if capacity_gib else _ENOUGH_UNKNOWN * before
    taken: list[Lever] = []
    current, peak = recipe, before * correction
    while peak > limit or not taken:
        lever = _next(current, family, peak / correction, capability, sampling)
        if lever is None:
            break
        current = change(current, lever.changes)
        peak = estimate(current, family).estimate_gib * correction
        taken.append(lever)
    if not taken:
        return Relief((), "No setting is left that would take less memory.", before * correction)
    if capacity_gib and peak > limit:
        words = (
            f"Even with every setting at its smallest about {peak:.1f} of this GPU's {capacity_gib:.1f} GiB"
            " would be taken, and the rest is too little to train in: take a larger GPU."
        )
        return Relief((), words, before * correction, peak)
    return Relief(tuple(_joined(taken)), "", before * correction, peak)


def _next(
    recipe: Recipe, family: str, peak: float, capability: tuple[int, int] | None, sampling: bool
) -> Lever | None:
    for lever in _levers(recipe, capability, sampling):
        lowered = estimate(change(recipe, lever.changes), family).estimate_gib
        if lowered < peak * (1 - _WORTH_IT):
            return lever
    return None


def _joined(levers: list[Lever]) -> Iterator[Lever]:
    """Halvings of one setting as one lever; what the next lever takes back is left out."""
    if any(FOUR_BITS in lever.changes for lever in levers):
        levers = [lever for lever in levers if not lever.changes.keys() <= set(FP8_KEYS.values())]
    for index, lever in enumerate(levers):
        later = [other for other in levers[index + 1 :] if other.changes.keys() == lever.changes.keys()]
        earlier = [other for other in levers[:index] if other.changes.keys() == lever.changes.keys()]
        if not earlier:
            yield later[-1] if later else lever


def smaller_batch(recipe: Recipe) -> Lever | None:
    """The largest batch, half of today's at most, that divides it: accumulation makes up for the rest, so
    that each optimizer step still sees as many pictures."""
    batch = recipe.steps.batch_size
    if batch < 2:
        return None
    smaller = max(number for number in range(1, batch // 2 + 1) if batch % number == 0)
    accumulation = recipe.steps.accumulation * (batch // smaller)
    return Lever(
        {"steps.batch_size": smaller, "steps.accumulation": accumulation},
        f"A step still sees {smaller * accumulation} pictures, in {accumulation} parts.",
    )


def _levers(recipe: Recipe, capability: tuple[int, int] | None, sampling: bool) -> Iterator[Lever]:
    if sampling:
        yield from _sampling(recipe)
        return
    for lever in (_batch, _checkpointing, _attention, _caching, _precision, _optimizer, _bits, _side, _rank):
        found = lever(recipe, capability)
        if found is not None:
            yield found


def _batch(recipe: Recipe, capability: tuple[int, int] | None) -> Lever | None:
    return smaller_batch(recipe)


def _checkpointing(recipe: Recipe, capability: tuple[int, int] | None) -> Lever | None:
    if recipe.training.gradient_checkpointing:
        return None
    return Lever(
        {"training.gradient_checkpointing": True},
        "Gradient checkpointing computes parts twice instead of keeping them: a third slower, same result.",
    )


def _attention(recipe: Recipe, capability: tuple[int, int] | None) -> Lever | None:
    fused = any(recipe.kohya.get(key) for key in ("sdpa", "xformers", "mem_eff_attn"))
    if recipe.launch.engine != "kohya" or fused:
        return None
    return Lever({"kohya.sdpa": True}, "torch's fused attention (sdpa) keeps no attention matrices.")


def _caching(recipe: Recipe, capability: tuple[int, int] | None) -> Lever | None:
    changing = any(recipe.kohya.get(key) for key in ("color_aug", "random_crop"))
    if recipe.training.cache_latents or changing:
        return None
    return Lever({"training.cache_latents": True}, "With cached latents the VAE leaves the GPU.")


def _precision(recipe: Recipe, capability: tuple[int, int] | None) -> Lever | None:
    if recipe.training.precision != "no" or capability is None:
        return None
    word = "bf16" if capability >= (8, 0) else "fp16"
    return Lever({"training.precision": word}, f"{word} halves what the model and its activations take.")


def _optimizer(recipe: Recipe, capability: tuple[int, int] | None) -> Lever | None:
    if recipe.launch.engine != "kohya" or recipe.optimizer.name.lower() != "adamw":
        return None
    return Lever(
        {"optimizer.name": "AdamW8bit"}, "Its 8-bit form keeps a quarter of AdamW's state (bitsandbytes)."
    )


def _bits(recipe: Recipe, capability: tuple[int, int] | None) -> Lever | None:
    """Only where it is said of which family the model is."""
    found = next(fewer_bits(recipe, recipe.base.family or ""), None)
    return Lever(found.changes, found.reason) if found else None


def _side(recipe: Recipe, capability: tuple[int, int] | None) -> Lever | None:
    width, height = recipe.training.resolution
    step = recipe.training.bucket_step
    smaller = tuple(max(_SMALLEST_SIDE, int(side * 0.75) // step * step) for side in (width, height))
    if smaller == (width, height) or min(smaller) >= min(width, height):
        return None
    changes: dict[str, Any] = {"training.resolution": smaller}
    if recipe.training.bucket_min > min(smaller):
        changes["training.bucket_min"] = min(smaller)
    return Lever(changes, "Fewer pixels: fine detail suffers, so this comes late.")


def _rank(recipe: Recipe, capability: tuple[int, int] | None) -> Lever | None:
    rank, alpha = recipe.network.rank, recipe.network.alpha
    if rank < 2 * _SMALLEST_RANK:
        return None
    return Lever(
        {"network.rank": rank // 2, "network.alpha": alpha * (rank // 2) / rank},
        "A smaller LoRA holds less; alpha / rank, and with it the effective rate, stays.",
    )


def _sampling(recipe: Recipe) -> Iterator[Lever]:
    samples = recipe.samples
    width = samples.width or recipe.training.resolution[0]
    height = samples.height or recipe.training.resolution[1]
    if min(width, height) >= 2 * _SMALLEST_SIDE:
        yield Lever(
            {"samples.width": width // 16 * 8, "samples.height": height // 16 * 8},
            "It happened while a sample was drawn: smaller samples, the training as it was.",
        )
    if recipe.draws_samples:
        change: dict[str, Any] = {"samples.every_epochs": 0}
        if recipe.kohya.get("sample_every_n_steps"):
            change["kohya.sample_every_n_steps"] = 0
        yield Lever(change, "It happened while a sample was drawn: no samples.")
