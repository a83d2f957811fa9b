"""The file of sample prompts in sd-scripts' syntax. No torch."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loratui.problems import refusal


@dataclass(frozen=True, slots=True)
class Prompt:
    """One picture to draw."""

    text: str
    width: int
    """Pixels, a multiple of 8."""
    height: int
    negative: str = ""
    seed: int | None = None
    scale: float = 7.5
    """Classifier-free guidance (arXiv:2207.12598); 1 switches it off."""
    steps: int = 30
    sampler: str = ""
    """As sample_sampler names them; empty for the one of the config."""


def read_prompts(path: Path, size: tuple[int, int]) -> list[Prompt]:
    """The prompts of a .txt, .toml or .json file; ``size`` (width, height) holds where none is named.

    In a .txt one a line; blank lines and lines that start with # are passed over. A .toml has ``[prompt]``
    with what all share and ``[[prompt.subset]]`` for each; a .json is a list (sd-scripts
    library/train_util.py:6329). Raises ``UserError`` for a file that is missing, broken, or has no prompt.
    """
    try:
        text = path.read_text(encoding="utf-8")
        entries = _entries(path.suffix.lower(), text)
        prompts = [
            parse_prompt(entry, size) if isinstance(entry, str) else _from_table(entry, size)
            for entry in entries
        ]
    except (OSError, UnicodeDecodeError):
        raise refusal(
            path, "the sample prompts cannot be read.", "Check sample_prompts.", "sample_prompts"
        ) from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        message = f"the sample prompts are not as they should be: {error}."
        raise refusal(path, message, _FORMS, "sample_prompts") from None
    if not prompts:
        raise refusal(path, "no prompt is in this file.", "Write one prompt a line.", "sample_prompts")
    return prompts


_FORMS = "Write one prompt a line into a .txt file."


def _entries(suffix: str, text: str) -> list[Any]:
    if suffix == ".txt":
        return [line for line in map(str.strip, text.splitlines()) if line and line[0] != "#"]
    if suffix == ".toml":
        shared = tomllib.loads(text)["prompt"]
        return [{**shared, **subset} for subset in shared["subset"]]
    if suffix == ".json":
        return list(json.loads(text))
    raise ValueError(f"{suffix or 'a file without an ending'} is none of .txt, .toml and .json")


def _from_table(table: Mapping[str, Any], size: tuple[int, int]) -> Prompt:
    """As a line would say it, so that the same limits hold."""
    options = {
        "n": "negative_prompt",
        "w": "width",
        "h": "height",
        "d": "seed",
        "l": "scale",
        "s": "sample_steps",
        "ss": "sample_sampler",
    }
    words = [f" --{letter} {table[key]}" for letter, key in options.items() if table.get(key) is not None]
    return parse_prompt(str(table["prompt"]) + "".join(words), size)


def parse_prompt(line: str, size: tuple[int, int]) -> Prompt:
    """``words --n negative --w 512 --h 512 --d seed --l scale --s steps --ss sampler`` (sd-scripts
    library/train_util.py, ``line_to_prompt_dict``). Options of another kind, or without a sound
    value, are passed over as there."""
    text, *options = re.split(r"\s--(?=[a-zA-Z]+\s)", f" {line}")
    parts = (option.partition(" ") for option in options)
    found = {name.lower(): value.strip() for name, _, value in parts}

    def number(name: str, least: int, most: int, default: int | None) -> int | None:
        return max(least, min(most, int(found[name]))) if found.get(name, "").isdecimal() else default

    try:
        scale = float(found.get("l", "7.5"))
    except ValueError:
        scale = 7.5
    width = number("w", 64, 8192, size[0]) or size[0]
    height = number("h", 64, 8192, size[1]) or size[1]
    return Prompt(
        text.strip(),
        width - width % 8,
        height - height % 8,
        found.get("n", ""),
        number("d", 0, 2**63 - 1, None),
        scale,
        number("s", 1, 1000, 30) or 30,
        found.get("ss", ""),
    )
