"""Modules that do nothing, because one of their factors is all zeros. Without numpy."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import BinaryIO

from loratui.formats.tensorfile import BITS, Header, Tensor, chunks
from loratui.lora.files.layers import canonical
from loratui.lora.files.modules import Module

_CHUNK = 1 << 20
_FACTORS = re.compile(r"^(down|up|mid|hada_[wt][12](_[ab])?|lokr_[wt][12](_[ab])?|diff)$")
_ENCODER_LAYER = re.compile(r"^(lora_te\d?)_.*_layers_(\d{1,4})_")


def zero_halves(path: Path, header: Header, modules: list[Module]) -> list[Module]:
    """The modules with a factor of nothing but zeros (or of no numbers at all). Raises ``OSError``."""
    with path.open("rb") as file:
        return [
            module
            for module in modules
            if any(
                _all_zero(file, header.data_start, header.tensors[key])
                for part, key in module.keys.items()
                if _FACTORS.match(part)
            )
        ]


def unused_layers(modules: list[Module], dead: list[Module]) -> tuple[list[Module], list[Module]]:
    """``dead`` in two: those in the last layers of a text encoder that are dead as a whole while earlier
    ones are not (a clip skip leaves those layers out, sd-scripts --clip_skip), and the rest."""
    alive: dict[str, set[int]] = defaultdict(set)
    names = {module.name for module in dead}
    for module in modules:
        place = _encoder_layer(module)
        if place and module.name not in names:
            alive[place[0]].add(place[1])
    idle = [
        module
        for module in dead
        if (place := _encoder_layer(module)) and alive[place[0]] and place[1] > max(alive[place[0]])
    ]
    return idle, [module for module in dead if module not in idle]


def _encoder_layer(module: Module) -> tuple[str, int] | None:
    found = _ENCODER_LAYER.match(canonical(module.name))
    return (found[1], int(found[2])) if found else None


def _all_zero(file: BinaryIO, start: int, tensor: Tensor) -> bool:
    size = max(BITS[tensor.dtype] // 8, 1)
    return all(
        not raw.strip(b"\0") or _signed_zeros(raw, size, tensor.dtype)
        for raw in chunks(file, start, tensor, _CHUNK)
    )


def _signed_zeros(raw: bytes, size: int, dtype: str) -> bool:
    """Whether only signs are set: -0.0 is zero too."""
    if not dtype.startswith(("F", "BF")):
        return False
    return not raw[size - 1 :: size].strip(b"\0\x80") and all(
        not raw[place::size].strip(b"\0") for place in range(size - 1)
    )
