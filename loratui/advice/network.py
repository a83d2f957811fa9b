"""Rank, alpha and learning rates: what to start from, why, and who says so."""

from __future__ import annotations

from dataclasses import dataclass

from loratui.advice.lora_parameters import PARTS
from loratui.recipe import Purpose

_KOHYA_GUIDE = "kohya_ss docs/LoRA/options.md"
_SD_SCRIPTS = "sd-scripts docs/train_network.md"
_CIVITAI = "civitai src/utils/training.ts"
_HOLLOWSTRAWBERRY = "hollowstrawberry's trainers"

_TRANSFORMERS = frozenset({"sd3", "flux", "lumina", "anima", "hunyuan_image"})
_LOW_RANK_TRANSFORMERS = frozenset({"lumina", "anima"})


@dataclass(frozen=True, slots=True)
class Advice:
    """One value to start from."""

    key: str
    """Dotted key of the recipe."""
    value: float | None
    """None: leave it out (for a text encoder: do not train it)."""
    reason: str
    source: str
    low: float
    """The ends of what guides recommend."""
    high: float


def network_advice(purpose: Purpose, family: str) -> tuple[Advice, ...]:
    """Rank, alpha, U-Net rate and text-encoder rate, for AdamW. Prodigy wants 1.0 for both rates."""
    rank = _rank(purpose, family)
    return rank, _alpha(rank, family), _unet_rate(family), _text_encoder_rate(purpose, family)


def file_size_bytes(family: str, rank: int, precision: str, *, text_encoders: bool = False) -> int | None:
    """How large a LoRA file becomes, its metadata apart; None for a family or precision that is not known.

    ``precision`` is ``float``, ``fp16`` or ``bf16``. A plain LoRA as sd-scripts trains it: see ``PARTS``.
    """
    width = {"float": 4, "fp16": 2, "bf16": 2}.get(precision)
    parts = PARTS.get(family)
    if width is None or parts is None:
        return None
    chosen = (parts.model, *(parts.text if text_encoders else ()))
    return sum(part.per_rank * rank * width + part.modules * _HEADER_BYTES for part in chosen)


_HEADER_BYTES = 3 * 140
"""Of the header, for a module's down, up and alpha; measured on a file of sd-scripts."""


def _rank(purpose: Purpose, family: str) -> Advice:
    key = "network.rank"
    if family in _LOW_RANK_TRANSFORMERS:
        return Advice(key, 8, "A large transformer learns much from few numbers.", _SD_SCRIPTS, 4, 32)
    if family in _TRANSFORMERS:
        return Advice(key, 16, "A large transformer learns much from few numbers.", _SD_SCRIPTS, 4, 32)
    match purpose:
        case "character":
            reason = "One character fits into rank 8 to 32; more learns the pictures by heart."
            return Advice(key, 16, reason, f"{_HOLLOWSTRAWBERRY}; {_CIVITAI}", 8, 32)
        case "style":
            reason = "A style touches everything in a picture, and takes more room than a character."
            value = 32 if family == "sdxl" else 16
            return Advice(key, value, reason, f"{_CIVITAI}; {_HOLLOWSTRAWBERRY}", 16, 64)
        case "concept":
            reason = "A pose or an idea fits into rank 8 to 32."
            return Advice(key, 16, reason, f"{_KOHYA_GUIDE}; {_CIVITAI}", 8, 32)
        case "object":
            reason = "One object or outfit is a small thing to learn."
            return Advice(key, 16, reason, f"{_KOHYA_GUIDE}; {_CIVITAI}", 8, 32)
        case "trial":
            reason = "Small and quick: enough to see that everything works."
            return Advice(key, 8, reason, f"{_KOHYA_GUIDE} (its default)", 4, 16)


def _alpha(rank: Advice, family: str) -> Advice:
    key = "network.alpha"
    assert rank.value is not None
    if family in _LOW_RANK_TRANSFORMERS:
        reason = "The rate given for this family belongs to alpha 1; lower the rate when you raise it."
        return Advice(key, 1, reason, _SD_SCRIPTS, 1, rank.value)
    if family in _TRANSFORMERS:
        reason = "Equal to rank: the learning rate counts as it is."
        return Advice(key, rank.value, reason, "ai-toolkit and Replicate flux trainers", 1, rank.value)
    reason = "Half of rank halves the effective rate, which is gentler; never above rank."
    return Advice(key, rank.value / 2, reason, f"{_SD_SCRIPTS}; {_KOHYA_GUIDE}", 1, rank.value)


def _unet_rate(family: str) -> Advice:
    key = "optimizer.unet_rate"
    match family:
        case "sd15" | "sd2":
            reason = "The careful end; up to 5e-4 is in use with alpha at half of rank."
            return Advice(key, 1e-4, reason, f"{_KOHYA_GUIDE}; {_CIVITAI}", 1e-4, 5e-4)
        case "sdxl":
            reason = "SDXL learns quickly and spoils quickly."
            return Advice(key, 1e-4, reason, "sd-scripts docs/train_network_advanced.md", 4e-5, 3e-4)
        case "flux":
            reason = "Where most FLUX guides begin; 4e-4 suits short runs of about 1000 steps."
            return Advice(key, 1e-4, reason, "sd-scripts docs/flux_train_network.md; ai-toolkit", 1e-4, 4e-4)
        case _:
            return Advice(key, 1e-4, "Where sd-scripts' guides begin.", _SD_SCRIPTS, 5e-5, 2e-4)


def _text_encoder_rate(purpose: Purpose, family: str) -> Advice:
    key = "optimizer.text_encoder_rate"
    if family not in ("sd15", "sd2"):
        reason = "Left alone: training the U-Net only is strongly recommended, saves memory and time."
        if family != "sdxl":
            reason = "Left alone: these text encoders are large and need no training for a LoRA."
        return Advice(key, None, reason, "kohya_ss docs; sd-scripts docs/train_SDXL-en.md", 0.0, 2e-5)
    if purpose == "style":
        reason = "Left alone: a style lies in the pictures, not in the words."
        return Advice(key, None, reason, _HOLLOWSTRAWBERRY, 0.0, 5e-5)
    reason = "Half of the U-Net's rate: the words bend everything, so they move more slowly."
    return Advice(key, 5e-5, reason, f"{_KOHYA_GUIDE} (its default)", 0.0, 1e-4)
