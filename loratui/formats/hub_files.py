"""Which files of a repository on the hub make a base model."""

from __future__ import annotations

import re
from collections.abc import Sequence

from loratui.problems import refusal

_FOLDERS = frozenset(
    {"unet", "vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "scheduler"}
)
_WORDS = (".json", ".txt")
_WEIGHTS = re.compile(r"(?:diffusion_pytorch_)?model(?:-\d{5}-of-\d{5})?\.safetensors")
"""Not those of a variant (``.fp16.``, ``.non_ema.``), nor pickles."""
INDEX = "model_index.json"


def wanted(name: str, files: Sequence[str]) -> list[str]:
    """Those files of a repository that a training needs, the index of a folder first. Raises ``UserError``
    when it holds no model that can be loaded."""
    if INDEX not in files:
        single = [file for file in files if "/" not in file and file.endswith(".safetensors")]
        if len(single) == 1:
            return single
        if single:
            some = ", ".join(sorted(single)[:4])
            raise refusal(name, f"it holds {len(single)} models: {some}.", "Download one, and name its file.")
        raise refusal(name, "no Stable Diffusion model is in it.", "Choose another model.")
    found = [INDEX]
    for file in sorted(files):
        folder, _, rest = file.partition("/")
        if folder in _FOLDERS and "/" not in rest and (rest.endswith(_WORDS) or _WEIGHTS.fullmatch(rest)):
            found.append(file)
    if not any(file.startswith("unet/") and file.endswith(".safetensors") for file in found):
        raise refusal(
            name,
            "its U-Net is there as a pickle or a variant only, not as plain safetensors.",
            "Choose another model, or download one and name its path.",
        )
    return found
