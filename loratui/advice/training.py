"""How the pictures are shown to the model: resolution, captions, noise, loss, prediction, precision."""

from __future__ import annotations

import re
from collections.abc import Iterator

from loratui.advice.facts import MachineFacts, ModelFacts
from loratui.advice.precision import precision_for
from loratui.advice.suggestion import Suggestion
from loratui.builtin import support as builtin_support
from loratui.families import FAMILIES
from loratui.recipe import Recipe

FLOW = frozenset({"sd3", "flux", "lumina", "anima", "hunyuan_image"})
"""Families that learn a flow: no epsilon, no v, no noise schedule to mend."""

_KOHYA_GUIDE = "kohya_ss docs/LoRA/options.md"
_SIDES = {"sd15": (512, 768), "sd2": (512, 768), "sdxl": (768, 1536), "hunyuan_image": (1024, 2048)}

_NAI = re.compile(
    r"(?<![a-z])nai(?![a-z])|novel|animefull|anything|anylora|counterfeit|abyss|orange|meina|pastel|anime",
    re.IGNORECASE,
)
_PONY = re.compile(r"pony|67AB2F", re.IGNORECASE)


def training_advice(
    recipe: Recipe, family: str, model: ModelFacts, machine: MachineFacts | None
) -> tuple[Suggestion, ...]:
    """Everything about a training that does not hang on the optimizer."""
    return (
        *_prediction(recipe, family, model),
        *_noise(recipe, family, model),
        *_resolution(recipe, family, model),
        *_captions(recipe),
        *_clip_skip(family, model),
        *_precision(machine),
        *_speed(recipe, family),
    )


def prediction_of(recipe: Recipe, family: str, model: ModelFacts) -> str:
    """What the model predicts: the file's own word, else the recipe's, where the family can do it."""
    if family in FLOW:
        return "flow"
    if model.prediction in ("epsilon", "v"):
        return model.prediction
    return "epsilon" if recipe.base.prediction == "flow" else recipe.base.prediction


def understands(recipe: Recipe, key: str) -> bool:
    """Whether the recipe's engine obeys a key of config.toml."""
    return recipe.launch.engine == "kohya" or key in builtin_support.KEYS


def _prediction(recipe: Recipe, family: str, model: ModelFacts) -> Iterator[Suggestion]:
    value = prediction_of(recipe, family, model)
    told = model.prediction == value or value == "flow"
    reason = {
        "epsilon": "The model predicts noise; trained as v it would draw noise.",
        "v": "The model predicts v; trained as epsilon it would draw noise.",
        "flow": "This family learns a flow, and nothing else.",
    }[value]
    if not told:
        reason = "The model's file does not say, so this stays; its page does, and a wrong one draws noise."
    source = "the model's own file" if told else "the recipe"
    yield Suggestion("base.prediction", value, reason, source)
    zero = value == "v" and (
        recipe.base.zero_terminal_snr if model.zero_terminal_snr is None else model.zero_terminal_snr
    )
    reason = "The last timestep is pure noise, as this model was trained; goes with v alone."
    if not zero:
        reason = "Only for models that were trained so, and they predict v."
    yield Suggestion("base.zero_terminal_snr", zero, reason, "sd-scripts library/train_util.py:4446-4459")


def _noise(recipe: Recipe, family: str, model: ModelFacts) -> Iterator[Suggestion]:
    if family in FLOW:
        yield Suggestion("training.noise_offset", None, "Not for flow models.", "sd-scripts docs", 0, 0)
        return
    if prediction_of(recipe, family, model) == "v":
        reason = "v prediction reaches full darkness and light by itself; an offset bends it."
        yield Suggestion("training.noise_offset", None, reason, "rentry.org/wtfvpred; n150.net/?p=2825", 0, 0)
    elif family == "sdxl":
        reason = "SDXL was itself trained with this offset."
        source = "sd-scripts docs/train_network_advanced.md; kohya_ss presets"
        yield Suggestion("training.noise_offset", 0.0357, reason, source, 0.0, 0.1)
    else:
        reason = "None to begin with; up to 0.1 gives deeper darks and lights."
        yield Suggestion("training.noise_offset", None, reason, _KOHYA_GUIDE, 0.0, 0.1)
    if understands(recipe, "min_snr_gamma"):
        reason = "Weighs easy timesteps less, and training settles sooner; seldom worse, often better."
        source = "min-SNR paper (arXiv 2303.09556); civitai src/utils/training.ts"
        yield Suggestion("kohya.min_snr_gamma", 5.0, reason, source, 1.0, 10.0)


