"""How much GPU memory a training takes, in parts, with its uncertainty; and what would fit.

peak = context + model + text encoders + VAE + LoRA and optimizer + activations, or while a sample is
drawn if that is more. Activations lead the uncertainty: tensors saved are counted (``sizes.py``), what
autocast and the allocator add to them is taken from published runs (1.0 to 1.9 times, 1.4 expected).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from loratui.advice.lora_parameters import Parts
from loratui.advice.measured import Measurement, Setting, setting_of
from loratui.advice.sizes import (
    GIB,
    OPTIMIZER_BYTES,
    OTHER_OPTIMIZER_BYTES,
    SIZES,
    VAE_PARAMETERS,
    Sizes,
)
from loratui.recipe import Recipe

MARGIN_GIB = 1.0
"""Kept free: the screen of a desktop, spikes of 0.3 to 0.5 early in a run."""
_MOST_BATCH = 256

_CONTEXT = (0.6e9, 0.8e9, 1.0e9)
"""CUDA context and workspaces: low, expected, high."""
_AUTOCAST = (1.0, 1.4, 1.9)
_RECOMPUTE = (0.7, 1.4, 3.0)
_FRAGMENTS = (0.0, 0.02, 0.06)
"""Share that the allocator cannot use."""
_TEXT_ACTIVATIONS = (0.2e9, 0.5e9, 0.8e9)
"""For each picture, when text encoders are trained."""
_DRAWING = (1.2e9, 2.5e9, 4.0e9)
"""Decoding one picture of 1024 x 1024 in 16 bit (VAE); twice that in fp32."""
_FOUR_BITS = 0.521
"""Bytes for each weight: half a byte, a scale of one byte for 64, and 0.3 % of the weights in 16 bits.
Computed from the shipped configs of SD 1.5, SD 2 and SDXL: 0.5202, 0.5202 and 0.5210."""
_MEASURED_SPREAD = 0.04
_CORRECTION = (0.5, 2.0)


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """All in GiB."""

    estimate_gib: float
    low_gib: float
    high_gib: float
    parts: dict[str, float]
    """Of the estimate; they add up to it."""
    basis: str
    """``measured`` here with this setting, ``corrected`` by measurements near it, or ``model``."""


def estimate(
    recipe: Recipe, family: str, gpu: str = "", measurements: Sequence[Measurement] = ()
) -> MemoryEstimate:
    """Peak memory of one GPU. Raises ``KeyError`` for a family without sizes."""
    modelled = _model(recipe, family)
    return corrected(modelled, setting_of(recipe, family), gpu, measurements)


def corrected(
    modelled: MemoryEstimate, setting: Setting, gpu: str, measurements: Sequence[Measurement]
) -> MemoryEstimate:
    """The estimate as this machine has shown it: its own peak for the same setting; else the model
    scaled by how far off it was for settings of the same kind."""
    mine = [one for one in measurements if one.gpu == gpu and one.peak_gib]
    same = [one for one in mine if one.setting == setting]
    if same:
        peak = max(one.peak_gib or 0.0 for one in same)
        return _scaled(modelled, peak / modelled.estimate_gib, _MEASURED_SPREAD, "measured")
    ratios = sorted(
        (one.peak_gib or 0.0) / one.modelled_gib
        for one in mine
        if one.setting.kind() == setting.kind() and one.modelled_gib
    )
    if not ratios:
        return modelled
    ratio = min(max(ratios[len(ratios) // 2], _CORRECTION[0]), _CORRECTION[1])
    spread = (modelled.high_gib - modelled.low_gib) / modelled.estimate_gib / 4
    return _scaled(modelled, ratio, max(spread, _MEASURED_SPREAD), "corrected")


def _scaled(modelled: MemoryEstimate, ratio: float, spread: float, basis: str) -> MemoryEstimate:
    value = modelled.estimate_gib * ratio
    parts = {name: part * ratio for name, part in modelled.parts.items()}
    return MemoryEstimate(value, value * (1 - spread), value * (1 + spread), parts, basis)


def fits(estimated: MemoryEstimate, free_gib: float, margin: float = MARGIN_GIB) -> bool:
    """Whether the expected peak leaves ``margin`` GiB free."""
    return estimated.estimate_gib + margin <= free_gib


def largest_batch(
    recipe: Recipe,
    free_gib: float,
    margin: float = MARGIN_GIB,
    *,
    family: str = "",
    gpu: str = "",
    measurements: Sequence[Measurement] = (),
) -> int:
    """The largest batch, up to 256, that fits and leaves ``margin`` GiB; 0 when not even 1 does.

    ``family`` is needed where the recipe does not say it. Raises ``KeyError`` when nothing does.
    """
    family = family or recipe.base.family or ""
    low, high = 0, _MOST_BATCH
    while low < high:
        middle = (low + high + 1) // 2
        if fits(estimate(_with_batch(recipe, middle), family, gpu, measurements), free_gib, margin):
            low = middle
        else:
            high = middle - 1
    return low


def checkpointing_needed(
    recipe: Recipe,
    free_gib: float,
    margin: float = MARGIN_GIB,
    *,
    family: str = "",
    gpu: str = "",
    measurements: Sequence[Measurement] = (),
) -> bool:
    """Whether the recipe's batch only fits with gradient checkpointing, which costs a third more time."""
    family = family or recipe.base.family or ""
    off = _with_checkpointing(recipe, on=False)
    return not fits(estimate(off, family, gpu, measurements), free_gib, margin)


