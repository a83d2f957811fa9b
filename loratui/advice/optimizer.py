"""Optimizers: rates, arguments and schedule for each, by family. AdamW's rates are the measure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from loratui.advice.network import network_advice
from loratui.advice.suggestion import Suggestion
from loratui.recipe import Purpose, Recipe

_PRODIGY = "github.com/konstmish/prodigy, for diffusion models"
_SD_SCRIPTS_RATES = "sd-scripts library/train_util.py:4979-4997"
_ADAFACTOR = "civitai src/utils/training.ts; kohya_ss presets"
_LION = "Lion paper (arXiv 2302.06675), section 5"
_FLOW = frozenset({"sd3", "flux", "lumina", "anima", "hunyuan_image"})


@dataclass(frozen=True, slots=True)
class Kind:
    """What an optimizer wants."""

    group: str
    """``adamw``, ``lion``, ``adafactor``, ``dadapt`` or ``prodigy``."""
    arguments: tuple[str, ...]
    schedule: str
    warmup: float
    """A fraction of all steps."""
    reason: str
    source: str

    @property
    def finds_its_rate(self) -> bool:
        """Wants rate 1, the same for every part that trains."""
        return self.group in ("dadapt", "prodigy")


_WARM_COSINE = ("cosine", 0.05)
_ADAMW = Kind(
    "adamw", (), *_WARM_COSINE, "The optimizer that most guides' rates are meant for.", "kohya_ss docs"
)
_ADAMW8 = Kind(
    "adamw",
    (),
    *_WARM_COSINE,
    "AdamW with a third less memory for the LoRA; needs bitsandbytes.",
    "kohya_ss docs/LoRA/options.md (its default)",
)
_LION_KIND = Kind(
    "lion",
    ("weight_decay=0.05",),
    *_WARM_COSINE,
    "Every step has the same size, so its rate is 3 to 10 times lower and its decay as much higher.",
    _LION,
)
_ADAFACTOR_KIND = Kind(
    "adafactor",
    ("scale_parameter=False", "relative_step=False", "warmup_init=False"),
    "constant_with_warmup",
    0.05,
    "Little memory; without these arguments it ignores the learning rate and picks its own.",
    _ADAFACTOR,
)
_DADAPT = Kind(
    "dadapt",
    ("decouple=True", "weight_decay=0.1", "betas=0.9,0.99"),
    "constant",
    0.0,
    "Finds its own rate: 1 means as found.",
    "kohya_ss preset kudou-reira dadaptadam",
)
_DADAPT_OTHER = replace(_DADAPT, arguments=())
"""Its siblings do not take the same arguments."""
_PRODIGY_KIND = Kind(
    "prodigy",
    ("decouple=True", "weight_decay=0.01", "use_bias_correction=True", "safeguard_warmup=True"),
    "cosine",
    0.0,
    "Finds its own rate within 300 to 500 steps: 1 means as found.",
    _PRODIGY,
)

KINDS: dict[str, Kind] = {
    "adamw": _ADAMW,
    "adamw8bit": _ADAMW8,
    "pagedadamw8bit": _ADAMW8,
    "pagedadamw": _ADAMW,
    "lion": _LION_KIND,
    "lion8bit": _LION_KIND,
    "pagedlion8bit": _LION_KIND,
    "adafactor": _ADAFACTOR_KIND,
    "dadaptation": _DADAPT,
    "dadaptadam": _DADAPT,
    "dadaptadampreprint": _DADAPT,
    "dadaptlion": _DADAPT_OTHER,
    "dadaptadan": _DADAPT_OTHER,
    "dadaptsgd": _DADAPT_OTHER,
    "prodigy": _PRODIGY_KIND,
}
"""By sd-scripts' names in small letters (library/train_util.py, ``get_optimizer``)."""


_WHY_ARGUMENTS = {
    "adamw": "It needs none: decay 0.01 is its own default.",
    "lion": "Decay as much higher as the rate is lower.",
    "adafactor": "Without these it ignores the learning rate and picks its own.",
    "dadapt": "Decay beside the gradient, as in AdamW, and the steadiness its presets use.",
    "prodigy": "What its author recommends for diffusion models.",
}


def kind_of(name: str) -> Kind | None:
    """What is known of an optimizer; None for one that is not listed."""
    return KINDS.get(name.lower())