def _resolution(recipe: Recipe, family: str, model: ModelFacts) -> Iterator[Suggestion]:
    side = FAMILIES[family].resolution
    if family == "sd2" and prediction_of(recipe, family, model) == "epsilon":
        side = 512
    low, high = _SIDES.get(family, (512, 1024))
    reason = f"What {FAMILIES[family].title} was trained on; larger takes memory and time with the area."
    yield Suggestion("training.resolution", [side, side], reason, "the model's own card", low, high)
    reason = "Buckets keep the pictures' shapes; twice the resolution is room for long ones."
    yield Suggestion("training.bucket_max", 2 * side, reason, "sd-scripts docs", side, 2 * side)
    if recipe.training.bucket_min > side:
        reason = "No bucket may be larger than the resolution on its shortest side."
        value = smallest_side((side, side))
        yield Suggestion("training.bucket_min", value, reason, "sd-scripts docs", 64, side)


def smallest_side(resolution: tuple[int, int]) -> int:
    """The shortest side of a bucket, in pixels: sd-scripts' 256, or half of a smaller resolution in whole
    steps of 64."""
    return min(256, max(64, min(resolution) // 128 * 64))


def _captions(recipe: Recipe) -> Iterator[Suggestion]:
    if recipe.dataset.shuffle_captions:
        reason = "Captions are shuffled: the trigger word at the front must stay there."
        kept = max(1, recipe.dataset.keep_tokens)
        yield Suggestion("dataset.keep_tokens", kept, reason, _KOHYA_GUIDE, 1, max(3, kept))


def _clip_skip(family: str, model: ModelFacts) -> Iterator[Suggestion]:
    key = "training.clip_skip"
    if family == "sdxl" and _PONY.search(model.name):
        reason = "Pony wants 2, also when drawing; SDXL training takes that layer whatever is written."
        yield Suggestion(
            key, 2, reason, "the model's page on Civitai; sd-scripts sdxl_train_util.py:351", 2, 2
        )
    elif family == "sdxl":
        reason = "SDXL takes the second layer from the end by itself, and the key is passed over."
        yield Suggestion(key, None, reason, "sd-scripts library/sdxl_train_util.py:351")
    elif family == "sd15":
        is_nai = bool(_NAI.search(model.name))
        reason = "2 for models that come from NovelAI's (most anime models), 1 for all others"
        reason += ": this one's name sounds like it." if is_nai else "."
        yield Suggestion(key, 2 if is_nai else 1, reason, _KOHYA_GUIDE, 1, 2)


def _precision(machine: MachineFacts | None) -> Iterator[Suggestion]:
    if machine is not None and machine.capability is not None:
        value = precision_for(machine.capability)
        reason = f"{machine.gpu} calculates in bf16, which does not overflow."
        if value == "fp16":
            reason = f"{machine.gpu} has no bf16; fp16 halves the memory."
        yield Suggestion("training.precision", value, reason, "CUDA C++ programming guide")


def _speed(recipe: Recipe, family: str) -> Iterator[Suggestion]:
    if recipe.launch.engine != "kohya":
        return
    if family in ("sd15", "sd2", "sdxl") and not any(
        recipe.kohya.get(key) for key in ("sdpa", "xformers", "mem_eff_attn")
    ):
        reason = "Without it sd-scripts keeps whole attention matrices: many gigabytes more, and slower."
        yield Suggestion("kohya.sdpa", True, reason, "sd-scripts docs/train_network.md")
    if family == "sdxl":
        reason = "SDXL's VAE overflows in fp16, which makes black pictures; it costs only the caching."
        yield Suggestion("kohya.no_half_vae", True, reason, "sd-scripts docs/sdxl_train_network.md")
    if recipe.optimizer.name.lower() == "adafactor":
        reason = "Adafactor clips by itself."
        yield Suggestion("kohya.max_grad_norm", 0.0, reason, "sd-scripts library/train_util.py")
