"""Names of models on the Hugging Face hub."""

from __future__ import annotations

import re
from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_FILES = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".gguf")


def is_hub_id(model: str, folder: Path | None = None) -> bool:
    """Whether ``model`` is meant as ``org/name`` on the hub: it has that form, and no path below ``folder``
    (the working folder when absent) is called so."""
    if not _NAME.fullmatch(model) or model.lower().endswith(_FILES):
        return False
    return not ((folder or Path()) / model).exists()
