"""Names of models on the Hugging Face hub."""

from __future__ import annotations

import os
import re
from pathlib import Path

from loratui.formats.hub_files import INDEX
from loratui.places import expanded

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_FILES = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".gguf")


def is_hub_id(model: str, folder: Path | None = None) -> bool:
    """Whether ``model`` is meant as ``org/name`` on the hub: it has that form, and no path below ``folder``
    (the working folder when absent) is called so."""
    if not _NAME.fullmatch(model) or model.lower().endswith(_FILES):
        return False
    return not ((folder or Path()) / model).exists()


def is_offline() -> bool:
    """Whether huggingface_hub was told to ask nobody."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def cache() -> Path:
    """Where huggingface_hub keeps models (its constants.py: HF_HUB_CACHE, else below HF_HOME)."""
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    named = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    return expanded(named or Path(home) / "hub")


def cached_in(name: str) -> Path:
    """Where it keeps one model."""
    return cache() / f"models--{name.replace('/', '--')}"


def cached_model(name: str) -> Path | None:
    """The newest snapshot of a model in that cache: its folder, or its only file where it is no folder of
    parts. None when there is none. Whether all of it is there, its loader says."""
    snapshots = sorted(cached_in(name).glob("snapshots/*"), key=lambda path: path.stat().st_mtime)
    if not snapshots:
        return None
    single = list(snapshots[-1].glob("*.safetensors"))
    return single[0] if len(single) == 1 and not (snapshots[-1] / INDEX).exists() else snapshots[-1]
