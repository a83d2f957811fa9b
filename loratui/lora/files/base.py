"""The layers of a base model, found by the names LoRA files use for them. Headers alone."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from loratui.formats.layouts import text_layout, unet_layout
from loratui.formats.tensorfile import Header, Tensor, read_header
from loratui.lora.files.layers import canonical, component
from loratui.problems import Problem, UserError

_PREFIXES = (
    # where a single file keeps each part; the longer first. True: OpenCLIP's own names
    ("model.diffusion_model.", "lora_unet_", False),
    ("cond_stage_model.transformer.", "lora_te1_", False),
    ("cond_stage_model.model.", "lora_te1_", True),
    ("conditioner.embedders.0.transformer.", "lora_te1_", False),
    ("conditioner.embedders.1.model.", "lora_te2_", True),
    ("text_encoders.clip_l.transformer.", "lora_te1_", False),
    ("text_encoders.clip_g.transformer.", "lora_te2_", False),
    ("net.", "lora_unet_", False),
)
_OTHER_PARTS = (
    "first_stage_model.",
    "cond_stage_model.",
    "conditioner.",
    "text_encoders.",
    "vae.",
    "model_ema.",
)
_FOLDERS = (
    ("unet", "lora_unet_"),
    ("text_encoder", "lora_te1_"),
    ("text_encoder_2", "lora_te2_"),
    ("text_encoder_3", "lora_te3_"),
    ("transformer", "lora_transformer_"),
)

_Place = Callable[[str], tuple[str, str, bool] | None]
"""A tensor's key to (start of its canonical name, rest of the key, whether in OpenCLIP's names)."""


@dataclass(frozen=True, slots=True)
class Layer:
    """Where a layer's weight lies."""

    file: Path
    data_start: int
    tensor: Tensor
    rows: tuple[int, int] | None = None
    """The rows meant, where OpenCLIP keeps q, k and v in one tensor."""

    @property
    def size(self) -> tuple[int, int]:
        """(outputs, inputs x kernel)."""
        outputs = self.tensor.shape[0] if self.rows is None else self.rows[1] - self.rows[0]
        return outputs, math.prod(self.tensor.shape[1:])


@dataclass(frozen=True, slots=True)
class Base:
    """A base model as a LoRA sees it."""

    path: Path
    family: str | None
    layers: Mapping[str, Layer]
    """By canonical name (``layers.canonical``)."""
    layers_per_block: int
    components: frozenset[str]
    """The parts it holds: ``unet``, ``text encoder`` ..."""


def read_base(path: Path, family: str | None) -> Base:
    """A single file or a diffusers folder. Raises ``UserError`` when a header is unsound or nothing in it
    is a layer."""
    per_block = 2
    layers: dict[str, Layer] = {}
    if path.is_dir():
        files = list(_folder(path))
        unet = [key for start, _, header in files if start == "lora_unet_" for key in header.tensors]
        per_block = unet_layout.diffusers_layers(unet) if unet else 2
        for name, file, header in files:
            layers |= _layers(file, header, _folder_place(name), per_block)
    else:
        header = read_header(path)
        per_block = _layers_per_block(header.tensors)
        layers = _layers(path, header, _single_file_place, per_block)
    if not layers:
        raise UserError(
            str(path), Problem("", "no layer that a LoRA could change is in it.", "Name the base model.")
        )
    return Base(path, family, layers, per_block, frozenset(component(name) for name in layers))


def _folder(path: Path) -> Iterator[tuple[str, Path, Header]]:
    for folder, start in _FOLDERS:
        for file in sorted((path / folder).glob("*.safetensors")):
            yield start, file, read_header(file)


def _single_file_place(key: str) -> tuple[str, str, bool] | None:
    for prefix, start, open_clip in _PREFIXES:
        if key.startswith(prefix):
            return start, key.removeprefix(prefix), open_clip
    return None if key.startswith(_OTHER_PARTS) else ("lora_unet_", key, False)


def _folder_place(start: str) -> _Place:
    return lambda key: (start, key, False)


def _layers(file: Path, header: Header, place: _Place, per_block: int) -> dict[str, Layer]:
    found: dict[str, Layer] = {}
    for key, tensor in header.tensors.items():
        placed = place(key)
        if placed is None or not tensor.shape:
            continue
        start, name, open_clip = placed
        for path, third in _open_clip_paths(name) if open_clip else ((name, None),):
            if path.endswith(".weight"):
                rows = None
                if third is not None:
                    height = tensor.shape[0] // 3
                    rows = (third * height, (third + 1) * height)
                layer = canonical(start + path.removesuffix(".weight"), per_block)
                found[layer] = Layer(file, header.data_start, tensor, rows)
    return found


def _open_clip_paths(name: str) -> list[tuple[str, int | None]]:
    return [(path, where.third) for path, where in text_layout.open_clip_keys(name) if not where.transposed]


def _layers_per_block(names: Iterable[str]) -> int:
    """Of a U-Net in a single file; 2 for anything else."""
    keys = [
        name.removeprefix("model.diffusion_model.")
        for name in names
        if re.search(r"input_blocks\.\d{1,3}\.", name)
    ]
    return max(unet_layout.sgm_layers(keys), 1) if keys else 2
