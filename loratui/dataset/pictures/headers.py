"""The gate: what a picture file says of itself, and whether it is whole, without decoding a pixel.

JPEG by its markers to the end mark, PNG by its chunks and their checksums, WEBP by its RIFF chunks.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Literal

import msgspec

Fault = Literal["", "zero_bytes", "truncated", "damaged", "unreadable"]


class Header(msgspec.Struct, frozen=True, array_like=True):
    """What the bytes of one file say."""

    kind: Literal["jpeg", "png", "webp", "bmp", "other"]
    width: int = 0
    """Pixels as stored, before EXIF rotation; 0 when no size was found."""
    height: int = 0
    fault: Fault = ""
    alpha: bool = False
    """There is a channel or a colour for transparency; whether it is used only the pixels say."""
    animated: bool = False
    cmyk: bool = False
    deep: Literal["", "grey", "colour"] = ""
    """16 bits a channel."""
    orientation: int = 1
    """EXIF, 1 to 8; 1 is upright."""


Checksum = Callable[[memoryview], int]


def read_header(data: bytes, crc32: Checksum = zlib.crc32) -> Header:
    """What the bytes of a whole file say; ``crc32`` does what zlib's does. Never raises."""
    if not data:
        return Header("other", fault="zero_bytes")
    try:
        if data.startswith(b"\xff\xd8"):
            return _jpeg(data)
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            return _png(data, crc32)
        if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            return _webp(data)
        if data.startswith(b"BM"):
            return _bmp(data)
    except (struct.error, IndexError, ValueError):
        return Header("other", fault="unreadable")
    return Header("other")


_SIZES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})


def _jpeg(data: bytes) -> Header:
    width = height = 0
    cmyk, orientation, fault = False, 1, "truncated"
    at = 2
    while at + 4 <= len(data) or data[at : at + 2] == b"\xff\xd9":
        if data[at] != 0xFF:
            fault = "damaged"
            break
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker == 0xD9:
            fault = ""
            break
        if marker == 0x01 or 0xD0 <= marker <= 0xD7:
            at += 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        if marker in _SIZES and at + 10 <= len(data):
            height, width, channels = struct.unpack_from(">HHB", data, at + 5)
            cmyk = channels == 4
        elif marker == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":
            orientation = exif_orientation(data[at + 10 : at + 2 + length])
        at += 2 + length
        if marker == 0xDA:
            # From here on no end mark stands in the picture's own data, and what cameras put behind it may
            # hold more of them. From the back: there it stands in most files.
            fault = "" if data.rfind(b"\xff\xd9", at) >= 0 else "truncated"
            break
    return Header("jpeg", width, height, _fault(fault, width, height), cmyk=cmyk, orientation=orientation)


def _png(data: bytes, crc32: Checksum) -> Header:
    width, height, depth, colour = struct.unpack_from(">IIBB", data, 16)
    alpha, animated, orientation, fault = colour in (4, 6), False, 1, "truncated"
    view = memoryview(data)
    at = 8
    while at + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        end = at + 8 + length
        if end + 4 > len(data):
            break
        if crc32(view[at + 4 : end]) != struct.unpack_from(">I", data, end)[0]:
            fault = "damaged"
            break
        if name == b"tRNS":
            alpha = True
        elif name == b"acTL":
            animated = length >= 4 and struct.unpack_from(">I", data, at + 8)[0] > 1
        elif name == b"eXIf":
            orientation = exif_orientation(data[at + 8 : end])
        elif name == b"IEND":
            fault = ""
            break
        at = end + 4
    deep: Literal["", "grey", "colour"] = ""
    if depth == 16:
        deep = "grey" if colour in (0, 4) else "colour"
    fault = _fault(fault, width, height)
    return Header(
        "png", width, height, fault, alpha=alpha, animated=animated, deep=deep, orientation=orientation
    )


def _webp(data: bytes) -> Header:
    size = struct.unpack_from("<I", data, 4)[0] + 8
    fault = "truncated" if len(data) < size else ""
    width = height = 0
    alpha, animated, orientation = False, False, 1
    at = 12
    while at + 8 <= len(data):
        name, length = data[at : at + 4], struct.unpack_from("<I", data, at + 4)[0]
        body = at + 8
        if name == b"VP8X":
            alpha, animated = bool(data[body] & 0x10), bool(data[body] & 0x02)
            width = int.from_bytes(data[body + 4 : body + 7], "little") + 1
            height = int.from_bytes(data[body + 7 : body + 10], "little") + 1
        elif name == b"VP8 " and not width:
            width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, body + 6))
        elif name == b"VP8L" and not width:
            bits = struct.unpack_from("<I", data, body + 1)[0]
            width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
            alpha = bool(bits >> 28 & 1)
        elif name == b"EXIF":
            orientation = exif_orientation(data[body : body + length].removeprefix(b"Exif\0\0"))
        at = body + length + length % 2
    fault = _fault(fault, width, height)
    return Header("webp", width, height, fault, alpha=alpha, animated=animated, orientation=orientation)


def _bmp(data: bytes) -> Header:
    (size,) = struct.unpack_from("<I", data, 14)
    if size == 12:
        width, height, bits = struct.unpack_from("<HH2xH", data, 18)
        packed = False
    else:
        width, height, bits, compression = struct.unpack_from("<ii2xHI", data, 18)
        packed = compression not in (0, 3)
    offset = struct.unpack_from("<I", data, 10)[0]
    whole = offset + (width * bits + 31) // 32 * 4 * abs(height)
    fault = "truncated" if not packed and len(data) < whole else ""
    return Header("bmp", width, abs(height), _fault(fault, width, abs(height)))


def _fault(fault: str, width: int, height: int) -> Fault:
    if width < 1 or height < 1:
        return "truncated" if fault == "truncated" else "unreadable"
    return "truncated" if fault == "truncated" else "damaged" if fault else ""


def exif_orientation(exif: bytes) -> int:
    """EXIF's tag 0x0112 from a TIFF block; 1 (upright) when it is missing or makes no sense."""
    order: Literal["<", ">"] = "<" if exif.startswith(b"II") else ">"
    try:
        (at,) = struct.unpack_from(order + "I", exif, 4)
        (entries,) = struct.unpack_from(order + "H", exif, at)
        for entry in range(entries):
            tag, _, _, value = struct.unpack_from(order + "HHIH", exif, at + 2 + 12 * entry)
            if tag == 0x0112:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1
