"""What makes sd-scripts or the builtin trainer end with an error, often only after the model is loaded.

Each rule names the line of sd-scripts that ends the run, or the run that showed it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from loratui.advice.optimizer import kind_of
from loratui.advice.suggestion import Contradiction
from loratui.builtin.optimizers import breaks_in_float16
from loratui.problems import Problem
from loratui.recipe import Recipe

_VERIFY = "sd-scripts library/train_util.py:4446-4459"
_NO_WARMUP = frozenset({"constant", "adafactor"})


def refusals(recipe: Recipe, family: str) -> Iterator[Contradiction]:
    """Everything the recipe's own engine would die of."""
    yield from _rates(recipe)
    yield from _prediction(recipe)
    yield from _offset(recipe)
    yield from _cached_captions(recipe, family)
    yield from _augmentation(recipe)
    yield from _precision(recipe)
    yield from _fewer_bits(recipe, family)
    if recipe.launch.engine == "kohya":
        yield from _schedule(recipe)
        yield from _version(recipe, family)


def _fatal(key: str, message: str, fix: str, change: dict[str, Any], source: str) -> Contradiction:
    return Contradiction(Problem(key, message, fix), change, True, source)


def _rates(recipe: Recipe) -> Iterator[Contradiction]:
    """RuntimeError at the first step: "Setting different lr values in different parameter groups"."""
    kind = kind_of(recipe.optimizer.name)
    unet, text = recipe.optimizer.unet_rate, recipe.optimizer.text_encoder_rate
    if kind and kind.finds_its_rate and text and unet and text != unet:
        yield _fatal(
            "optimizer.text_encoder_rate",
            f"{recipe.optimizer.name} takes one rate for everything, and here are {unet:g} and {text:g}:"
            " training ends at its first step.",
            "Use 1 for both.",
            {"optimizer.unet_rate": 1.0, "optimizer.text_encoder_rate": 1.0},
            "seen in a run of sd-scripts; its warning stands in library/train_util.py:4979-4997",
        )
    if recipe.launch.engine == "builtin" and not unet and not text:
        yield _fatal(
            "optimizer.unet_rate",
            "every learning rate is 0, so nothing would train.",
            "Use 1e-4; or 1 for an optimizer that finds its own.",
            {"optimizer.unet_rate": 1.0 if kind and kind.finds_its_rate else 1e-4},
            "the builtin trainer",
        )


def _prediction(recipe: Recipe) -> Iterator[Contradiction]:
    is_v = recipe.base.prediction == "v"
    if recipe.kohya.get("scale_v_pred_loss_like_noise_pred") and not is_v:
        yield _fatal(
            "kohya.scale_v_pred_loss_like_noise_pred",
            f"it scales the loss of v prediction, and the recipe says {recipe.base.prediction}.",
            'Remove it; or write prediction = "v" if the model predicts v.',
            {"kohya.scale_v_pred_loss_like_noise_pred": None},
            _VERIFY,
        )
    if recipe.kohya.get("v_pred_like_loss") and is_v:
        yield _fatal(
            "kohya.v_pred_like_loss",
            "it makes another loss look like that of v prediction, which this recipe has already.",
            "Remove it.",
            {"kohya.v_pred_like_loss": None},
            _VERIFY,
        )


def _offset(recipe: Recipe) -> Iterator[Contradiction]:
    for key in ("adaptive_noise_scale", "noise_offset_random_strength"):
        if recipe.kohya.get(key) and not recipe.training.noise_offset:
            yield _fatal(
                f"kohya.{key}",
                "it changes noise_offset, and there is none.",
                "Remove it, or set training.noise_offset.",
                {f"kohya.{key}": None},
                "sd-scripts library/train_util.py",
            )


