"""A base model kept in fewer bits, for cards that hold it in no other way: in 8 bits by both engines, in 4 by
the builtin one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from loratui.builtin import support as builtin_support
from loratui.recipe import Recipe
from loratui.recipe.document import Training

FP8_KEYS = {
    "sd15": "kohya.fp8_base_unet",
    "sd2": "kohya.fp8_base_unet",
    "sdxl": "kohya.fp8_base_unet",
    "sd3": "kohya.fp8_base",
    "flux": "kohya.fp8_base",
}
"""By family; sd-scripts' guides name it for these (docs/train_network_advanced.md:22, sd3 and flux guides).
The text encoders of Stable Diffusion stay as they are: their small numbers suffer most from float8."""
FOUR_BITS = "training.base_4bit"


@dataclass(frozen=True, slots=True)
class FewerBits:
    """One way to keep the base model smaller."""

    changes: dict[str, Any]
    reason: str


def fewer_bits(recipe: Recipe, family: str) -> Iterator[FewerBits]:
    """The ways that are left for a recipe, the gentlest first."""
    key = FP8_KEYS.get(family, "")
    kept = kept_in(recipe)
    if key and not kept and recipe.training.precision != "no":
        reason = "The base model is kept in 8 bits (float8), half of its size: a little coarser."
        yield FewerBits({key: True}, reason)
    packs = recipe.launch.engine == "builtin" and family in builtin_support.FAMILIES
    if packs and kept != "4 bits" and recipe.network.type in ("lora", "locon"):
        if find_spec(builtin_support.FOUR_BIT_PACKAGE) is None:
            return
        changes: dict[str, Any] = {FOUR_BITS: True}
        changes |= {f"kohya.{name}": None for name in ("fp8_base", "fp8_base_unet") if recipe.kohya.get(name)}
        reason = "The base model is kept in 4 bits (NF4), a quarter of its size: coarser, and slower."
        yield FewerBits(changes, reason)


def kept_in(recipe: Recipe) -> str:
    """``8 bits`` or ``4 bits``; empty where the base model has the precision of the training."""
    if recipe.training.base_4bit:
        return "4 bits"
    return "8 bits" if recipe.kohya.get("fp8_base") or recipe.kohya.get("fp8_base_unet") else ""


def undone(recipe: Recipe, family: str) -> dict[str, Any]:
    """What gives the base model of a Stable Diffusion recipe its usual precision again. Other families' are
    left: they are hardly trained otherwise."""
    if family not in builtin_support.FAMILIES:
        return {}
    changes: dict[str, Any] = {}
    if recipe.training.base_4bit != Training().base_4bit:
        changes[FOUR_BITS] = False
    if recipe.kohya.get("fp8_base_unet"):
        changes["kohya.fp8_base_unet"] = None
    return changes
