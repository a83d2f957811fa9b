"""A picture decoded once: whether the trainer's own decoder takes it, what it looks like, how sharp it is.

The hashes are pHash (the signs of an 8x8 corner of a 32x32 cosine transform around their median) and
dHash (whether each cell of 9x8 is darker than its neighbour), 64 bits each.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from operator import mul
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from PIL import Image

RECIPE = 1
"""Goes up whenever the same file would give other numbers; hashes of two recipes are never compared."""

_SHORT_SIDE = 192
"""Grey copies are brought to this shorter side, so that sharpness means the same in all of them."""

_COSINES = [[math.cos(math.pi * k * (2 * x + 1) / 64) for x in range(32)] for k in range(8)]
_LAPLACIAN = (0, 1, 0, 1, -4, 1, 0, 1, 0)


class Pixels(msgspec.Struct, frozen=True, array_like=True):
    """What decoding showed."""

    fault: Literal["", "truncated", "unreadable", "bomb"] = ""
    """Why the trainer's decoder refuses it."""
    words: str = ""
    """The decoder's own words for it."""
    width: int = 0
    height: int = 0
    transparent: bool = False
    """Some pixel is not opaque."""
    frequencies: int = 0
    """pHash."""
    slopes: int = 0
    """dHash."""
    range: int = 0
    """Grey levels between the darkest and the lightest of 32x32 cells."""
    sharpness: float = 0.0
    """Variance of the Laplacian of the grey copy."""

    @property
    def hash(self) -> int:
        """Both hashes, 128 bits."""
        return self.frequencies << 64 | self.slopes


def look(path: Path) -> Pixels:
    """Decode a picture, JPEG at reduced size (which finds the same faults as full size). Never raises
    for what a file holds."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            width, height = picture.size
            scale = _SHORT_SIDE / max(1, min(width, height))
            if picture.format == "JPEG" and scale < 1:
                picture.draft("L", (int(width * scale), int(height * scale)))
            picture.load()
            transparent = _is_transparent(picture)
            grey = _grey(picture)
    except Image.DecompressionBombError as error:
        return Pixels("bomb", str(error))
    except UnidentifiedImageError:
        return Pixels("unreadable", "no picture of any known format")
    except (OSError, ValueError, SyntaxError, struct.error, EOFError, MemoryError, IndexError) as error:
        words = str(error)
        return Pixels("truncated" if "truncated" in words.lower() else "unreadable", words)
    cells = grey.resize((32, 32), Image.Resampling.BOX).tobytes()
    return Pixels(
        width=width,
        height=height,
        transparent=transparent,
        frequencies=_phash(cells),
        slopes=_dhash(grey.resize((9, 8), Image.Resampling.BOX).tobytes()),
        range=max(cells) - min(cells),
        sharpness=_sharpness(grey),
    )


def _is_transparent(picture: Image.Image) -> bool:
    if picture.mode not in ("RGBA", "LA", "PA") and "transparency" not in picture.info:
        return False
    alpha = picture if "A" in picture.mode else picture.convert("RGBA")
    opaque = alpha.getchannel("A").histogram()[255]
    return opaque < alpha.width * alpha.height


def _grey(picture: Image.Image) -> Image.Image:
    """The colours as the trainer sees them (alpha dropped), in grey, at most 192 pixels on the short side."""
    from PIL import Image

    if picture.mode not in ("L", "RGB", "RGBA", "LA"):
        picture = picture.convert("RGB")
    grey = picture if picture.mode == "L" else picture.convert("L")
    if min(grey.size) <= _SHORT_SIDE:
        return grey.copy() if grey is picture else grey
    scale = _SHORT_SIDE / min(grey.size)
    size = (max(1, round(grey.width * scale)), max(1, round(grey.height * scale)))
    return grey.resize(size, Image.Resampling.BOX)


def _phash(cells: bytes) -> int:
    rows = [cells[at : at + 32] for at in range(0, 1024, 32)]
    # Along the rows first, for the 8 lowest frequencies; then down the columns.
    columns = [[sum(map(mul, wave, row)) for row in rows] for wave in _COSINES]
    values = [sum(map(mul, wave, column)) for wave in _COSINES for column in columns]
    middle = sorted(values)[31:33]
    return _bits(value > sum(middle) / 2 for value in values)


def _dhash(cells: bytes) -> int:
    return _bits(cells[9 * row + x] < cells[9 * row + x + 1] for row in range(8) for x in range(8))


def _bits(values: Iterable[bool]) -> int:
    return int("".join("1" if value else "0" for value in values), 2)


def _sharpness(grey: Image.Image) -> float:
    from PIL import ImageFilter

    if min(grey.size) < 3:
        return 0.0
    edges = grey.filter(ImageFilter.Kernel((3, 3), _LAPLACIAN, scale=1, offset=128))
    # The filter leaves the border as it was.
    histogram = edges.crop((1, 1, grey.width - 1, grey.height - 1)).histogram()
    total = sum(histogram)
    mean = sum(map(mul, range(256), histogram)) / total
    squares = [count * (level - mean) ** 2 for level, count in enumerate(histogram) if count]
    return math.fsum(squares) / total
