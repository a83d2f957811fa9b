"""Small .safetensors files, written by hand so that they can also be wrong."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Shape = tuple[int, ...]
SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "U8": 1}


def pack(header: object, data: bytes = b"") -> bytes:
    """A file with any header, sound or not."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(raw).to_bytes(8, "little") + raw + data


def write_shapes(path: Path, shapes: Mapping[str, Shape], metadata: Mapping[str, str] | None = None) -> Path:
    """A sparse file of F16 tensors of zeros: any size, hardly a byte on disk."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    at = 0
    for name, shape in shapes.items():
        end = at + 2 * math.prod(shape)
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [at, end]}
        at = end
    with path.open("wb") as file:
        file.write(pack(header))
        file.truncate(file.tell() + at)
    return path


def write_bytes(path: Path, tensors: Mapping[str, tuple[str, bytes]]) -> Path:
    """A file of flat tensors given as (dtype, bytes)."""
    header: dict[str, Any] = {}
    data = b""
    for name, (dtype, raw) in tensors.items():
        shape = [len(raw) // SIZES[dtype]]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    path.write_bytes(pack(header, data))
    return path
