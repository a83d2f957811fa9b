"""The number format of a file: fp16, bf16 or float."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from loratui.formats.lora_names import is_lora_key
from loratui.lora.files.streams import (
    FLOATS,
    PRECISIONS,
    Entry,
    Reader,
    cast,
    copied,
    made,
    refuse_existing,
    without_hashes,
    write,
)

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Cast:
    """What was written."""

    out: Path
    precision: str
    tensors_changed: int
    tensors: int
    bytes_before: int
    bytes: int


def change_precision(path: Path, out: Path, precision: str) -> Cast:
    """Write a copy of a LoRA or a checkpoint whose numbers are ``precision`` (float, fp16, bf16).

    Whole numbers stay as they are. Holds one tensor at a time. Raises ``UserError`` when ``out`` exists,
    the file is damaged, or a number does not fit.
    """
    refuse_existing(out)
    with Reader(path) as reader:
        names = reader.header.tensors
        entries: list[Entry] = []
        changed = 0
        for name, tensor in names.items():
            dtype = target_dtype(tensor.dtype, precision)
            if tensor.dtype.startswith(("F4", "F6", "F8")):
                raise reader.error(
                    f"{name[:100]} is stored as {tensor.dtype}, which nothing is gained by widening.",
                    "Use the fp16 or full version of this file.",
                )
            if dtype == tensor.dtype:
                entries.append(copied(reader, name))
                continue
            changed += 1
            entries.append(made(name, dtype, tensor.shape, _maker(reader, name, dtype)))
        lora = any(is_lora_key(name) for name in names)
        size = write(out, entries, without_hashes(reader.header.metadata), hashed=lora)
        return Cast(out, precision, changed, len(names), path.stat().st_size, size)


def _maker(reader: Reader, name: str, dtype: str) -> Callable[[], torch.Tensor]:
    return lambda: refuse_not_finite(reader, name, reader.tensor(name), dtype)


def target_dtype(dtype: str, precision: str | None) -> str:
    """What a tensor of ``dtype`` becomes; only numbers with a fraction change. None keeps it."""
    return PRECISIONS[precision] if precision and dtype in FLOATS else dtype


def refuse_not_finite(reader: Reader, name: str, tensor: torch.Tensor, dtype: str) -> torch.Tensor:
    """The tensor in ``dtype``. Raises ``UserError`` when a number in it is NaN or infinite, or becomes it."""
    if fits(tensor, dtype):
        return cast(tensor, dtype)
    if fits(tensor, "F64"):
        raise reader.error(
            f"a number in {name[:100]} is too large for {dtype.lower()}: {float(tensor.abs().max()):.3g}.",
            "Use --precision bf16 or float, or a smaller strength.",
        )
    raise reader.error(
        f"{name[:100]} holds NaN or infinite numbers: this file is broken.", "Download it again."
    )


def fits(tensor: torch.Tensor, dtype: str) -> bool:
    """Whether all numbers are finite once they are rounded to ``dtype``. NaN shows in the extremes too."""
    import torch

    if not tensor.numel():
        return True
    return bool(cast(torch.stack(torch.aminmax(tensor)), dtype).isfinite().all())
