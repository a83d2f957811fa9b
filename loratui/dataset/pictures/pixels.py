"""A picture decoded once: whether the trainer's own decoder takes it, what it looks like, how sharp it is."""

from __future__ import annotations

import importlib.util
import struct
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from loratui.dataset.pictures import decoding
from loratui.dataset.pictures.hashing import numbers, numbers_by_numpy
from loratui.dataset.pictures.headers import Header

if TYPE_CHECKING:
    from PIL import Image

RECIPE = 2
"""Goes up whenever the same file would give other numbers; hashes of two recipes are never compared."""

_SHORT_SIDE = 192
"""Grey copies are brought to this shorter side, so that sharpness means the same in all of them."""

_ODD_WAVES = int("01" * 32, 2)
"""In each row of 8 bits of pHash the odd frequencies; rows are the frequencies down the columns."""


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
    slopes: int = 0
    mirrored_slopes: int = 0
    range: int = 0
    sharpness: float = 0.0
    """These as in ``hashing.Numbers``."""

    @property
    def hash(self) -> int:
        """Both hashes, 128 bits."""
        return self.frequencies << 64 | self.slopes

    @property
    def mirrored_hash(self) -> int:
        """Nearly the hash of the same picture seen in a mirror: odd waves along the rows change their
        sign."""
        return (self.frequencies ^ _ODD_WAVES) << 64 | self.mirrored_slopes


def look(path: Path, header: Header | None = None, *, shortcuts: bool = True) -> Pixels:
    """Decode a picture, JPEG at reduced size (which finds the same faults as full size). Never raises
    for what a file holds.

    ``header`` is what its bytes say. With it, and where that is sound, ``shortcuts`` around Pillow are
    taken; what they refuse, Pillow decides.
    """
    if header is not None and shortcuts and not header.fault:
        found = _by_shortcut(path, header)
        if found is not None:
            return found
    return _by_pillow(path, shortcuts and has_numpy())


def _by_shortcut(path: Path, header: Header) -> Pixels | None:
    still = not header.animated and not header.deep
    if not still or header.kind not in ("webp", "png") or (header.kind == "webp" and header.alpha):
        return None
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if header.kind == "png":
        picture = decoding.png(data, _SHORT_SIDE)
    else:
        bright = decoding.webp_grey(data)
        picture = None if bright is None else decoding.full_range(_small(bright))
    if picture is None:
        return None
    return _described(picture, (header.width, header.height), has_numpy())


@cache
def has_numpy() -> bool:
    return importlib.util.find_spec("numpy") is not None


def _by_pillow(path: Path, fast: bool) -> Pixels:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            size = picture.size
            scale = _SHORT_SIDE / max(1, min(size))
            if picture.format == "JPEG" and scale < 1:
                picture.draft("L", (int(size[0] * scale), int(size[1] * scale)))
            picture.load()
            return _described(picture, size, fast)
    except Image.DecompressionBombError as error:
        return Pixels("bomb", str(error))
    except UnidentifiedImageError:
        return Pixels("unreadable", "no picture of any known format")
    except (OSError, ValueError, SyntaxError, struct.error, EOFError, MemoryError, IndexError) as error:
        words = str(error)
        return Pixels("truncated" if "truncated" in words.lower() else "unreadable", words)


def _described(picture: Image.Image, size: tuple[int, int], fast: bool) -> Pixels:
    """What a picture looks like; ``size`` is the whole one's."""
    found = (numbers_by_numpy if fast else numbers)(_grey(picture))
    return Pixels(width=size[0], height=size[1], transparent=_is_transparent(picture), **found._asdict())


def _is_transparent(picture: Image.Image) -> bool:
    if picture.mode not in ("RGBA", "LA", "PA") and "transparency" not in picture.info:
        return False
    alpha = picture if "A" in picture.mode else picture.convert("RGBA")
    opaque = alpha.getchannel("A").histogram()[255]
    return opaque < alpha.width * alpha.height


def _grey(picture: Image.Image) -> Image.Image:
    """The colours as the trainer sees them (alpha dropped), in grey, at most 192 pixels on the short side."""
    if picture.mode not in ("L", "RGB", "RGBA", "LA"):
        picture = picture.convert("RGB")
    if picture.mode == "RGB":
        picture = _shrunk(picture)  # before the conversion: a third of the time
    grey = picture if picture.mode == "L" else picture.convert("L")
    return _small(grey)


def _small(grey: Image.Image) -> Image.Image:
    from PIL import Image

    grey = _shrunk(grey)
    if min(grey.size) <= _SHORT_SIDE:
        return grey.copy()
    scale = _SHORT_SIDE / min(grey.size)
    size = (max(1, round(grey.width * scale)), max(1, round(grey.height * scale)))
    return grey.resize(size, Image.Resampling.BOX)


def _shrunk(picture: Image.Image) -> Image.Image:
    """By a whole number, which is fast, as far as that leaves enough."""
    factor = min(picture.size) // _SHORT_SIDE
    return picture.reduce(factor) if factor > 1 else picture
