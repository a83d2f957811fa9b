"""A LoRA in the other naming: Kohya's, or diffusers' and peft's."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from loratui.lora.files.lora_writer import kohya_names
from loratui.lora.files.module_names import Naming, diffusers_name
from loratui.lora.files.streams import Entry, cast, copied, made, refuse_existing, without_hashes, write
from loratui.lora.files.weights import ADAPTER_METADATA, FOLDED_ALPHA, LoraFile, LoraModule

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Renamed:
    """What was written."""

    out: Path
    naming: Naming
    family: str
    modules: int
    strength_in_metadata: bool
    """Whether alpha is in diffusers' metadata alone, which diffusers before 0.34 does not read."""
    bytes: int


def rename(path: Path, out: Path) -> Renamed:
    """Write a copy of a LoRA in the naming it does not have. There and back gives the same numbers.

    peft's names have no alpha. Where ``alpha / rank`` is a power of two it goes into the weights, exactly,
    and every program is right; else into diffusers' metadata. Raises ``UserError`` when ``out`` exists,
    or the file is damaged or no LoRA or LoCon.
    """
    refuse_existing(out)
    with LoraFile(path) as file:
        return _to_diffusers(file, out) if file.naming == "kohya" else _to_kohya(file, out)


def _to_diffusers(file: LoraFile, out: Path) -> Renamed:
    modules = list(file.plain())
    scales = {}
    alphas: dict[str, float] = {}
    fold = True
    for found in modules:
        up, down, scale = file.factors(found)
        name = diffusers_name(found.module)
        scales[name], alphas[name] = scale, scale * down.shape[0]
        fold = fold and _folds(up, scale, _dtype(file, found))
    entries: list[Entry] = []
    for found in modules:
        name = diffusers_name(found.module)
        entries.append(copied(file.reader, found.names["down"], f"{name}.lora_A.weight"))
        entries.append(_up(file, found, f"{name}.lora_B.weight", scales[name] if fold else 1.0))
    metadata = without_hashes(file.reader.header.metadata)
    if fold:
        metadata[FOLDED_ALPHA] = json.dumps(alphas, separators=(",", ":"))
    else:
        metadata[ADAPTER_METADATA] = json.dumps(_adapter(file, modules, alphas), indent=1, sort_keys=True)
    size = write(out, entries, metadata | {"format": "pt"})
    return Renamed(out, "diffusers", _family(file), len(modules), not fold, size)


def _to_kohya(file: LoraFile, out: Path) -> Renamed:
    modules = list(file.plain())
    folded = _numbers(file.reader.header.metadata.get(FOLDED_ALPHA, ""))
    entries: list[Entry] = []
    for found in modules:
        _, down, scale = file.factors(found)
        names = kohya_names(found.module, sdxl=file.sdxl)
        rank = down.shape[0]
        alpha = folded.get(diffusers_name(found.module))
        back = rank / alpha if alpha else 1.0
        alpha = alpha or scale * rank
        dtype = _dtype(file, found)
        entries.append(_number(names["alpha"], dtype, alpha))
        entries.append(copied(file.reader, found.names["down"], names["down"]))
        entries.append(_up(file, found, names["up"], back))
    metadata = {
        key: text
        for key, text in without_hashes(file.reader.header.metadata).items()
        if key not in (FOLDED_ALPHA, ADAPTER_METADATA, "format")
    }
    size = write(out, entries, metadata, hashed=True)
    return Renamed(out, "kohya", _family(file), len(modules), False, size)


def _up(file: LoraFile, found: LoraModule, name: str, scale: float) -> Entry:
    old = found.names["up"]
    if scale == 1.0:
        return copied(file.reader, old, name)
    stored = file.reader.header.tensors[old]
    return made(name, stored.dtype, stored.shape, lambda: file.reader.tensor(old) * scale)


def _number(name: str, dtype: str, value: float) -> Entry:
    import torch

    return made(name, dtype, (), lambda: torch.tensor(value))


def _folds(up: torch.Tensor, scale: float, dtype: str) -> bool:
    """Whether the scale can go into the weights and come out again without a bit of difference."""
    if not scale > 0 or math.frexp(scale)[0] != 0.5:
        return False
    folded = cast(up * scale, dtype)
    return bool((folded.float() / scale == up).all())


def _dtype(file: LoraFile, found: LoraModule) -> str:
    return file.reader.header.tensors[found.names["up"]].dtype


def _adapter(file: LoraFile, modules: list[LoraModule], alphas: dict[str, float]) -> dict[str, object]:
    """peft's ``LoraConfig`` of each part, as diffusers keeps it."""
    table: dict[str, object] = {}
    for part in sorted({found.module.part for found in modules}):
        ranks, parts_alphas = {}, {}
        for found in modules:
            if found.module.part == part:
                path = found.module.path.removeprefix("text_model.")
                ranks[path] = file.reader.header.tensors[found.names["down"]].shape[0]
                parts_alphas[path] = alphas[diffusers_name(found.module)]
        rank = max(ranks.values())
        alpha = max(parts_alphas.values())
        table |= {
            f"{part}.r": rank,
            f"{part}.lora_alpha": alpha,
            f"{part}.rank_pattern": {path: own for path, own in ranks.items() if own != rank},
            f"{part}.alpha_pattern": {path: own for path, own in parts_alphas.items() if own != alpha},
            f"{part}.target_modules": sorted(ranks),
        }
    return table


def _numbers(text: str) -> dict[str, float]:
    try:
        value = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    if not isinstance(value, dict):
        return {}
    return {
        key: float(number)
        for key, number in value.items()
        if isinstance(number, int | float) and math.isfinite(number) and number > 0
    }


def _family(file: LoraFile) -> str:
    return "sdxl" if file.sdxl else "sd15"