def optimizer_advice(recipe: Recipe, family: str) -> tuple[Suggestion, ...]:
    """Rank, alpha, rates, arguments, schedule and warm-up for the optimizer the recipe names.

    An optimizer that is not known keeps its rates and arguments.
    """
    purpose, name = recipe.dataset.purpose, recipe.optimizer.name
    kind = kind_of(name)
    rank, alpha, unet, text = _base(purpose, family, recipe)
    if kind is None:
        return rank, alpha
    reason, source = kind.reason, kind.source
    if kind.group == "lion" and family == "flux":
        reason, source = (
            "Lion is reported to collapse on FLUX: AdamW is the safe choice.",
            "SimpleTuner FLUX.md",
        )
    head = Suggestion("optimizer.name", name, reason, source)
    if kind.group == "dadapt":
        alpha = Suggestion(
            "network.alpha",
            rank.value,
            "Equal to rank, as the presets for this optimizer have it.",
            kind.source,
            1,
            rank.value,
        )
    if kind.finds_its_rate:
        schedule = "No restarts and no warm-up: the optimizer warms up by itself."
    elif kind.group == "adafactor":
        schedule = "A steady rate after a short warm-up."
    else:
        schedule = "A short rise, then a long fall: the end of the run settles the details."
    return (
        rank,
        alpha,
        head,
        *_rates(kind, unet, text, family),
        Suggestion("optimizer.arguments", list(kind.arguments), _WHY_ARGUMENTS[kind.group], kind.source),
        Suggestion("optimizer.schedule", kind.schedule, schedule, "civitai src/utils/training.ts; " + source),
        Suggestion("optimizer.warmup", kind.warmup, schedule, "kohya_ss docs/LoRA/options.md", 0.0, 0.1),
    )


def _base(purpose: Purpose, family: str, recipe: Recipe) -> tuple[Suggestion, ...]:
    """network.py's four, with LoHa's own ranks, whose product of two pairs holds rank squared."""
    rows = [
        Suggestion(one.key, one.value, one.reason, one.source, one.low, one.high)
        for one in network_advice(purpose, family)
    ]
    rows[0] = _whole(rows[0])
    if recipe.network.type == "loha":
        source = "hollowstrawberry's trainers"
        rows[0] = Suggestion(
            "network.rank", 8, "A LoHa multiplies two pairs: rank 8 holds what 64 would.", source, 4, 32
        )
        rows[1] = Suggestion(
            "network.alpha", 4.0, "Half of rank halves the effective rate, which is gentler.", source, 1, 8
        )
    return tuple(rows)


def _whole(row: Suggestion) -> Suggestion:
    return Suggestion(row.key, int(row.value), row.reason, row.source, row.low, row.high)


def _rates(kind: Kind, unet: Suggestion, text: Suggestion, family: str) -> tuple[Suggestion, Suggestion]:
    if kind.finds_its_rate:
        reason = "It multiplies the rate it finds; 1 for every part, since unequal rates end the training."
        source = f"{_SD_SCRIPTS_RATES}; {kind.source}"
        return (
            Suggestion(unet.key, 1.0, reason, source, 0.5, 1.0),
            Suggestion(
                text.key,
                None if text.value is None else 1.0,
                text.reason if text.value is None else reason,
                text.source if text.value is None else source,
                0.0,
                1.0,
            ),
        )
    if kind.group == "lion":
        reason = "A fifth of AdamW's rate."
        return _scaled(unet, 0.2, reason, _LION), _scaled(text, 0.2, reason, _LION)
    if kind.group == "adafactor" and family not in _FLOW:
        reason = "The usual one with a fixed rate. 4e-7 in Kohya's docs is for whole models, not for a LoRA."
        return (
            Suggestion(unet.key, 5e-4, reason, _ADAFACTOR, 1e-4, 9e-4),
            _scaled(text, 1.0, text.reason, _ADAFACTOR),
        )
    return unet, text


def _scaled(row: Suggestion, factor: float, reason: str, source: str) -> Suggestion:
    if row.value is None:
        return row
    low, high = row.low or 0.0, row.high or 0.0
    return Suggestion(row.key, row.value * factor, reason, source, low * factor, high * factor)
