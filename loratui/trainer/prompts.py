"""The file of sample prompts: one a line, in sd-scripts' syntax. No torch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

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


def read_prompts(path: Path, size: tuple[int, int]) -> list[Prompt]:
    """The prompts of a .txt file; ``size`` (width, height) holds where a line names none.

    Blank lines and lines that start with # are passed over. Raises ``UserError`` for a file that is
    missing, is no text, or has no prompt.
    """
    if path.suffix.lower() != ".txt":
        raise refusal(path, "sample prompts are read from .txt files only.", "Write one prompt a line.")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise refusal(path, "the sample prompts cannot be read.", "Check sample_prompts.") from None
    prompts = [parse_prompt(line, size) for line in map(str.strip, lines) if line and line[0] != "#"]
    if not prompts:
        raise refusal(path, "no prompt is in this file.", "Write one prompt a line.")
    return prompts


def parse_prompt(line: str, size: tuple[int, int]) -> Prompt:
    """``words --n negative --w 512 --h 512 --d seed --l scale --s steps`` (sd-scripts
    library/train_util.py, ``line_to_prompt_dict``). Options of another kind, or without a sound
    value, are passed over as there."""
    text, *options = re.split(r"\s--(?=[a-z]+\s)", f" {line}")
    found = {name: value.strip() for name, _, value in (option.partition(" ") for option in options)}

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
    )
