"""Recipes from what others wrote: kohya_ss GUI's .json, and any Kohya TOML. What is not understood is listed,
never dropped in silence."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from loratui import kohya_config
from loratui.engines import config
from loratui.problems import Problem, UserError, nearest
from loratui.recipe import Recipe
from loratui.tomlfile import read_toml

_MODEL, _FOLDER = "MODEL", "PICTURES"
"""Stand in while a preset, which names neither, is read."""

_RENAMED = {
    "epoch": "max_train_epochs",
    "max_resolution": "resolution",
    "optimizer": "optimizer_type",
    "sdxl_no_half_vae": "no_half_vae",
    "sdxl_cache_text_encoder_outputs": "cache_text_encoder_outputs",
}
"""The GUI's names for keys of config.toml (kohya_gui/lora_gui.py)."""
_OF_THE_SCREENS = frozenset(
    {
        "model_list",
        "num_cpu_threads_per_process",
        "gpu_ids",
        "multi_gpu",
        "sample_sampler",
        "sdxl",
        "training_comment",
        "dynamo_backend",
        "dynamo_mode",
        "dynamo_use_dynamic",
        "dynamo_use_fullgraph",
        "extra_accelerate_launch_args",
        "no_token_padding",
        "noise_offset_type",
        "block_lr_zero_threshold",
        "stop_text_encoder_training",
    }
)
_ALGORITHMS = {"LoHa": "loha", "LoKr": "lokr", "LoCon": "locon"}
_ADVICE = {
    "stop_text_encoder_training": "sd-scripts' LoRA scripts have no such thing",
    "noise_offset_type": "the values themselves say which kind it is",
}


@dataclass(frozen=True, slots=True)
class NotUnderstood:
    """One key that the recipe does not hold."""

    key: str
    value: Any
    reason: str


@dataclass(frozen=True, slots=True)
class Imported:
    """A recipe, what was changed on the way, and what it does not hold."""

    recipe: Recipe
    """``base.model`` and ``dataset.folder`` may be empty."""
    remarks: tuple[str, ...]
    not_understood: tuple[NotUnderstood, ...]


def read(path: Path) -> Imported:
    """Read either. Raises ``UserError`` when the file is neither, or contradicts itself."""
    if path.suffix.lower() == ".json":
        flat, remarks, left = _from_gui(_read_json(path))
    else:
        flat, remarks, left = kohya_config.flatten(read_toml(path)), [], []
    flat, more = _understood(flat)
    flat = dict(flat)
    if "network_module" not in flat:
        flat.setdefault("network_dim", 8)
    _mend_alpha(flat, remarks)
    without_model = not flat.get("pretrained_model_name_or_path")
    without_folder = not flat.get("train_data_dir")
    if without_model:
        flat["pretrained_model_name_or_path"] = _MODEL
    if without_folder:
        flat["train_data_dir"] = _FOLDER
    recipe = config.from_kohya(flat, str(path))
    if without_model:
        recipe = msgspec.structs.replace(recipe, base=msgspec.structs.replace(recipe.base, model=""))
        remarks.append("it names no base model: give base.model")
    if without_folder:
        recipe = msgspec.structs.replace(recipe, dataset=msgspec.structs.replace(recipe.dataset, folder=""))
        remarks.append("it names no pictures: give dataset.folder")
    return Imported(recipe, tuple(remarks), (*left, *more))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise UserError(
            str(path), Problem("", f"it cannot be read: {error.strerror}.", "Check the path.")
        ) from None
    except ValueError as error:
        raise UserError(
            str(path), Problem("", f"this is not valid JSON: {error}.", "Save it again.")
        ) from None
    if not isinstance(document, dict):
        raise UserError(str(path), Problem("", "this is no settings file of kohya_ss.", "Give its .json."))
    return document


