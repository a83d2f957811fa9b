"""One picture made into what every trainer reads alike: upright, RGB, 8 bits, opaque, a single frame."""

from __future__ import annotations

import importlib
import io
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from loratui.problems import refusal

if TYPE_CHECKING:
    from PIL import Image

Format = Literal["png", "jpg", "webp"]

JPEG_QUALITY = 98
"""Without colour subsampling. Measured on turned JPEGs of quality 75 to 95: PSNR 43 to 53 dB to the picture
as it was (quality 95: 36 to 59), the file 1.5 to 4.6 times as large. The picture's own tables give 56 to 63
dB where it has no subsampling and sides of whole blocks, but 36 to 45 dB where not; no light library turns a
JPEG without decoding it."""


def openers() -> None:
    """Let Pillow open HEIC where the package for it is installed."""
    with suppress(ImportError):
        importlib.import_module("pillow_heif").register_heif_opener()


def opens(path: Path) -> bool:
    """Whether Pillow can decode the first frame of a file here."""
    try:
        _first_frame(path)
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError, IndexError):
        return False
    except Exception as error:  # Pillow's own, which is no subclass of these
        if type(error).__name__ != "DecompressionBombError":
            raise
        return False
    return True


def save_flat(source: Path, target: Path, form: Format, background: str) -> None:
    """Write the first frame of ``source`` at ``target``, without metadata. Raises ``UserError``."""
    try:
        picture = _flat(_first_frame(source), background)
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError, IndexError) as error:
        raise refusal(
            source, f"it cannot be converted: {error}.", "Leave it out with a filter, or convert it yourself."
        ) from None
    with target.open("xb") as file:
        if form == "jpg":
            picture.save(file, "JPEG", quality=JPEG_QUALITY, subsampling=0)
        elif form == "webp":
            picture.save(file, "WEBP", lossless=True, quality=50, method=3)
        else:
            picture.save(file, "PNG", compress_level=6)


def _first_frame(path: Path) -> Image.Image:
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(path) as picture:
            picture.seek(0)
            picture.load()
            return picture.copy()


def _flat(picture: Image.Image, background: str) -> Image.Image:
    from PIL import Image, ImageOps

    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I") or picture.mode == "F":
        picture = _eight_bits(picture)
    if "A" in picture.mode or "a" in picture.mode or "transparency" in picture.info:
        shown = picture.convert("RGBA")
        ground = Image.new("RGBA", shown.size, background)
        ground.alpha_composite(shown)
        return ground.convert("RGB")
    if picture.mode == "CMYK":
        managed = _managed(picture)
        if managed is not None:
            return managed
    return picture.convert("RGB")


def _eight_bits(picture: Image.Image) -> Image.Image:
    """16-bit grey by its upper 8 bits; Pillow's own conversion clips instead."""
    if picture.mode == "F":
        return picture.convert("L")
    wide = picture.convert("I")
    return wide.point(lambda value: value * (1 / 256)).convert("L")


def _managed(picture: Image.Image) -> Image.Image | None:
    """CMYK by its own colour profile, where it has one."""
    profile = picture.info.get("icc_profile")
    if not profile:
        return None
    try:
        from PIL import ImageCms

        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        made = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImportError, OSError, ValueError, ImageCms.PyCMSError):
        return None
    return made
