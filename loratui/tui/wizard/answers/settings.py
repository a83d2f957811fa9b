"""Every setting as a row of Review: its name for people, its kind of value, what it is advised to be."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from loratui import kohya_config
from loratui.engines import config
from loratui.recipe import Recipe, flatten
from loratui.tui.wizard.answers.state import WizardState
from loratui.tui.wizard.answers.values import Kind, shown

_LABELS = {
    "output.name": "Name",
    "base.model": "Base model",
    "base.family": "Family",
    "base.prediction": "Prediction",
    "base.zero_terminal_snr": "Zero terminal SNR",
    "dataset.folder": "Pictures",
    "dataset.purpose": "Purpose",
    "dataset.trigger": "Trigger word",
    "kohya.caption_prefix": "Put before captions",
    "steps.epochs": "Epochs",
    "steps.target": "or steps",
    "steps.batch_size": "Batch size",
    "network.type": "Network",
    "network.rank": "Rank",
    "network.alpha": "Alpha",
    "network.conv_rank": "Convolution rank",
    "network.conv_alpha": "Convolution alpha",
    "optimizer.name": "Optimizer",
    "optimizer.unet_rate": "Learning rate",
    "optimizer.text_encoder_rate": "Text encoder rate",
    "optimizer.schedule": "Schedule",
    "optimizer.warmup": "Warm-up",
    "optimizer.arguments": "Optimizer arguments",
    "training.resolution": "Resolution",
    "training.precision": "Precision",
    "training.clip_skip": "Clip skip",
    "training.noise_offset": "Noise offset",
    "kohya.min_snr_gamma": "Min-SNR gamma",
    "training.gradient_checkpointing": "Checkpointing",
    "kohya.fp8_base_unet": "Base in 8 bits",
    "training.base_4bit": "Base in 4 bits",
    "training.cache_latents": "Cache latents",
    "samples.prompts": "Sample prompts",
    "samples.every_epochs": "Sample every",
    "kohya.sample_every_n_steps": "Sample every (steps)",
    "output.save_every_epochs": "Save every",
    "kohya.save_every_n_steps": "Save every (steps)",
    "kohya.save_last_n_epochs_state": "Keep states",
    "launch.engine": "Engine",
    "steps.accumulation": "Accumulation",
    "dataset.shuffle_captions": "Shuffle captions",
    "dataset.keep_tokens": "Keep tokens",
    "dataset.flip": "Flip",
    "dataset.skip_damaged": "Skip damaged",
    "dataset.regularization": "Regularization",
    "dataset.caption_extension": "Caption files",
    "training.buckets": "Buckets",
    "training.bucket_min": "Smallest side",
    "training.bucket_max": "Longest side",
    "training.bucket_step": "Bucket step",
    "training.bucket_no_upscale": "Never enlarge",
    "training.seed": "Seed",
    "network.weights": "Start from LoRA",
    "base.vae": "VAE",
    "samples.negative": "Negative prompt",
    "samples.steps": "Sample steps",
    "samples.scale": "Sample scale",
    "samples.width": "Sample width",
    "samples.height": "Sample height",
    "samples.seed": "Sample seed",
    "output.precision": "File precision",
    "output.folder": "Output folder",
    "output.keep_last": "Keep last",
    "output.save_state": "Save states",
    "output.state_minutes": "Minutes to a state",
    "launch.stop_machine": "Stop the machine",
    "launch.num_processes": "GPUs",
    "launch.num_machines": "Machines",
    "launch.machine_rank": "This machine's rank",
    "launch.main_process_ip": "Machine 0's address",
    "launch.main_process_port": "Machine 0's port",
    "launch.as_sd_scripts": "As sd-scripts does",
}
"""In the order of Review: what people change first comes first. Settings that are not named here follow."""

PRESET, PRICE, FIND = "preset", "price", "find"
"""What Review has besides the settings of the recipe: two rows, and the search."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One row."""

    key: str
    label: str
    kind: Kind
    choices: tuple[str, ...] = ()
    """Where there are only so many values."""
    optional: bool = False
    """Whether empty means that there is none."""


def all_settings(state: WizardState) -> list[Setting]:
    """Those of the recipe, the ones the engine gets under ``[kohya]`` with them."""
    values = flatten(state.recipe)
    keys = [key for key in _LABELS if key in values or (key.startswith("kohya.") and _applies(state, key))]
    keys += [key for key in values if key not in _LABELS]
    return [setting(state.recipe, key) for key in keys]


