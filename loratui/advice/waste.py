"""What trains to the end and was paid for in vain, or nearly so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from loratui.advice.facts import DatasetFacts, ModelFacts
from loratui.advice.lora_scale import scale
from loratui.advice.network import network_advice
from loratui.advice.optimizer import kind_of
from loratui.advice.suggestion import Contradiction
from loratui.advice.training import FLOW, prediction_of
from loratui.problems import Problem
from loratui.recipe import Recipe

MOST_STEPS = 10_000
"""hollowstrawberry's trainers stop above it: "you probably made a mistake"."""
MOST_TIMES_SEEN = 150
"""Each picture; guides stay between 10 and 100."""
_GOOD_STEPS = 3000
_GOOD_TIMES = 100

_RUNAWAY = 0.02
"""AdamW at 1e-2 and above ends in noise or nan; guides stop at 5e-4."""
_TOO_SMALL = {"adamw": 2e-6, "adafactor": 2e-6, "lion": 4e-7}
"""Effective rates below which nothing shows: a tenth of the lowest that guides and presets use."""
_OWN_RATE = (0.1, 10.0)


def waste(
    recipe: Recipe,
    family: str,
    dataset: DatasetFacts | None = None,
    model: ModelFacts | None = None,
    *,
    length_unsaid: bool = False,
) -> Iterator[Contradiction]:
    """Everything in the recipe that costs a run for nothing."""
    yield from _rates(recipe, family)
    yield from _arguments(recipe)
    yield from _prediction(recipe, family, model or ModelFacts(""))
    yield from _schedule(recipe)
    yield from _length(recipe, dataset, length_unsaid)


def _rates(recipe: Recipe, family: str) -> Iterator[Contradiction]:
    optimizer, network = recipe.optimizer, recipe.network
    kind = kind_of(optimizer.name)
    if kind is None:
        return
    source = kind.source
    if kind.finds_its_rate:
        rates = {rate for rate in (optimizer.unet_rate, optimizer.text_encoder_rate) if rate}
        if any(not _OWN_RATE[0] <= rate <= _OWN_RATE[1] for rate in rates) or not rates:
            shown = ", ".join(f"{rate:g}" for rate in sorted(rates)) or "0"
            mend: dict[str, Any] = {"optimizer.unet_rate": 1.0}
            if optimizer.text_encoder_rate:
                mend["optimizer.text_encoder_rate"] = 1.0
            yield _waste(
                "optimizer.unet_rate",
                f"{optimizer.name} finds its own rate and multiplies it by {shown}: it would learn next to"
                " nothing, or far too much.",
                "Use 1.",
                mend,
                source,
            )
        return
    good = _good_rates(recipe, family)
    runaway = {key: good[key] for key, rate in _given(recipe) if rate >= _RUNAWAY}
    if runaway:
        key, rate = next((key, rate) for key, rate in _given(recipe) if rate >= _RUNAWAY)
        message = f"{optimizer.name} at {rate:g} runs away: pictures turn to noise and the loss to nan."
        fix = f"Use {good[key]:g}; 1 is for Prodigy and DAdaptAdam, which find their own."
        yield _waste(key, message, fix, runaway, source)
    effect = optimizer.unet_rate * scale(recipe).most
    text_trains = (optimizer.text_encoder_rate or 0) >= _TOO_SMALL[kind.group]
    if effect < _TOO_SMALL[kind.group] and not (optimizer.unet_rate == 0 and text_trains):
        alpha = network.alpha if network.alpha * 8 >= network.rank else network.rank / 2
        mend = {"network.alpha": alpha}
        if optimizer.unet_rate * alpha / network.rank < _TOO_SMALL[kind.group]:
            mend["optimizer.unet_rate"] = good["optimizer.unet_rate"]
        yield _waste(
            "network.alpha",
            f"rate {optimizer.unet_rate:g} x alpha {network.alpha:g} / rank {network.rank} comes to"
            f" {effect:.1g}: the LoRA would hardly show.",
            " and ".join(f"Use {key.partition('.')[2]} = {value:g}" for key, value in mend.items()) + ".",
            mend,
            "kohya_ss docs/LoRA/options.md",
        )


def _given(recipe: Recipe) -> list[tuple[str, float]]:
    rates = (recipe.optimizer.unet_rate, recipe.optimizer.text_encoder_rate or 0.0)
    return list(zip(("optimizer.unet_rate", "optimizer.text_encoder_rate"), rates, strict=True))


def _good_rates(recipe: Recipe, family: str) -> dict[str, float]:
    values = {one.key: one.value for one in network_advice(recipe.dataset.purpose, family)}
    unet = values["optimizer.unet_rate"] or 1e-4
    factor = 0.2 if (kind := kind_of(recipe.optimizer.name)) and kind.group == "lion" else 1.0
    text = values["optimizer.text_encoder_rate"] or unet / 10
    return {"optimizer.unet_rate": unet * factor, "optimizer.text_encoder_rate": text * factor}


