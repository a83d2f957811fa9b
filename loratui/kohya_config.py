"""The language of Kohya's ``config.toml``: its keys, types and choices by script; read, check, write.

sd-scripts flattens all sections into one namespace, ignores unknown keys without a word and checks
no type of a value from TOML (library/train_util.py, ``read_config_from_file``). So every file is
checked here before anything starts.

``kohya_options.json`` is the option table of the seven network training scripts of kohya-ss/sd-scripts
at commit 48d368fa, read from their argument parsers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import tomli_w

from loratui.problems import Problem, UserError, nearest
from loratui.tomlfile import read_toml

CONFIG_SCRIPTS = (
    "train_network",
    "sdxl_train_network",
    "sd3_train_network",
    "flux_train_network",
    "lumina_train_network",
    "anima_train_network",
    "hunyuan_image_train_network",
)

NEVER_READ = frozenset(
    {
        *("epoch", "noise_offset_type", "stop_text_encoder_training", "mem_eff_save"),
        *("single_blocks_to_swap", "double_blocks_to_swap"),
    }
)
"""Keys that kohya_ss' GUI writes into its config_lora-*.toml (kohya_gui/lora_gui.py), and sd-scripts passes
over."""

_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "number": (int, float),
    "str": (str,),
    "bool": (bool,),
}
_TYPE_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "number": "a number",
    "str": "text in quotes",
    "bool": "true or false",
}


class Option:
    """What one script accepts for one key."""

    __slots__ = ("choices", "default", "kind", "many")

    def __init__(self, row: Mapping[str, Any]) -> None:
        self.kind: str = row["type"]
        self.many: bool = row.get("many", False)
        self.choices: list[str] | list[int] = row.get("choices", [])
        self.default: Any = row.get("default", False if self.kind == "bool" else None)

    def accepts(self, value: Any) -> bool:
        """Whether a TOML value has the type that the script's own code goes on to expect."""
        values = value if self.many and isinstance(value, list) else [value]
        return all(
            isinstance(item, _PYTHON_TYPES[self.kind])
            and (self.kind == "bool" or not isinstance(item, bool))
            and not (isinstance(item, float) and not math.isfinite(item))
            and (not self.choices or item in self.choices)
            for item in values
        )

    def expectation(self) -> str:
        """What to write instead, in words."""
        if self.choices:
            return "one of " + ", ".join(map(str, self.choices))
        return ("a list of " if self.many else "") + _TYPE_WORDS[self.kind]


@cache
def _table() -> dict[str, list[dict[str, Any]]]:
    text = Path(__file__).with_name("kohya_options.json").read_text(encoding="utf-8")
    table: dict[str, list[dict[str, Any]]] = json.loads(text)
    return table


def option(key: str, script: str) -> Option | None:
    """What ``script`` accepts for ``key``, or None when it has no such key."""
    for row in _table().get(key, ()):
        if script in row.get("scripts", CONFIG_SCRIPTS):
            return Option(row)
    return None


def scripts_with(key: str) -> list[str]:
    """The scripts that have a key."""
    return [script for script in CONFIG_SCRIPTS if option(key, script) is not None]


def keys(script: str) -> list[str]:
    """Every key of a script."""
    return [key for key in _table() if option(key, script) is not None]


def default(key: str, script: str = "train_network") -> Any:
    """The script's own default. Raises ``KeyError`` for a key it does not have."""
    found = option(key, script)
    if found is None:
        raise KeyError(key)
    return found.default


def read(path: Path) -> dict[str, Any]:
    """A config.toml as one flat mapping. Raises ``UserError`` when it cannot be read as TOML."""
    return flatten(read_toml(path))


def flatten(document: Mapping[str, Any]) -> dict[str, Any]:
    """Sections flattened as sd-scripts does: their names mean nothing, the last of a key wins."""
    flat: dict[str, Any] = {}
    for key, value in document.items():
        if isinstance(value, dict):
            flat.update(value)
        else:
            flat[key] = value
    if flat.get("caption_extention") is not None:  # an old spelling, which wins (train_util.py:5404)
        flat["caption_extension"] = flat.pop("caption_extention")
    return flat


_CHOICE_CAUSES = {
    "lr_scheduler": "sched_unknown",
    "mixed_precision": "mp_unsupported",
    "optimizer_type": "opt_unknown",
}
"""Keys of presets/hints for a word that is none of a setting's choices."""


def check(flat: Mapping[str, Any], script: str = "train_network") -> list[Problem]:
    """Every key that ``script`` does not have, and every value it would choke on."""
    problems = []
    for key, value in flat.items():
        found = option(key, script)
        if found is None:
            problems.append(Problem(key, f"{script} has no such key.", _suggestion(key, script)))
        elif not found.accepts(value):
            message = f"{value!r} does not fit; it must be {found.expectation()}."
            cause = _CHOICE_CAUSES.get(key, "value_range") if found.choices else "setting_type"
            problems.append(Problem(key, message, cause=cause))
    return problems


def _suggestion(key: str, script: str) -> str:
    others = scripts_with(key)
    if others:
        return f"It belongs to {', '.join(others)}."
    return nearest(key, keys(script)) or "Remove it."


def checked(path: Path, script: str = "train_network") -> dict[str, Any]:
    """Read and check. Raises ``UserError`` naming the file and each bad key."""
    flat = read(path)
    problems = check(flat, script)
    if problems:
        raise UserError(str(path), *problems)
    return flat


def dumps(sections: Mapping[str, Mapping[str, Any]]) -> str:
    """The text of a config.toml, section by section; empty sections and None values left out."""
    document = {
        name: {key: value for key, value in values.items() if value is not None}
        for name, values in sections.items()
    }
    return tomli_w.dumps({name: values for name, values in document.items() if values})


def parse_resolution(text: str) -> tuple[int, int]:
    """``"512"`` or ``"512,768"`` as (width, height) in pixels. Raises ``ValueError`` otherwise."""
    parts = [int(part) for part in text.split(",")]
    if len(parts) not in (1, 2) or min(parts) < 1:
        raise ValueError(f"{text!r} is not a resolution")
    return parts[0], parts[-1]
