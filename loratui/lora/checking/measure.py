"""The strength of each module of a file, and the size of the weights it changes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from loratui.formats.tensorfile import Header
from loratui.lora.checking.strength import delta_norm
from loratui.lora.files import numbers
from loratui.lora.files.base import Base, Layer
from loratui.lora.files.layers import canonical
from loratui.lora.files.modules import Module
from loratui.lora.files.scale import Scale

_NO_FACTORS = frozenset({"alpha", "dora_scale", "on_input", "rescale", "scalar", "diff_b", "b_norm"})


@dataclass(frozen=True, slots=True)
class Measured:
    """One module."""

    name: str
    norm: float
    """Frobenius norm of alpha / rank times what its factors make."""
    base_norm: float
    """The norm of the weights it is added to, or of freshly initialised ones of that size."""
    estimated: bool
    """Whether ``base_norm`` is such a guess."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """All modules that could be measured, and those that could not."""

    modules: tuple[Measured, ...]
    left_out: tuple[Module, ...]


@dataclass(frozen=True, slots=True)
class Strength:
    """How much a LoRA changes the weights at strength 1."""

    blocks: Mapping[str, float]
    """Frobenius norm of the change by block, in the order the model runs them."""
    relative: Mapping[str, float]
    """The same over the norm of the weights that are changed."""
    overall: float
    overall_relative: float
    estimated: bool
    """Whether some weights' norms are guesses, since the base model is not at hand."""


def measure(
    path: Path, header: Header, modules: list[Module], factors: Mapping[str, Scale], base: Base | None
) -> Measurement:
    """Read the factors, a module at a time, and the weights of ``base`` that they change.

    ``modules`` must be whole (``Module.misfit`` empty). Raises ``OSError`` when the disk refuses.
    """
    found: list[Measured] = []
    left_out: list[Module] = []
    with path.open("rb") as file:
        for module in modules:
            norm = _norm(file, header, module)
            if norm is None or module.size is None:
                left_out.append(module)
                continue
            layer = _layer(module, base)
            base_norm = _typical_norm(module.size[0]) if layer is None else _layer_norm(layer)
            factor = abs(factors[module.name].factor)
            found.append(Measured(module.name, norm * factor, base_norm, layer is None))
    return Measurement(tuple(found), tuple(left_out))


def _norm(file: BinaryIO, header: Header, module: Module) -> float | None:
    tensors = {part: header.tensors[key] for part, key in module.keys.items() if part not in _NO_FACTORS}
    if not all(numbers.readable(tensor) for tensor in tensors.values()):
        return None
    parts = {part: numbers.read(file, header.data_start, tensor) for part, tensor in tensors.items()}
    try:
        norm = delta_norm(module.kind, parts)
    except (ValueError, KeyError, IndexError):
        return None
    return norm if norm is not None and math.isfinite(norm) else None


def _layer(module: Module, base: Base | None) -> Layer | None:
    layer = base.layers.get(canonical(module.name, base.layers_per_block)) if base else None
    if layer is None or layer.size != module.size or not numbers.readable(layer.tensor):
        return None
    return layer


def _layer_norm(layer: Layer) -> float:
    import numpy as np

    with layer.file.open("rb") as file:
        weight = numbers.read(file, layer.data_start, layer.tensor, layer.rows)
    return math.sqrt(float(np.sum(np.square(weight, dtype=np.float64))))


def _typical_norm(outputs: int) -> float:
    """The norm of a fresh layer: PyTorch draws weights from +-1/sqrt(inputs), whose variance is
    1 / (3 inputs), so that the squares of outputs x inputs of them add up to outputs / 3
    (``nn.Linear.reset_parameters``)."""
    return math.sqrt(outputs / 3)
