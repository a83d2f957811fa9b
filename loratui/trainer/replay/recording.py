"""Optimizer steps recorded from sd-scripts, as files on disk; the format is told in the recordings' own
README (``common/README.md``)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from loratui import kohya_config
from loratui.problems import refusal
from loratui.trainer.captions.text import Tokens
from loratui.trainer.settings.config import TrainConfig
from loratui.trainer.settings.config_file import checked

_PATHS = (
    "dataset_config",
    "network_weights",
    "pretrained_model_name_or_path",
    "reg_data_dir",
    "train_data_dir",
)


@dataclass(frozen=True, slots=True)
class Recording:
    """One configuration."""

    folder: Path
    common: Path
    """The folder of models, pictures and start weights that all configurations share."""
    config: TrainConfig
    facts: dict[str, Any]
    """record.json."""
    tensors: dict[str, Tensor]
    """record.safetensors."""

    @property
    def passes(self) -> list[dict[str, Any]]:
        """What is known of each forward pass beside its tensors."""
        found: list[dict[str, Any]] = self.facts["micro_steps"]
        return found

    @property
    def steps(self) -> list[dict[str, Any]]:
        """What is known of each optimizer step."""
        found: list[dict[str, Any]] = self.facts["optimizer_steps"]
        return found

    def tensor(self, number: int, name: str) -> Tensor:
        """One tensor of a forward pass, counted from 0."""
        return self.tensors[f"micro.{number:03d}.{name}"]

    def tokens(self, number: int) -> list[Tokens] | None:
        """What each text encoder was given in a forward pass; None where it is not recorded, as with cached
        text encoder outputs."""
        prefix = f"micro.{number:03d}."
        names = ("_1", "_2") if self.config.family == "sdxl" else ("",)
        weighted = f"{prefix}weighted_input_ids{names[0]}" in self.tensors
        kind = "weighted_input_ids" if weighted else "input_ids"
        found = []
        for name in names:
            ids = self.tensors.get(f"{prefix}{kind}{name}")
            weights = self.tensors.get(f"{prefix}token_weights{name}")
            if ids is None:
                return None
            found.append(Tokens(ids.long(), None if weights is None else _row(weights)))
        return found

    @property
    def start_weights(self) -> Path:
        """The LoRA the run began with."""
        own = self.folder / "initial_lora.safetensors"
        return own if own.is_file() else Path(str(self.config.network_weights))


def _row(weights: Tensor) -> Tensor:
    """[B,n,77] to [B,75 n + 2]: the weights of starts and ends are 1."""
    ends = torch.ones_like(weights[:, 0, :1])
    return torch.cat([ends, weights[:, :, 1:-1].flatten(1), ends], dim=1)


def find(folder: Path) -> list[Path]:
    """The configuration folders below ``folder``. Raises ``UserError`` when there is none."""
    found = sorted(path.parent for path in folder.rglob("record.safetensors"))
    if not found:
        raise refusal(folder, "no recorded steps lie below this folder.", "Name the folder that holds them.")
    return found


def read(folder: Path, common: Path) -> Recording:
    """One configuration; paths in its config.toml are meant from the folder that holds ``common``.

    Raises ``UserError`` when something is missing or the trainer cannot do what the config asks for.
    """
    from safetensors.torch import load_file

    path = folder / "config.toml"
    flat = kohya_config.read(path)
    for key in _PATHS:
        if flat.get(key):
            flat[key] = str((common.parent / flat[key]).resolve())
    config = checked(flat | {"output_dir": str(folder)}, path)
    try:
        facts = json.loads((folder / "record.json").read_text(encoding="utf-8"))
        tensors = load_file(folder / "record.safetensors")
    except (OSError, ValueError) as error:
        raise refusal(folder, f"the recording cannot be read: {error}.", "Copy it again.") from None
    return Recording(folder, common, config, facts, tensors)


def relative_error(found: float, wanted: float) -> float:
    """How far ``found`` is from ``wanted``, relative to it; an expected 0 must be met exactly."""
    if wanted == 0:
        return 0.0 if found == 0 else float("inf")
    return abs(found - wanted) / abs(wanted)


def change_error(found: dict[str, Tensor], wanted: dict[str, Tensor], start: dict[str, Tensor]) -> float:
    """L2 norm of the error of final weights, divided by that of their change since the start."""

    def norm(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
        parts = [(one[name].double() - other[name].double()).flatten() for name in wanted]
        return float(torch.cat(parts).norm())

    if found.keys() != wanted.keys():
        return float("inf")
    error, change = norm(found, wanted), norm(wanted, start)
    return error / change if change else (float("inf") if error else 0.0)
