"""Recipes from what others wrote: kohya_ss GUI's .json, and any Kohya TOML. What is not understood is listed,
never dropped in silence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from loratui import kohya_config
from loratui.engines import config
from loratui.engines.importing import kohya_ss_gui
from loratui.engines.importing.imported import Imported, NotUnderstood
from loratui.problems import Problem, UserError, nearest
from loratui.recipe import change
from loratui.recipe.rules import SECRETS
from loratui.tomlfile import read_toml

_MODEL, _FOLDER = "MODEL", "PICTURES"
"""Stand in while a preset, which names neither, is read."""


def read(path: Path) -> Imported:
    """Read either. Raises ``UserError`` when the file is neither, or contradicts itself."""
    if path.suffix.lower() == ".json":
        gui = kohya_ss_gui.read(_read_json(path))
    else:
        gui = kohya_ss_gui.FromGui(flat=kohya_config.flatten(read_toml(path)))
    flat, remarks, left = gui.flat, gui.remarks, gui.left
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
    recipe = change(config.from_kohya(flat, str(path)), gui.changes)
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


def _understood(flat: Mapping[str, Any]) -> tuple[dict[str, Any], list[NotUnderstood]]:
    """What some script knows, and the rest with the key that may have been meant."""
    known: dict[str, Any] = {}
    left: list[NotUnderstood] = []
    words = {key for script in kohya_config.CONFIG_SCRIPTS for key in kohya_config.keys(script)}
    for key, value in flat.items():
        if key in kohya_config.NEVER_READ:
            continue
        scripts = kohya_config.scripts_with(key)
        if key in SECRETS:
            said = f"a secret stands in no recipe: export {SECRETS[key]}=... before you start"
            left.append(NotUnderstood(key, "(not shown)", said))
        elif not scripts:
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
