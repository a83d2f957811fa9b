"""What color_aug and random_crop do to a picture each time it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from loratui.dataset.buckets import Placement

_HUES = 180
"""A hue takes 180 steps in 8 bits."""


@dataclass(frozen=True, slots=True)
class Color:
    """One change of colour."""

    kind: Literal["hue", "gamma"]
    amount: float
    """Steps of 180 on the colour wheel, or the exponent."""


def draw_crop(placement: Placement, random: Random, *, height_first: bool = False) -> tuple[int, int]:
    """(left, top) of what random_crop cuts out; drawn only for sides that are too long, the width first
    (sd-scripts library/train_util.py:2976-2985), the height without buckets (:1637-1642)."""
    found = [0, 0]
    for side in (1, 0) if height_first else (0, 1):
        trim = placement.resized[side] - placement.bucket[side]
        if trim > 0:
            found[side] = random.randint(0, trim)
    return found[0], found[1]


def draw_color(random: Random) -> Color | None:
    """In a third of the showings a turn of the hue by up to 8 or a gamma of 0.95 to 1.05
    (sd-scripts library/train_util.py:384-407)."""
    if random.random() > 0.33:
        return None
    if random.random() > 0.5:
        return Color("hue", random.uniform(-8, 8))
    return Color("gamma", random.uniform(0.95, 1.05))


def recolored(pixels: NDArray[np.uint8], color: Color) -> NDArray[np.uint8]:
    """The picture [h,w,3 or 4] in other colours; a fourth channel stays."""
    changed = pixels.copy()
    rgb = pixels[..., :3]
    if color.kind == "gamma":
        changed[..., :3] = np.clip(rgb.astype(np.float64) ** color.amount, 0, 255).astype(np.uint8)
    else:
        changed[..., :3] = _turned(rgb, color.amount)
    return changed


def _turned(pixels: NDArray[np.uint8], amount: float) -> NDArray[np.uint8]:
    """Hue turned in HSV of 8 bits, with the rounding of OpenCV's cvtColor. sd-scripts hands it red for blue,
    so the wheel turns the other way round."""
    blue, green, red = (pixels[..., channel].astype(np.int64) for channel in range(3))
    value = np.maximum(np.maximum(blue, green), red)
    spread = value - np.minimum(np.minimum(blue, green), red)
    numbers = np.maximum(np.arange(256), 1)
    shares = np.rint((255 << 12) / numbers).astype(np.int64)
    sixths = np.rint((_HUES << 12) / (6.0 * numbers)).astype(np.int64)
    saturation = (spread * shares[value] + (1 << 11)) >> 12
    hue = np.where(
        value == red,
        green - blue,
        np.where(value == green, blue - red + 2 * spread, red - green + 4 * spread),
    )
    hue = (hue * sixths[spread] + (1 << 11)) >> 12
    hue = np.where(hue < 0, hue + _HUES, hue)
    turned = ((hue + (amount if amount >= 0 else _HUES + amount)) % _HUES).astype(np.uint8)
    return _from_hsv(turned, saturation, value)


def _from_hsv(
    hue: NDArray[np.uint8], saturation: NDArray[np.int64], value: NDArray[np.int64]
) -> NDArray[np.uint8]:
    place = hue.astype(np.float32) * np.float32(6 / _HUES)
    sector = np.floor(place).astype(np.int64)
    rest = place - sector
    s, v = (one.astype(np.float32) / np.float32(255) for one in (saturation, value))
    levels = np.stack([v, v * (1 - s), v * (1 - s * rest), v * (1 - s * (1 - rest))])
    chosen = np.array([[1, 3, 0], [1, 0, 2], [3, 0, 1], [0, 2, 1], [0, 1, 3], [2, 1, 0]])[sector % 6]
    channels = np.take_along_axis(levels, np.moveaxis(chosen, -1, 0), axis=0)
    found: NDArray[np.uint8] = np.rint(np.moveaxis(channels, 0, -1) * 255).clip(0, 255).astype(np.uint8)
    return found
