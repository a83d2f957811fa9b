"""From a picture file to the pixels the VAE sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loratui.dataset.buckets import Placement, Size
from loratui.problems import refusal

Pixels = NDArray[np.uint8]
"""[height, width, 3], red green blue."""


def read_pixels(path: Path) -> Pixels:
    """A picture's own pixels, without EXIF rotation, as sd-scripts takes them
    (library/train_util.py:2948). Raises ``UserError`` naming the file."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            return np.array(picture.convert("RGB"), np.uint8)
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError):
        raise refusal(
            path, "this picture cannot be read; it is damaged or not whole.", "Replace or remove it."
        ) from None


def fit(pixels: Pixels, placement: Placement) -> Pixels:
    """Resized and cropped from the centre to ``placement.bucket``."""
    resized = resize(pixels, placement.resized)
    width, height = placement.bucket
    left = max(0, resized.shape[1] - width) // 2
    top = max(0, resized.shape[0] - height) // 2
    return np.ascontiguousarray(resized[top : top + height, left : left + width])


def resize(pixels: Pixels, size: Size) -> Pixels:
    """``pixels`` at (width, height) ``size``: an area average when both sides shrink, Lanczos otherwise
    (sd-scripts library/utils.py:225-293)."""
    height, width = pixels.shape[:2]
    if (width, height) == size:
        return pixels
    if width >= size[0] and height >= size[1]:
        return area_average(pixels, size)
    from PIL import Image

    return np.array(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS), np.uint8)


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