def _cached_captions(recipe: Recipe, family: str) -> Iterator[Contradiction]:
    keys = ("cache_text_encoder_outputs", "cache_text_encoder_outputs_to_disk")
    if not any(recipe.kohya.get(key) for key in keys):
        return
    if family == "sdxl" and recipe.optimizer.text_encoder_rate is not None:
        yield _fatal(
            "optimizer.text_encoder_rate",
            "the text encoders are to be trained, and their outputs are cached: one rules out the other.",
            "Leave the text encoders alone (remove text_encoder_rate), or stop caching their outputs.",
            {"optimizer.text_encoder_rate": None},
            "sd-scripts sdxl_train_network.py:35-41",
        )
    changing = {
        "dataset.shuffle_captions": recipe.dataset.shuffle_captions,
        "kohya.caption_dropout_rate": recipe.kohya.get("caption_dropout_rate"),
        "kohya.caption_tag_dropout_rate": recipe.kohya.get("caption_tag_dropout_rate"),
        "kohya.token_warmup_step": recipe.kohya.get("token_warmup_step"),
    }
    for key, value in changing.items():
        if value:
            yield _fatal(
                key,
                "captions would change in each epoch, and the text encoders' outputs are cached once.",
                "Turn it off, or remove cache_text_encoder_outputs.",
                {key: False if key.startswith("dataset") else None},
                "sd-scripts sdxl_train_network.py:35-41",
            )


def _schedule(recipe: Recipe) -> Iterator[Contradiction]:
    schedule = recipe.optimizer.schedule
    if recipe.optimizer.warmup and schedule.partition(":")[0] in _NO_WARMUP:
        mended = "constant_with_warmup" if schedule == "constant" else schedule
        change: dict[str, Any] = {"optimizer.schedule": mended}
        if mended == schedule:
            change = {"optimizer.warmup": 0.0}
        yield _fatal(
            "optimizer.warmup",
            f"a {schedule} schedule has no warm-up, and sd-scripts ends on {recipe.optimizer.warmup:g}.",
            'Write warmup = 0, or schedule = "constant_with_warmup".',
            change,
            "sd-scripts library/train_util.py, get_scheduler_fix",
        )


def _augmentation(recipe: Recipe) -> Iterator[Contradiction]:
    for key in ("color_aug", "random_crop"):
        if recipe.kohya.get(key) and recipe.training.cache_latents:
            yield _fatal(
                f"kohya.{key}",
                "pictures would change in each epoch, and their latents are cached once.",
                "Remove it, or turn training.cache_latents off.",
                {f"kohya.{key}": None},
                "sd-scripts train_network.py; seen in runs",
            )


def _precision(recipe: Recipe) -> Iterator[Contradiction]:
    for key, wanted in (("full_fp16", "fp16"), ("full_bf16", "bf16")):
        if recipe.kohya.get(key) and recipe.training.precision != wanted:
            yield _fatal(
                f"kohya.{key}",
                f'it needs precision = "{wanted}", and the recipe says "{recipe.training.precision}".',
                f'Write precision = "{wanted}", or remove it.',
                {f"kohya.{key}": None},
                "sd-scripts train_network.py",
            )
    optimizer = recipe.optimizer
    if recipe.kohya.get("full_fp16") and breaks_in_float16(optimizer.name, optimizer.arguments):
        yield _fatal(
            "kohya.full_fp16",
            f"{optimizer.name}'s eps is 0 in 16 bits, and the first step turns the LoRA into NaN.",
            'Remove it: precision = "fp16" alone keeps the LoRA in 32 bits. Or use AdamW8bit.',
            {"kohya.full_fp16": None},
            "float16's smallest number is 6e-8; measured",
        )


def _fewer_bits(recipe: Recipe, family: str) -> Iterator[Contradiction]:
    """The AssertionError "fp8_base requires mixed precision"."""
    for key in ("fp8_base", "fp8_base_unet"):
        if recipe.kohya.get(key) and recipe.training.precision == "no":
            yield _fatal(
                f"kohya.{key}",
                'float8 weights are computed with in bf16 or fp16, and the recipe says precision = "no".',
                'Write precision = "bf16" (fp16 on GPUs before RTX 30), or remove it.',
                {f"kohya.{key}": None},
                "sd-scripts train_network.py:831",
            )


def _version(recipe: Recipe, family: str) -> Iterator[Contradiction]:
    if family == "sd2" and recipe.kohya.get("v2") is False:
        yield _fatal(
            "kohya.v2",
            "sd-scripts must be told that this is Stable Diffusion 2, and fails to load it otherwise.",
            "Remove the line: v2 = true is written by itself.",
            {"kohya.v2": None},
            "sd-scripts docs/train_network.md",
        )
    if family == "sdxl" and recipe.kohya.get("v2"):
        yield _fatal(
            "kohya.v2",
            "v2 is for Stable Diffusion 2, and this is SDXL.",
            "Remove it.",
            {"kohya.v2": None},
            "sd-scripts library/sdxl_train_util.py",
        )
