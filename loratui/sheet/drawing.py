"""A contact sheet as a PNG, from its layout and the pictures on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from loratui.atomic import new_file
from loratui.problems import refusal
from loratui.sheet.layout import FONT_SIZE, GAP, Cell, Sheet, clip

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

_PAPER, _INK, _EMPTY = "white", "black", (225, 225, 225)
WAY_OUT = "Make room or choose another place with -o."


def name_width(names: Sequence[str]) -> int:
    """Pixels the longest of these labels takes."""
    font = _font()
    return max((int(font.getlength(name)) + 1 for name in names), default=0)


def draw_sheet(path: Path, sheet: Sheet, pictures: Mapping[Cell, Path]) -> None:
    """Write the sheet whole. A cell without a picture stays grey.

    Raises ``UserError`` when ``path`` has come to be meanwhile, or the disk refuses.
    """
    from PIL import Image, ImageDraw

    canvas = Image.new("RGB", (sheet.width, sheet.height), _PAPER)
    draw = ImageDraw.Draw(canvas)
    font = _font()
    for label in sheet.labels:
        text = clip(label.text, label.box.width, font.getlength)
        draw.text((label.box.left, label.box.top + GAP // 2), text, fill=_INK, font=font)
    for cell in sheet.cells:
        left, top, width, height = cell.box
        drawn = pictures.get(cell)
        if drawn is None:
            draw.rectangle((left, top, left + width - 1, top + height - 1), fill=_EMPTY)
            continue
        with Image.open(drawn) as picture:
            small = picture.convert("RGB")
        if small.size != (width, height):
            small = small.resize((width, height), Image.Resampling.LANCZOS)
        canvas.paste(small, (left, top))
    with new_file(path, WAY_OUT) as temporary:
        canvas.save(temporary, "PNG")
        if path.exists():
            raise refusal(path, "this has come to be meanwhile and is not written over.", WAY_OUT)


def _font() -> FreeTypeFont | ImageFont:
    from PIL.ImageFont import load_default

    return load_default(FONT_SIZE)
