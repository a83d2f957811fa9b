"""Shorter ways to the pixels of the formats that Pillow is slow at. Each may say no; then Pillow decides.

WEBP: Pillow decodes it as an animation, which takes half as long again as libwebp's plain entry point, so
that is called in the very library Pillow came with, for the brightness alone. PNG: imagecodecs, where it
is installed (extra ``fast``), is a fifth faster. A file that either refuses is shown to Pillow, whose
verdict is the trainer's.
"""

from __future__ import annotations

import ctypes
import importlib.util
import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

_MOST_SCRATCH = 64 << 20
"""Bytes of one thread's work space; a larger picture goes to Pillow."""

# libwebp's decode.h. The ABI's upper byte is checked when it is called; the layout has not changed since.
_ABI = 0x0209
_MODE_YUV = 11


class _Features(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int) for name in ("width", "height", "has_alpha", "has_animation", "format")),
        ("pad", ctypes.c_uint32 * 5),
    ]


class _Planes(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("y", "u", "v", "a")),
        *((name, ctypes.c_int) for name in ("y_stride", "u_stride", "v_stride", "a_stride")),
        *((name, ctypes.c_size_t) for name in ("y_size", "u_size", "v_size", "a_size")),
    ]


class _Buffer(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int) for name in ("colorspace", "width", "height", "is_external_memory")),
        ("planes", _Planes),
        ("pad", ctypes.c_uint32 * 4),
        ("private_memory", ctypes.c_void_p),
    ]


class _Options(ctypes.Structure):
    _fields_ = [
        ("bypass_filtering", ctypes.c_int),
        ("no_fancy_upsampling", ctypes.c_int),
        ("use_cropping", ctypes.c_int),
        ("crop", ctypes.c_int * 4),
        ("use_scaling", ctypes.c_int),
        ("scaled", ctypes.c_int * 2),
        ("use_threads", ctypes.c_int),
        ("dithering", ctypes.c_int),
        ("flip", ctypes.c_int),
        ("alpha_dithering", ctypes.c_int),
        ("pad", ctypes.c_uint32 * 5),
    ]


class _Config(ctypes.Structure):
    _fields_ = [("input", _Features), ("output", _Buffer), ("options", _Options)]


_FULL_RANGE = [max(0, min(255, round((level - 16) * 255 / 219))) for level in range(256)]
"""Video's 16 to 235, in which WEBP keeps brightness, as 0 to 255."""

_scratch = threading.local()


def recipe() -> str:
    """Which of the ways change the numbers that come out."""
    ways = ["webp luma"] if _webp_library() is not None else []
    return " ".join([*ways, "png rows"] if importlib.util.find_spec("imagecodecs") else ways)


def webp_grey(data: bytes) -> Image.Image | None:
    """The brightness of a still WEBP without transparency, in full size, to be used before the next call in
    this thread. None: not here, or not by this way."""
    library, frame = _webp_library(), _only_frame(data)
    if library is None or frame is None:
        return None
    from PIL import Image

    data, canvas = frame
    config = _Config()
    size = ctypes.c_size_t(len(data))
    if not library.WebPInitDecoderConfigInternal(ctypes.byref(config), _ABI):
        return None
    if library.WebPGetFeaturesInternal(data, size, ctypes.byref(config.input), _ABI):
        return None
    width, height = config.input.width, config.input.height
    half = (width + 1) // 2 * ((height + 1) // 2)
    space = _space(width * height + 2 * half)
    if space is None or config.input.has_animation or canvas not in (None, (width, height)):
        return None
    start = ctypes.addressof(ctypes.c_char.from_buffer(space))
    planes = config.output.planes
    planes.y, planes.y_stride, planes.y_size = start, width, width * height
    planes.u, planes.u_stride, planes.u_size = start + width * height, (width + 1) // 2, half
    planes.v, planes.v_stride, planes.v_size = start + width * height + half, (width + 1) // 2, half
    config.output.colorspace, config.output.is_external_memory = _MODE_YUV, 1
    config.options.bypass_filtering = 1  # smooths the edges of blocks, which no small copy shows
    if library.WebPDecode(data, size, ctypes.byref(config)):
        return None
    return Image.frombuffer("L", (width, height), space, "raw", "L", width, 1)


