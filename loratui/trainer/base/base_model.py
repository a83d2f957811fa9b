"""Which of the families it trains a base model belongs to."""

from __future__ import annotations

from pathlib import Path

from loratui.builtin.support import FAMILIES
from loratui.models.inspect import require_base
from loratui.problems import refusal


def detect_family(path: Path) -> str:
    """``"sd15"``, ``"sd2"`` or ``"sdxl"`` for a diffusers folder or a single .safetensors file, from headers
    alone.

    Raises ``UserError`` for everything that cannot be trained: missing or truncated files, pickles,
    LoRA files, other families.
    """
    family = require_base(path).family
    if family is None or family not in FAMILIES:
        raise refusal(
            path,
            f"the builtin trainer does not train {family} models.",
            'Choose engine = "kohya", or a Stable Diffusion 1.x, 2.x or SDXL model.',
            "wrong_arch",
        )
    return family