def _from_gui(document: Mapping[str, Any]) -> tuple[dict[str, Any], list[str], list[NotUnderstood]]:
    """The GUI's values as keys of config.toml. Empty values mean that nothing is set."""
    flat: dict[str, Any] = {}
    remarks: list[str] = []
    left: list[NotUnderstood] = []
    gui = dict(document)
    _network(gui, flat, left)
    _warmup(gui, flat)
    for flag, key in (("mem_eff_attn", "mem_eff_attn"), ("xformers", "xformers")):
        value = gui.pop(flag, None)
        if value in ("sdpa", "xformers"):
            flat[value] = True
        elif value is True:
            flat[key] = True
    if str(gui.get("text_encoder_lr", "")) in ("0", "0.0"):  # trained by nobody, as the GUI has it
        flat["network_train_unet_only"] = True
    arguments = gui.pop("optimizer_args", "")
    if arguments:
        flat["optimizer_args"] = arguments.split() if isinstance(arguments, str) else list(arguments)
    if str(gui.get("max_token_length", "75")) == "75":
        gui.pop("max_token_length", None)
    for old, value in gui.items():
        key = _RENAMED.get(old, old)
        if value in ("", None, [], 0, 0.0, "0", False, "None") and key not in ("network_alpha",):
            continue
        if old in _OF_THE_SCREENS:
            left.append(NotUnderstood(old, value, _ADVICE.get(old, "only for kohya_ss' own screens")))
            continue
        options = [
            found for script in kohya_config.scripts_with(key) if (found := kohya_config.option(key, script))
        ]
        if not options:
            left.append(NotUnderstood(old, value, "no script of sd-scripts has such a key"))
            continue
        try:
            flat[key] = _typed(value, options[0])
        except (TypeError, ValueError):
            left.append(NotUnderstood(old, value, f"it must be {options[0].expectation()}"))
    return flat, remarks, left


def _network(gui: dict[str, Any], flat: dict[str, Any], left: list[NotUnderstood]) -> None:
    kind = str(gui.pop("LoRA_type", "Standard"))
    rank, alpha = gui.pop("conv_dim", 0), gui.pop("conv_alpha", 0)
    algorithm = next((name for word, name in _ALGORITHMS.items() if word in kind), "")
    if kind != "Standard" and not algorithm and "C3Lier" not in kind:
        left.append(NotUnderstood("LoRA_type", kind, "a recipe has lora, locon, loha and lokr"))
    arguments: list[str] = []
    if algorithm in ("loha", "lokr"):
        flat["network_module"] = "lycoris.kohya"
        arguments.append(f"algo={algorithm}")
    if (algorithm or "C3Lier" in kind) and int(float(rank or 0)):
        arguments += [f"conv_dim={int(float(rank))}", f"conv_alpha={float(alpha or 1):g}"]
    if arguments:
        flat["network_args"] = arguments


def _warmup(gui: dict[str, Any], flat: dict[str, Any]) -> None:
    """The GUI's warm-up is in per cent of all steps, and not written where the schedule has none."""
    steps, share = gui.pop("lr_warmup_steps", 0), gui.pop("lr_warmup", 0)
    if gui.get("lr_scheduler") in ("constant", "adafactor"):
        return
    if str(steps or "0") not in ("0", "0.0", ""):
        flat["lr_warmup_steps"] = int(float(steps))
    elif str(share or "0") not in ("0", "0.0", ""):
        flat["lr_warmup_steps"] = float(share) / 100


def _typed(value: Any, option: kohya_config.Option) -> Any:
    makers: dict[str, Callable[[Any], Any]] = {
        "int": lambda text: int(float(text)),
        "float": float,
        "number": float,
        "str": str,
        "bool": bool,
    }
    if option.many and isinstance(value, str):
        value = value.split()
    typed = (
        [makers[option.kind](one) for one in value] if isinstance(value, list) else makers[option.kind](value)
    )
    if not option.accepts(typed):
        raise ValueError(typed)
    return typed


def _understood(flat: Mapping[str, Any]) -> tuple[dict[str, Any], list[NotUnderstood]]:
    """What some script knows, and the rest with the key that may have been meant."""
    known: dict[str, Any] = {}
    left: list[NotUnderstood] = []
    words = {key for script in kohya_config.CONFIG_SCRIPTS for key in kohya_config.keys(script)}
    for key, value in flat.items():
        scripts = kohya_config.scripts_with(key)
        if not scripts:
            left.append(
                NotUnderstood(key, value, f"sd-scripts has no such key. {nearest(key, words)}".strip())
            )
        elif not any((found := kohya_config.option(key, one)) and found.accepts(value) for one in scripts):
            option = kohya_config.option(key, scripts[0])
            assert option is not None
            left.append(NotUnderstood(key, value, f"it must be {option.expectation()}"))
        else:
            known[key] = value
    return known, left


def _mend_alpha(flat: dict[str, Any], remarks: list[str]) -> None:
    """An alpha above the rank multiplies the rates: the same is said with equal alpha and higher rates."""
    rank, alpha = flat.get("network_dim"), flat.get("network_alpha")
    if not isinstance(rank, int) or not isinstance(alpha, int | float) or alpha <= rank:
        return
    factor = alpha / rank
    flat["network_alpha"] = rank
    for key in ("learning_rate", "unet_lr", "text_encoder_lr"):
        if isinstance(flat.get(key), int | float):
            flat[key] *= factor
    remarks.append(
        f"network_alpha {alpha:g} is above network_dim {rank}: written as alpha {rank} and rates times"
        f" {factor:g}, which comes to the same"
    )
