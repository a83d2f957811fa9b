"""Is a finished LoRA file sound? Read without torch, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from loratui.formats.lora_names import is_lora_key
from loratui.formats.tensorfile import Header, Tensor, chunks, read_header
from loratui.problems import Problem, UserError

_CHUNK = 1 << 22
"""Bytes held at a time; divides by every element's size."""


class _Format(NamedTuple):
    """Where in an element (little endian) the exponent lies: NaN and infinity have all its bits set."""

    size: int
    high: int
    """The exponent's bits in the last byte."""
    low: int
    """The exponent's bits in the byte before it; 0 when there are none."""


_FORMATS = {
    "F64": _Format(8, 0x7F, 0xF0),
    "F32": _Format(4, 0x7F, 0x80),
    "C64": _Format(4, 0x7F, 0x80),
    "BF16": _Format(2, 0x7F, 0x80),
    "F16": _Format(2, 0x7C, 0),
    "F8_E5M2": _Format(1, 0x7C, 0),
    "F8_E4M3": _Format(1, 0x7F, 0),
}


def problems(path: Path) -> list[Problem]:
    """What makes a LoRA file useless: it does not open, its header is unsound, it holds no LoRA, or
    numbers in it are NaN or infinite. Empty when it is sound. Reads the file once."""
    try:
        header = read_header(path)
    except UserError as error:
        return list(error.problems)
    found = []
    if not any(is_lora_key(name) for name in header.tensors):
        found.append(Problem("", "it holds no LoRA weights.", "Look into the log for what was saved."))
    try:
        broken = list(not_finite(path, header))
    except OSError as error:
        return [*found, Problem("", f"it cannot be read: {error.strerror}.", "Check the disk.")]
    if broken:
        found.append(
            Problem(
                "",
                f"{len(broken)} of its {len(header.tensors)} tensors hold NaN or infinite numbers,"
                f" first {broken[0][:80]}.",
                "Train again with a lower learning rate, or with bf16 or full precision.",
            )
        )
    return found


def not_finite(path: Path, header: Header) -> Iterator[str]:
    """The names of tensors with a NaN or an infinite number, in the order of the file."""
    with path.open("rb") as file:
        for name, tensor in sorted(header.tensors.items(), key=lambda item: item[1].begin):
            known = _FORMATS.get(tensor.dtype)
            if known is not None and _holds_not_finite(file, header.data_start, tensor, known):
                yield name


def _holds_not_finite(file: BinaryIO, start: int, tensor: Tensor, known: _Format) -> bool:
    return any(_any_not_finite(raw, known) for raw in chunks(file, start, tensor, _CHUNK))


def _any_not_finite(raw: bytes, known: _Format) -> bool:
    high = raw[known.size - 1 :: known.size]
    # Bytes with the exponent's upper bits all set are rare in sound weights: looking for each of
    # them with memchr skips nearly every chunk in a fraction of the time of looking at each number.
    if not any(suspect in high for suspect in range(256) if suspect & known.high == known.high):
        return False
    if not known.low:
        return True
    low = raw[known.size - 2 :: known.size]
    return any(
        upper & known.high == known.high and lower & known.low == known.low
        for upper, lower in zip(high, low, strict=True)
    )
