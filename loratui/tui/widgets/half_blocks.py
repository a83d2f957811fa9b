"""A picture out of characters: two pixels to a cell where colours and blocks can be shown, else shades."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import NamedTuple

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

_SHADES = " .:-=+*#%@"


class Rendered(NamedTuple):
    """The lines of a picture, and its own size in pixels."""

    strips: list[Strip]
    width: int
    height: int


def render(path: Path, columns: int, rows: int, *, blocks: bool = True, upright: bool = True) -> Rendered:
    """A picture as large as fits into ``columns`` x ``rows`` cells; a cell is taken to be twice as high as
    wide. What is transparent is white. Not ``upright``: not turned by EXIF, as a trainer sees it. Imports
    Pillow and takes tens of milliseconds: not for the event loop.

    Raises whatever Pillow's decoders do when it cannot be read.
    """
    from PIL import Image, ImageOps

    down = 2 if blocks else 1
    with warnings.catch_warnings(), Image.open(path) as opened:
        warnings.simplefilter("ignore")  # on odd EXIF and large pictures
        width, height = opened.size
        opened.draft("RGB", (columns * 2, rows * 4))
        turned = ImageOps.exif_transpose(opened) if upright else opened
        picture = turned.convert("RGBA" if turned.has_transparency_data else "RGB")
    if picture.mode == "RGBA":
        picture.thumbnail((columns * 4, rows * 8), Image.Resampling.BOX)
        ground = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(ground, picture).convert("RGB")
    share = min(columns / picture.width, rows * 2 / picture.height)
    size = (
        max(1, min(columns, round(picture.width * share))),
        max(1, min(rows, round(picture.height * share / 2))) * down,
    )
    small = picture.resize(size, Image.Resampling.BOX)
    pixels = list(small.get_flattened_data() if hasattr(small, "get_flattened_data") else small.getdata())
    across = size[0]
    lines = [pixels[at : at + across] for at in range(0, len(pixels), across)]
    if not blocks:
        plain = Style.null()  # and not None, on which Textual's filter for NO_COLOR fails
        return Rendered(
            [Strip([Segment("".join(map(_shade, line)), plain)]) for line in lines], width, height
        )
    strips = [
        Strip(
            Segment("▀", Style(color=Color.from_rgb(*top), bgcolor=Color.from_rgb(*bottom)))
            for top, bottom in zip(upper, lower, strict=True)
        )
        for upper, lower in zip(lines[::2], lines[1::2], strict=True)
    ]
    return Rendered(strips, width, height)


def _shade(pixel: tuple[int, int, int]) -> str:
    """By luma (ITU-R BT.601)."""
    luma = (299 * pixel[0] + 587 * pixel[1] + 114 * pixel[2]) / 1000
    return _SHADES[min(len(_SHADES) - 1, int(luma * len(_SHADES) / 256))]
