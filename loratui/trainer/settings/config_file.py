"""config.toml read and checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from loratui import kohya_config
from loratui.builtin import support as builtin_support
from loratui.families import FAMILIES
from loratui.formats.hub_id import is_hub_id
from loratui.problems import Problem, UserError
from loratui.trainer.base.base_model import detect_family
from loratui.trainer.settings.config import ConfigRefusedError, TrainConfig
from loratui.trainer.settings.config_rules import contradictions

_OTHER_ENGINE = 'Remove it, or choose engine = "kohya".'
_REQUIRED = ("pretrained_model_name_or_path", "train_data_dir", "output_dir", "resolution", "network_module")
_WITHOUT = {
    "network_module": "network_module_bad",
    "pretrained_model_name_or_path": "model_missing",
    "resolution": "resolution_missing",
    "train_data_dir": "no_data",
}
"""Causes, keys of presets/hints, by the key that is missing."""


def load_config(path: Path, fetch: Callable[[str], Path] | None = None) -> TrainConfig:
    """Read and check a config.toml. ``fetch`` brings a base model that is named as ``org/name`` from the hub
    when no path is called so; without it only paths are taken.

    Raises ``ConfigRefusedError`` when it cannot be read, or with every problem in it; and ``UserError`` when
    the base model cannot be read.
    """
    try:
        flat = kohya_config.read(path)
    except UserError as error:
        raise ConfigRefusedError(error.source, *error.problems) from None
    model = flat.get("pretrained_model_name_or_path")
    if fetch is None or not isinstance(model, str) or not is_hub_id(model):
        return checked(flat, path)
    found = str(fetch(model))
    return dataclasses.replace(checked({**flat, "pretrained_model_name_or_path": found}, path), hub_id=model)


def checked(flat: Mapping[str, Any], path: Path) -> TrainConfig:
    """A flat config that came from ``path``. Raises as ``load_config`` does."""
    elsewhere = ("train_data_dir", "resolution") if flat.get("dataset_config") else ()
    if flat.get("in_json"):
        elsewhere = ("train_data_dir", *elsewhere)
    missing = [key for key in _REQUIRED if key not in elsewhere and not flat.get(key)]
    model = flat.get("pretrained_model_name_or_path")
    if not isinstance(model, str) or not model:
        script = "train_network"
        family = "sd15"
    else:
        family = detect_family(Path(model).expanduser())
        script = FAMILIES[family].script
    problems = [_in_words(problem, family) for problem in kohya_config.check(flat, script)]
    problems += [
        Problem(key, "is missing.", "Write it into the file.", _WITHOUT.get(key, "setting_missing"))
        for key in missing
    ]
    problems += _unsupported(flat, script)
    if problems:
        raise ConfigRefusedError(str(path), *problems)
    config = _build(path, family, flat, script)
    problems = list(contradictions(config))
    if problems:
        raise ConfigRefusedError(str(path), *problems)
    return config


def _in_words(problem: Problem, family: str) -> Problem:
    """A key of the scripts for other families says that the model is not what the config was made for."""
    scripts = {facts.script: facts.title for facts in FAMILIES.values() if facts.builtin}
    others = [title for script, title in scripts.items() if script in kohya_config.scripts_with(problem.key)]
    if not others or kohya_config.option(problem.key, FAMILIES[family].script):
        return problem
    message = f"is a setting for {others[0]}, and the model is a {FAMILIES[family].title} one."
    return Problem(problem.key, message, f"Choose a model of {others[0]}, or remove the key.")


def _unsupported(flat: Mapping[str, Any], script: str) -> Iterator[Problem]:
    known = builtin_support.KEYS | builtin_support.IGNORED_KEYS
    for key, value in flat.items():
        option = kohya_config.option(key, script)
        if option is None or key in known or value == option.default:
            continue
        fix = builtin_support.INSTEAD.get(key, _OTHER_ENGINE)
        yield Problem(key, "the builtin trainer cannot do this yet.", fix)


def _build(path: Path, family: str, flat: Mapping[str, Any], script: str) -> TrainConfig:
    values = {
        field.name: flat.get(field.name, _default(field.name, script))
        for field in dataclasses.fields(TrainConfig)
        if field.name not in ("source", "family", "hub_id")
    }
    return TrainConfig(source=path, family=family, **values)


def _default(key: str, script: str) -> Any:
    """None for a key that only the scripts of other families have."""
    found = kohya_config.option(key, script)
    return found.default if found else None
