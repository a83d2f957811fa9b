"""From a picture file to the pixels the VAE sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loratui.dataset.buckets import Placement, Size
from loratui.problems import refusal
from loratui.trainer.pictures.interpolation import interpolated

LEAVE_OUT = "Replace or remove it; or write skip_damaged = true below [dataset] of a recipe (--skip_damaged)."
"""The way out for a picture that is damaged."""
Pixels = NDArray[np.uint8]
"""[height, width, 3 or 4], red green blue alpha."""


def read_pixels(path: Path, *, alpha: bool = False) -> Pixels:
    """A picture's own pixels, without EXIF rotation, as sd-scripts takes them
    (library/train_util.py:2948), and its ``alpha``. Raises ``UserError`` naming the file."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            return np.array(picture.convert("RGBA" if alpha else "RGB"), np.uint8)
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError):
        raise refusal(
            path,
            "this picture cannot be read; it is damaged or not whole.",
            "Replace or remove it.",
            "image_corrupt",
        ) from None


def fit(
    pixels: Pixels,
    placement: Placement,
    crop: tuple[int, int] | None = None,
    interpolation: str | None = None,
) -> Pixels:
    """Resized, and cropped to ``placement.bucket`` from ``crop`` (left, top), else from the centre."""
    resized = resize(pixels, placement.resized, interpolation)
    width, height = placement.bucket
    left = max(0, resized.shape[1] - width) // 2
    top = max(0, resized.shape[0] - height) // 2
    if crop:
        left, top = crop
    return np.ascontiguousarray(resized[top : top + height, left : left + width])


def resize(pixels: Pixels, size: Size, interpolation: str | None = None) -> Pixels:
    """``pixels`` at (width, height) ``size``: an area average when both sides shrink, Lanczos otherwise, or
    by the ``interpolation`` of that name (sd-scripts library/utils.py:216-262)."""
    height, width = pixels.shape[:2]
    if (width, height) == size:
        return pixels
    shrinks = width >= size[0] and height >= size[1]
    if interpolation not in (None, "lanczos", "box") and not (interpolation == "area" and shrinks):
        return interpolated(pixels, size, str(interpolation))
    if interpolation in (None, "area") and shrinks:
        return area_average(pixels, size)
    from PIL import Image

    kernel = Image.Resampling.BOX if interpolation == "box" else Image.Resampling.LANCZOS
    return np.array(Image.fromarray(pixels).resize(size, kernel), np.uint8)


def area_average(pixels: Pixels, size: Size) -> Pixels:
    """Each new pixel is the mean of what it covers, cut pixels counting by the share covered.

    This is what cv2's INTER_AREA computes when shrinking; Pillow's BOX takes whole pixels only.
    """
    rows = _overlaps(pixels.shape[0], size[1])
    columns = _overlaps(pixels.shape[1], size[0])
    mean = np.einsum("yh,hwc,xw->yxc", rows, pixels.astype(np.float64), columns, optimize=True)
    result: Pixels = np.rint(mean).clip(0, 255).astype(np.uint8)
    return result


def _overlaps(old: int, new: int) -> NDArray[np.float64]:
    """[new, old]: the share of each old pixel in each new one; rows sum to 1."""
    edges = np.arange(new + 1) * (old / new)
    start, end = edges[:-1, None], edges[1:, None]
    left = np.arange(old)[None, :]
    covered = np.minimum(end, left + 1) - np.maximum(start, left)
    weights: NDArray[np.float64] = covered.clip(0, None) * (new / old)
    return weights
