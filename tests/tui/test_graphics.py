"""Pictures at full quality: what a terminal can, and what it is sent."""

from __future__ import annotations

import base64
import re

from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from loratui.tui.widgets import graphics


def decoded(data: bytes) -> Image.Image:
    """A sixel picture as a terminal would draw it."""
    head = re.match(rb'\x1bP0;1q"1;1;(\d+);(\d+)', data)
    assert head is not None
    assert data.endswith(b"\x1b\\")
    picture = Image.new("RGB", (int(head[1]), int(head[2])), "magenta")
    colours: dict[int, tuple[int, int, int]] = {}
    x = top = colour = 0
    for piece in re.findall(rb"#\d+(?:;2;\d+;\d+;\d+)?|!\d+.|[?-~]|\$|-", data[head.end() : -2]):
        if piece.startswith(b"#"):
            number, *rest = [int(part) for part in piece[1:].split(b";")]
            colour = number
            if rest:
                colours[number] = tuple(round(part * 255 / 100) for part in rest[1:])  # type: ignore[assignment]
        elif piece == b"$":
            x = 0
        elif piece == b"-":
            x, top = 0, top + 6
        else:
            count, sign = (int(piece[1:-1]), piece[-1]) if piece[:1] == b"!" else (1, piece[0])
            for column in range(x, x + count):
                for bit in range(6):
                    if (sign - 63) >> bit & 1:
                        picture.putpixel((column, top + bit), colours[colour])
            x += count
    return picture


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(1, 20), st.randoms(use_true_random=False))
def test_a_sixel_picture_comes_out_as_it_went_in(width: int, height: int, random: object) -> None:
    picture = Image.new("RGB", (width, height))
    choices = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)]
    for y in range(height):
        for x in range(width):
            picture.putpixel((x, y), random.choice(choices))  # type: ignore[attr-defined]
    drawn = decoded(b"".join(graphics.sixel(picture)))
    assert drawn.size == picture.size
    assert drawn.tobytes() == picture.tobytes()


def test_kitty_gets_the_png_in_pieces() -> None:
    png = bytes(range(256)) * 40
    pieces = list(graphics.kitty(png))
    assert len(pieces) > 1
    assert all(len(piece) < 4200 for piece in pieces)
    assert pieces[0].startswith(b"\x1b_Gf=100,a=T,q=2,m=1;")
    assert pieces[-1].startswith(b"\x1b_Gm=0;")
    text = b"".join(piece[piece.index(b";") + 1 : -2] for piece in pieces)
    assert base64.standard_b64decode(text) == png


def test_what_terminals_answer() -> None:
    kitty = graphics.abilities(b"\x1b_Gi=31;OK\x1b\\\x1b[6;20;9t\x1b[?62;c")
    assert (kitty.kitty, kitty.sixel, kitty.cell) == (True, False, (9, 20))
    sixel = graphics.abilities(b"\x1b[?62;4;22c")
    assert (sixel.kitty, sixel.sixel, sixel.cell) == (False, True, (10, 20))
    plain = graphics.abilities(b"\x1b[?1;2c")
    assert not (plain.kitty or plain.sixel)
    assert graphics.is_answered(b"\x1b[?1;2c")
    assert not graphics.is_answered(b"\x1b[6;20;9t")
    assert graphics.abilities(b"") == graphics.Abilities()


def test_a_picture_is_fitted_and_hardly_enlarged() -> None:
    assert graphics.fit((1024, 512), (800, 600)) == (800, 400)
    assert graphics.fit((64, 64), (800, 600)) == (128, 128)
