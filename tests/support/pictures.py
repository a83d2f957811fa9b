"""Pictures of any size in a few bytes: a true PNG header, and no pixels worth speaking of."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

Entry = tuple[str, int, int]
"""File name, width, height in pixels."""


def png_header(width: int, height: int) -> bytes:
    """A PNG that says its size and holds no picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def make_dataset(folder: Path, subsets: Mapping[str, Sequence[Entry]]) -> Path:
    """A folder of numbered folders of pictures, by name."""
    for name, entries in subsets.items():
        subset = folder / name
        subset.mkdir(parents=True, exist_ok=True)
        for file, width, height in entries:
            (subset / file).write_bytes(png_header(width, height))
    return folder


def squares(count: int, side: int = 512) -> list[Entry]:
    """``count`` pictures of one size."""
    return [(f"{side}_{index}.png", side, side) for index in range(count)]