def _with_batch(recipe: Recipe, batch: int) -> Recipe:
    return msgspec.structs.replace(recipe, steps=msgspec.structs.replace(recipe.steps, batch_size=batch))


def _with_checkpointing(recipe: Recipe, *, on: bool) -> Recipe:
    training = msgspec.structs.replace(recipe.training, gradient_checkpointing=on)
    return msgspec.structs.replace(recipe, training=training)


def _model(recipe: Recipe, family: str) -> MemoryEstimate:
    low, parts, high = (_parts(recipe, SIZES[family], level) for level in (0, 1, 2))
    low_gib, middle, high_gib = (sum(each.values()) / GIB for each in (low, parts, high))
    in_gib = {name: value / GIB for name, value in parts.items()}
    return MemoryEstimate(middle, low_gib, high_gib, in_gib, "model")


def _parts(recipe: Recipe, sizes: Sizes, level: int) -> dict[str, float]:
    """Bytes by part; ``level`` is 0 for the low end, 1 for what is expected, 2 for the high end."""
    width = 4.0 if recipe.training.precision == "no" else 2.0
    standing = {
        "context": _CONTEXT[level],
        "model": _model_bytes(recipe, sizes, width),
        "text_encoders": _text_encoder_bytes(recipe, sizes, width),
        "vae": 0.0 if recipe.training.cache_latents else VAE_PARAMETERS * width,
        "lora": _lora_bytes(recipe, sizes.lora),
    }
    activations = _activations(recipe, sizes, level) * width / 2
    standing_sum = sum(standing.values())
    drawing = _drawing(recipe, width, level)
    training_peak = standing_sum + activations
    total = max(training_peak, standing_sum + drawing)
    return {
        **standing,
        "activations": activations,
        "drawing": total - training_peak,
        "fragments": total * _FRAGMENTS[level],
    }


def _model_bytes(recipe: Recipe, sizes: Sizes, width: float) -> float:
    width = _kept_width(recipe, sizes, width)
    swapped = recipe.kohya.get("blocks_to_swap") or 0
    resident = sizes.model - sizes.swapped * max(0, int(swapped))
    return max(resident, sizes.model * 0.1) * width


def _kept_width(recipe: Recipe, sizes: Sizes, width: float) -> float:
    """Bytes for each weight of the model. Under sd-scripts autograd keeps the 16-bit copy of every float8
    weight of a U-Net until the backward pass, unless checkpointing drops it; the builtin trainer unpacks
    anew."""
    if recipe.training.base_4bit:
        return _FOUR_BITS
    if not (recipe.kohya.get("fp8_base") or recipe.kohya.get("fp8_base_unet")):
        return width
    copied = recipe.launch.engine == "kohya" and not recipe.training.gradient_checkpointing
    return 1.0 + width if copied and sizes.is_unet else 1.0


def _text_encoder_bytes(recipe: Recipe, sizes: Sizes, width: float) -> float:
    """They go once their outputs are kept: in sd-scripts when told so, in the builtin trainer by itself
    unless they are trained or captions change."""
    if recipe.optimizer.text_encoder_rate is not None:
        return sizes.text_encoders * width
    keys = ("cache_text_encoder_outputs", "cache_text_encoder_outputs_to_disk")
    if recipe.launch.engine == "builtin":
        freed = not recipe.dataset.shuffle_captions
    else:
        freed = any(recipe.kohya.get(key) for key in keys)
    return 0.0 if freed else sizes.text_encoders * width


def _lora_bytes(recipe: Recipe, parts: Parts) -> float:
    network = recipe.network
    parameters: float = parts.model.per_rank * network.rank
    if recipe.optimizer.text_encoder_rate is not None:
        parameters += parts.text_per_rank * network.rank
    if network.type == "loha":
        parameters *= 2
    if network.conv_rank is not None:
        # 3x3 convolutions are nine times as wide on one side; the U-Nets have a third as many.
        parameters += parts.model.per_rank * network.conv_rank * 1.5
    each = OPTIMIZER_BYTES.get(recipe.optimizer.name.lower(), OTHER_OPTIMIZER_BYTES)
    if recipe.kohya.get("full_bf16") or recipe.kohya.get("full_fp16"):
        each /= 2
    return parameters * each


def _activations(recipe: Recipe, sizes: Sizes, level: int) -> float:
    width, height = recipe.training.resolution
    area = width * height / sizes.side**2
    batch = recipe.steps.batch_size
    matrices = 0.0
    if recipe.launch.engine == "kohya" and not any(
        recipe.kohya.get(key) for key in ("sdpa", "xformers", "mem_eff_attn")
    ):
        matrices = sizes.attention * area**2
    if recipe.training.gradient_checkpointing:
        each = sizes.saved_checkpointed * area * _AUTOCAST[level]
        each += sizes.recomputed * area * _RECOMPUTE[level] + matrices / 10
    else:
        each = sizes.saved * area * _AUTOCAST[level] + matrices
    if recipe.optimizer.text_encoder_rate is not None:
        each += _TEXT_ACTIVATIONS[level]
    return batch * each


def _drawing(recipe: Recipe, width: float, level: int) -> float:
    samples = recipe.samples
    if not recipe.draws_samples:
        return 0.0
    area = (samples.width or recipe.training.resolution[0]) * (
        samples.height or recipe.training.resolution[1]
    )
    if recipe.kohya.get("no_half_vae"):
        width = 4.0
    return _DRAWING[level] * area / 1024**2 * width / 2 + VAE_PARAMETERS * width