def _arguments(recipe: Recipe) -> Iterator[Contradiction]:
    kind = kind_of(recipe.optimizer.name)
    given = {
        one.partition("=")[0].strip(): one.partition("=")[2].strip() for one in recipe.optimizer.arguments
    }
    if kind and kind.group == "adafactor" and given.get("relative_step") != "False":
        yield _waste(
            "optimizer.arguments",
            "Adafactor picks its own rate unless told otherwise, and the rates in this recipe are ignored.",
            'Write arguments = ["scale_parameter=False", "relative_step=False", "warmup_init=False"].',
            {"optimizer.arguments": list(kind.arguments)},
            "sd-scripts library/train_util.py, get_optimizer",
        )


def _prediction(recipe: Recipe, family: str, model: ModelFacts) -> Iterator[Contradiction]:
    base, offset = recipe.base, recipe.training.noise_offset
    value = prediction_of(recipe, family, model)
    # sd-scripts has only a switch for v; a flow family is told by its script.
    if base.prediction != value and (family not in FLOW or base.prediction == "v"):
        message = f"the recipe says {base.prediction}, and the model predicts {value}: it would draw noise."
        fix = f'Write prediction = "{value}".'
        yield _waste("base.prediction", message, fix, {"base.prediction": value}, "the model file")
    if base.prediction == "v" and offset:
        yield _waste(
            "training.noise_offset",
            f"a noise offset ({offset:g}) and v prediction mend the same thing, and together spoil it.",
            "Remove noise_offset.",
            {"training.noise_offset": None},
            "rentry.org/wtfvpred; n150.net/?p=2825",
        )
    if base.zero_terminal_snr and base.prediction != "v":
        yield _waste(
            "base.zero_terminal_snr",
            f"at the last timestep nothing but noise is left, and {base.prediction} prediction can learn"
            " nothing from it.",
            'Turn it off; or write prediction = "v" if the model predicts v.',
            {"base.zero_terminal_snr": False},
            "sd-scripts library/train_util.py, verify_training_args",
        )


def _schedule(recipe: Recipe) -> Iterator[Contradiction]:
    optimizer = recipe.optimizer
    if recipe.launch.engine == "builtin" and optimizer.schedule == "constant" and optimizer.warmup:
        yield _waste(
            "optimizer.warmup",
            f"a constant schedule has no warm-up, so {optimizer.warmup:g} means nothing.",
            'Write schedule = "constant_with_warmup".',
            {"optimizer.schedule": "constant_with_warmup"},
            "sd-scripts library/train_util.py, get_scheduler_fix",
        )


def _length(recipe: Recipe, dataset: DatasetFacts | None, unsaid: bool) -> Iterator[Contradiction]:
    if unsaid:
        yield _waste(
            "steps.target",
            "neither steps nor epochs are given, so sd-scripts trains its 1600 steps whatever the pictures.",
            "Say how long: max_train_epochs = 10, or max_train_steps = 2000.",
            {},
            "sd-scripts train_network.py:799-805",
        )
    steps = dataset.total_steps(recipe) if dataset else recipe.steps.target or 0
    if steps > MOST_STEPS:
        yield _waste(
            _length_key(recipe),
            f"{steps} steps are more than {MOST_STEPS}, which is seldom meant.",
            "2000 to 3000 are usual: fewer epochs, or fewer repeats.",
            shortened(recipe, dataset, _GOOD_STEPS),
            "hollowstrawberry's trainers",
        )
    if dataset and (seen := dataset.times_seen(recipe)) > MOST_TIMES_SEEN:
        good = max(1, int(dataset.steps_per_epoch(recipe) * _GOOD_TIMES * dataset.images / dataset.repeated))
        yield _waste(
            _length_key(recipe),
            f"each picture is seen {seen:.0f} times: above {MOST_TIMES_SEEN} they are learnt by heart.",
            "Train fewer epochs, use fewer repeats, or add pictures.",
            shortened(recipe, dataset, min(good, _GOOD_STEPS)),
            "Civitai's, hollowstrawberry's and ai-toolkit's defaults stay between 10 and 100",
        )


def shortened(recipe: Recipe, dataset: DatasetFacts | None, steps: int) -> dict[str, Any]:
    """The change that brings the run down to ``steps`` or less: in whole epochs where one fits."""
    epochs = steps // dataset.steps_per_epoch(recipe) if dataset else 0
    if recipe.steps.epochs is not None and epochs:
        return {"steps.epochs": epochs, "steps.target": None}
    return {"steps.epochs": None, "steps.target": steps}


def _length_key(recipe: Recipe) -> str:
    return "steps.target" if recipe.steps.epochs is None else "steps.epochs"


def _waste(key: str, message: str, fix: str, change: dict[str, Any], source: str) -> Contradiction:
    return Contradiction(Problem(key, message, fix), change, False, source)