_PARTS = {b"ICCP": 0x20, b"EXIF": 0x08, b"XMP ": 0x04}
"""Chunks of the extended format and the flag that announces each."""


def _only_frame(data: bytes) -> tuple[bytes, tuple[int, int] | None] | None:
    """The one picture of a WEBP and the canvas it must fill. None where the container is not as plain as can
    be: Pillow's animation decoder is strict about it, and sees the picture's own bytes alone."""
    if data[12:16] in (b"VP8 ", b"VP8L"):
        return data, None
    if data[12:16] != b"VP8X" or len(data) < 30:
        return None
    flags, frames, at = data[20], [], 30
    found = 0
    while at + 8 <= len(data):
        name, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name in (b"VP8 ", b"VP8L"):
            frames.append(data[at + 8 : at + 8 + length])
        elif name in _PARTS:
            found |= _PARTS[name]
        else:
            return None
        at += 8 + length + length % 2
    whole = at == len(data) == int.from_bytes(data[4:8], "little") + 8
    if not whole or found != flags or len(frames) != 1:
        return None
    canvas = int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    return frames[0], canvas


def full_range(grey: Image.Image) -> Image.Image:
    """The brightness that ``webp_grey`` gives, brought to 0 to 255."""
    return grey.point(_FULL_RANGE)


def png(data: bytes, short_side: int) -> Image.Image | None:
    """An 8-bit colour PNG decoded; without transparency, its height divided by a whole number that leaves at
    least ``short_side`` pixels of the shorter side. None: not here, or not by this way."""
    decode = _png_decoder()
    if decode is None:
        return None
    import numpy as np
    from PIL import Image

    try:
        pixels = decode(data)
    except Exception:  # of a C library: whatever it is, Pillow shall say it
        return None
    if pixels.ndim != 3 or pixels.dtype != "uint8" or pixels.shape[2] not in (3, 4):
        return None
    if pixels.shape[2] == 4:
        return Image.frombuffer("RGBA", pixels.shape[1::-1], pixels, "raw", "RGBA", 0, 1)
    factor = min(pixels.shape[:2]) // short_side
    if factor > 1:
        # Rows are summed here: Pillow would first copy every pixel into four bytes.
        end = pixels.shape[0] // factor * factor
        summed = np.add(pixels[0:end:factor], pixels[1:end:factor], dtype=np.uint16)
        for start in range(2, factor):
            summed += pixels[start:end:factor]
        pixels = (summed // factor).astype(np.uint8)
    picture = Image.frombuffer("RGB", pixels.shape[1::-1], pixels, "raw", "RGB", 0, 1)
    return picture.reduce((factor, 1)) if factor > 1 else picture


def _space(size: int) -> bytearray | None:
    """Memory of this thread's own, used again and again: fresh pages cost as much as a tenth of decoding."""
    if size > _MOST_SCRATCH:
        return None
    space: bytearray | None = getattr(_scratch, "space", None)
    if space is None or len(space) < size:
        space = _scratch.space = bytearray(size)
    return space


@cache
def _webp_library() -> Any:
    """The libwebp inside Pillow's wheel; None where Pillow was built otherwise."""
    import PIL

    found = sorted((Path(PIL.__file__).parent.parent / "pillow.libs").glob("libwebp-*.so*"))
    try:
        library = ctypes.CDLL(str(found[0]))
        library.WebPGetFeaturesInternal.argtypes = [
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_void_p,
            ctypes.c_int,
        ]
        library.WebPInitDecoderConfigInternal.argtypes = [ctypes.c_void_p, ctypes.c_int]
        library.WebPDecode.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p]
    except (IndexError, OSError, AttributeError):
        return None
    return library


@cache
def _png_decoder() -> Any:
    """imagecodecs' decoder by libspng, which finds every fault that Pillow finds."""
    if importlib.util.find_spec("imagecodecs") is None:
        return None
    try:
        from imagecodecs import spng_decode
    except (ImportError, OSError):
        return None
    return spng_decode
