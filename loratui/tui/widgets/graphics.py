"""Pictures at full quality, for terminals that can: kitty's protocol and sixel.

One round of questions finds out, each answered within one trip over the link: whatever a terminal is, it
answers the last of them (primary device attributes), so nothing is waited for in vain.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

QUESTIONS = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[16t\x1b[c"
"""Can you show a picture (kitty's graphics protocol, "Querying support")? How large is a cell (xterm's
ctlseqs, CSI 16 t)? What are you (DA1)?"""

_LAST_ANSWER = re.compile(rb"\x1b\[\?([\d;]*)c")
_CELL = re.compile(rb"\x1b\[6;(\d+);(\d+)t")
_CHUNK = 4096
"""Bytes of base64 in one of kitty's escape sequences, at most."""
_COLOURS = 128
"""Of a sixel picture; xterm has 256 registers at most, and some emulators fewer."""
_BAND = 6
_USUAL_CELL = (10, 20)
"""Pixels, where the terminal does not tell: those of a VT340."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a terminal said of itself."""

    kitty: bool = False
    sixel: bool = False
    cell: tuple[int, int] = _USUAL_CELL
    """Width and height of a cell in pixels."""


def is_answered(answers: bytes) -> bool:
    """Whether the last question has been answered."""
    return _LAST_ANSWER.search(answers) is not None


def abilities(answers: bytes) -> Abilities:
    """From all that came back; 4 among the device attributes is sixel."""
    attributes = _LAST_ANSWER.search(answers)
    cell = _CELL.search(answers)
    return Abilities(
        kitty=b"\x1b_Gi=31;OK" in answers,
        sixel=attributes is not None and b"4" in attributes[1].split(b";")[1:],
        cell=(int(cell[2]), int(cell[1])) if cell and int(cell[1]) and int(cell[2]) else _USUAL_CELL,
    )


def fit(picture: tuple[int, int], room: tuple[int, int]) -> tuple[int, int]:
    """The size of a picture (width, height in pixels) in ``room``; never enlarged beyond twice its own."""
    share = min(2.0, room[0] / picture[0], room[1] / picture[1])
    return max(1, int(picture[0] * share)), max(1, int(picture[1] * share))


def kitty(png: bytes) -> Iterator[bytes]:
    """A PNG file as kitty's escape sequences: transmit and display at the cursor."""
    text = base64.standard_b64encode(png)
    pieces = [text[at : at + _CHUNK] for at in range(0, len(text), _CHUNK)] or [b""]
    for number, piece in enumerate(pieces):
        keys = b"f=100,a=T,q=2," if number == 0 else b""
        more = b"m=1" if number < len(pieces) - 1 else b"m=0"
        yield b"\x1b_G" + keys + more + b";" + piece + b"\x1b\\"


def sixel(picture: Image) -> Iterator[bytes]:
    """A picture as DEC sixels (VT330/VT340 Programmer Reference, chapter 14): bands of six rows, each drawn
    once for every colour in it."""
    reduced = picture.convert("RGB").quantize(_COLOURS)
    width, height = reduced.size
    palette = reduced.getpalette() or []
    yield b'\x1bP0;1q"1;1;%d;%d' % (width, height)
    for number in range(len(palette) // 3):
        red, green, blue = (round(value * 100 / 255) for value in palette[3 * number : 3 * number + 3])
        yield b"#%d;2;%d;%d;%d" % (number, red, green, blue)
    pixels = reduced.tobytes()
    for top in range(0, height, _BAND):
        rows = [pixels[y * width : (y + 1) * width] for y in range(top, min(top + _BAND, height))]
        for colour in sorted(set().union(*rows)):
            yield b"#%d" % colour + _runs(rows, colour, width) + b"$"
        yield b"-"
    yield b"\x1b\\"


def _runs(rows: list[bytes], colour: int, width: int) -> bytes:
    """One colour of a band, run-length encoded."""
    bits = [0] * width
    for number, row in enumerate(rows):
        at = row.find(colour)
        while at >= 0:
            bits[at] |= 1 << number
            at = row.find(colour, at + 1)
    parts, begun = bytearray(), 0
    for x in range(1, width + 1):
        if x == width or bits[x] != bits[begun]:
            count, sign = x - begun, bytes([63 + bits[begun]])
            parts += sign * count if count < 4 else b"!%d" % count + sign
            begun = x
    return bytes(parts)
