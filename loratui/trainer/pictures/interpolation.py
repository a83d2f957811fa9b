"""Pixels between pixels, as OpenCV's ``resize`` finds them: no averaging where a picture shrinks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from loratui.dataset.buckets import Size

Weights = NDArray[np.float64]
"""[new, old]; rows sum to 1."""


def interpolated(pixels: NDArray[np.uint8], size: Size, kind: str) -> NDArray[np.uint8]:
    """``pixels`` [h,w,c] at (width, height) ``size``: ``nearest``, ``bilinear`` (``linear``), ``bicubic``
    (``cubic``), or ``area`` where a side grows."""
    rows, columns = (
        _table(kind, old, new) for old, new in zip(pixels.shape[:2], (size[1], size[0]), strict=True)
    )
    mixed = np.einsum("yh,hwc,xw->yxc", rows, pixels.astype(np.float64), columns, optimize=True)
    found: NDArray[np.uint8] = np.rint(mixed).clip(0, 255).astype(np.uint8)
    return found


def _table(kind: str, old: int, new: int) -> Weights:
    return _KINDS[kind](old, new)


def _nearest(old: int, new: int) -> Weights:
    """INTER_NEAREST_EXACT: the pixel in whose middle half the new pixel's middle falls."""
    # In whole numbers of 1/65536, as OpenCV counts.
    step = ((old << 16) + new // 2) // new
    places = (np.arange(new) * step + (step >> 1) - (old % 2)) >> 16
    return _placed([(places, np.ones(new))], old, new)


def _linear(old: int, new: int) -> Weights:
    first, rest = _split(old, new)
    return _placed([(first, 1 - rest), (first + 1, rest)], old, new)


def _cubic(old: int, new: int) -> Weights:
    """Keys' kernel with a = -0.75."""
    first, rest = _split(old, new)
    a = -0.75
    near = [(a + 2) * x**3 - (a + 3) * x**2 + 1 for x in (rest, 1 - rest)]
    before = a * (rest + 1) ** 3 - 5 * a * (rest + 1) ** 2 + 8 * a * (rest + 1) - 4 * a
    after = 1 - near[0] - near[1] - before
    parts = [before, near[0], near[1], after]
    return _placed([(first + at - 1, part) for at, part in enumerate(parts)], old, new)


def _grown(old: int, new: int) -> Weights:
    """INTER_AREA where a side grows: a mean of two pixels only where the new one lies across their border."""
    scale, growth = old / new, new / old
    numbers = np.arange(new)
    first = np.floor(numbers * scale).astype(np.int64)
    rest = (numbers + 1) - (first + 1) * growth
    rest = np.where(rest <= 0, 0.0, rest - np.floor(rest))
    return _placed([(first, 1 - rest), (first + 1, rest)], old, new)


def _split(old: int, new: int) -> tuple[NDArray[np.int64], Weights]:
    """The old pixel before the middle of each new one, and how far behind it that lies."""
    middles = (np.arange(new) + 0.5) * (old / new) - 0.5
    first = np.floor(middles).astype(np.int64)
    return first, middles - first


def _placed(parts: list[tuple[NDArray[np.int64], Weights]], old: int, new: int) -> Weights:
    """Beyond the edge stands the pixel at the edge."""
    table = np.zeros((new, old))
    for places, weights in parts:
        np.add.at(table, (np.arange(new), places.clip(0, old - 1)), weights)
    return table


_KINDS: dict[str, Callable[[int, int], Weights]] = {
    "nearest": _nearest,
    "linear": _linear,
    "bilinear": _linear,
    "cubic": _cubic,
    "bicubic": _cubic,
    "area": _grown,
}
