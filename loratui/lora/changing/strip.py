"""A copy of a LoRA file whose metadata tells nothing of the person's things."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from loratui.atomic import new_file
from loratui.formats.tensorfile import Header, read_header
from loratui.lora.publishing.privacy import stripped
from loratui.problems import Problem, UserError

_CHUNK = 1 << 20
_WAY_OUT = "Make room or choose another place."
_ALIGNMENT = 8
"""Bytes: the safetensors library pads headers with spaces to a multiple of it."""


def strip(path: Path, out: Path) -> Header:
    """Write ``path`` without what ``leaks_of`` finds to ``out``; returns the copy's header.

    The tensors' bytes, their order and so the hashes of them stay the same. Raises ``UserError`` when
    ``path`` is unsound, ``out`` exists or is not called .safetensors, or the disk refuses; nothing is left
    under the name ``out`` then.
    """
    header = read_header(path)
    if out.suffix.lower() != ".safetensors":
        raise UserError(str(out), Problem("", "a LoRA file ends in .safetensors.", "Add that to the name."))
    _refuse_existing(out)
    raw = header_bytes(header, stripped(header.metadata))
    size = max((tensor.end for tensor in header.tensors.values()), default=0)
    with path.open("rb") as source, new_file(out, _WAY_OUT) as hidden, hidden.open("xb") as target:
        source.seek(header.data_start)
        target.write(len(raw).to_bytes(8, "little") + raw)
        left = size
        while left:
            chunk = source.read(min(left, _CHUNK))
            if not chunk:
                raise UserError(str(path), Problem("", "it changed while it was read.", "Try again."))
            target.write(chunk)
            left -= len(chunk)
        target.flush()
        _refuse_existing(out)  # it may have come to be meanwhile
    return read_header(out)


def _refuse_existing(out: Path) -> None:
    if os.path.lexists(out):
        raise UserError(
            str(out), Problem("", "this is there already and is not written over.", "Choose another name.")
        )


def header_bytes(header: Header, metadata: Mapping[str, str]) -> bytes:
    """The same tensors in the same places under other metadata, padded to eight bytes."""
    entries: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    for name, tensor in header.tensors.items():
        entries[name] = {
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "data_offsets": [tensor.begin, tensor.end],
        }
    raw = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    return raw + b" " * (-len(raw) % _ALIGNMENT)