def place_of(settings: Sequence[Setting], words: str) -> int | None:
    """The row a person means by some letters: the beginning of its name first, then any part of its name or
    key. None where there is no such row."""
    words = words.strip().lower()
    if not words:
        return None
    named = [f"{one.label}\n{one.key}".lower() for one in settings]
    begins = [index for index, name in enumerate(named) if name.startswith(words)]
    return next(iter([*begins, *(index for index, name in enumerate(named) if words in name)]), None)


def _applies(state: WizardState, key: str) -> bool:
    """Whether a key of config.toml that is not in the recipe is advised, and so worth a row."""
    advised = state.why.get(key)
    return advised is not None and advised.value is not None


def setting(recipe: Recipe, key: str) -> Setting:
    """The row of one key."""
    label = _LABELS.get(key) or key.partition(".")[2]
    section, _, name = key.partition(".")
    if section == "kohya":
        return _of_config(recipe, key, label, name)
    hint = _hints(section)[name]
    parts = [part for part in get_args(hint) if part is not type(None)] if _is_union(hint) else [hint]
    optional = _is_union(hint) and type(None) in get_args(hint)
    part = parts[0]
    if get_origin(part) is not None and str(get_origin(part)) == "typing.Literal":
        return Setting(key, label, "text", tuple(map(str, get_args(part))), optional)
    if part is bool:
        return Setting(key, label, "flag", ("yes", "no"), optional)
    kind: Kind = "text"
    if part is int:
        kind = "whole"
    elif part is float:
        kind = "number"
    elif get_origin(part) is tuple:
        kind = "size" if len(get_args(part)) == 2 and Ellipsis not in get_args(part) else "list"
    return Setting(key, label, kind, (), optional)


def _of_config(recipe: Recipe, key: str, label: str, name: str) -> Setting:
    option = kohya_config.option(name, config.script_of(recipe))
    if option is None:
        return Setting(key, label, "text", (), True)
    kinds: dict[str, Kind] = {"int": "whole", "float": "number", "number": "number", "bool": "flag"}
    kind: Kind = "list" if option.many else kinds.get(option.kind, "text")
    choices = ("yes", "no") if kind == "flag" else tuple(map(str, option.choices))
    return Setting(key, label, kind, choices, True)


@functools.cache
def _hints(section: str) -> dict[str, Any]:
    """The types of a section's keys. Python would work them out anew for every row that Review shows."""
    return get_type_hints(type(getattr(Recipe(), section)))


def _is_union(hint: Any) -> bool:
    return type(None) in get_args(hint)


@dataclass(frozen=True, slots=True)
class Standing:
    """One setting as it stands."""

    setting: Setting
    text: str
    """Its value, or what was typed and is none."""
    remark: str = ""
    level: str = ""
    """``unusual`` or ``wrong`` where it is."""
    before: str | None = None
    """Its value in the run this was copied from, where it was another."""


def standing(state: WizardState, one: Setting) -> Standing:
    """A setting's value and what is to be said of it."""
    key = one.key
    text = state.text(key)
    if key in state.typed:
        return Standing(one, text, "", "wrong")
    value = flatten(state.recipe).get(key)
    before = None
    if state.parent is not None:
        there = flatten(state.parent[1]).get(key)
        if there != value:
            before = shown(there) or "none"
    advised = state.reason(key)
    if advised is None or same(advised.value, value) or key == "output.name":
        return Standing(one, text, "", "", before)
    if key == "base.family" and value is None:
        return Standing(one, shown(advised.value), "by its header", "", before)
    within = (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and advised.low is not None
        and advised.high is not None
        and advised.low <= value <= advised.high
    )
    remark = f"advised {shown(advised.value) or 'none'}"
    return Standing(one, text, remark, "" if within else "unusual", before)


def same(one: Any, other: Any) -> bool:
    """Whether two values mean the same; none, nothing and no list are one."""
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return list(one) == list(other)
    empty: tuple[Any, ...] = (None, "", [], ())
    if one in empty and other in empty:
        return True
    return bool(msgspec.to_builtins(one) == msgspec.to_builtins(other))


def changed(state: WizardState) -> Iterator[Setting]:
    """Settings that differ from the run this was copied from."""
    for key, _, _ in state.differences():
        yield setting(state.recipe, key)
