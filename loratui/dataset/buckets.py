"""Buckets: the picture sizes a trainer really uses, and which of them a picture goes to.

Two algorithms, exact to the pixel: a fixed list of sizes of one area, and, with ``no_upscale``,
sizes made to measure for each picture (sd-scripts library/model_util.py:1316, train_util.py:286).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from loratui.problems import Problem

Size = tuple[int, int]
"""(width, height) in pixels."""


@dataclass(frozen=True, slots=True)
class Bucketing:
    """How pictures are sorted into sizes."""

    resolution: Size
    """The area of every bucket is that of this size, or a little less."""
    enabled: bool = True
    """Without buckets every picture is brought to ``resolution``."""
    smallest: int = 256
    largest: int = 1024
    step: int = 64
    """Every side of a bucket divides by this."""
    no_upscale: bool = False
    """Pictures are never enlarged; ``smallest`` and ``largest`` then choose nothing."""

    @property
    def snapped(self) -> tuple[int, int]:
        """``smallest`` floored and ``largest`` ceiled to the step (train_util.py:748-764)."""
        return self.smallest - self.smallest % self.step, self.largest + -self.largest % self.step

    def problems(self, divisor: int = 1) -> list[Problem]:
        """What makes sd-scripts end before training. Keys are those of config.toml.

        ``divisor`` is what the model family's bucket sides must divide by
        (``families.Family.bucket_step``).
        """
        problems = []
        width, height = self.resolution
        if width < 1 or height < 1:
            problems.append(
                Problem("resolution", f"{width}x{height} is no size.", 'Write "512,512".', "resolution_bad")
            )
        if not self.enabled:
            return problems
        if self.step < 1:
            return [
                *problems,
                Problem("bucket_reso_steps", f"{self.step} is no step.", f"Use {max(divisor, 64)}."),
            ]
        if self.step % divisor:
            problems.append(
                Problem(
                    "bucket_reso_steps",
                    f"{self.step} does not divide by {divisor}, which this model family needs.",
                    f"Use {max(divisor, self.step // divisor * divisor)}.",
                )
            )
        smallest, largest = self.snapped
        if smallest > min(width, height):
            problems.append(
                Problem(
                    "min_bucket_reso",
                    f"the smallest bucket side {self.smallest} is above the resolution's shorter side"
                    f" {min(width, height)}.",
                    f"Use {min(width, height)} or less.",
                )
            )
        elif smallest < 1 and not self.no_upscale:
            problems.append(
                Problem(
                    "min_bucket_reso",
                    f"{self.smallest} is below one bucket step ({self.step}), so it becomes 0.",
                    f"Use {self.step} or more.",
                )
            )
        if largest < max(width, height):
            problems.append(
                Problem(
                    "max_bucket_reso",
                    f"the largest bucket side {self.largest} is below the resolution's longer side"
                    f" {max(width, height)}.",
                    f"Use {max(width, height)} or more.",
                )
            )
        return problems


@dataclass(frozen=True, slots=True)
class Placement:
    """Where one picture goes."""

    bucket: Size
    resized: Size
    """The picture's size after scaling, before the crop to ``bucket``."""


@lru_cache(maxsize=32)
def _sizes(bucketing: Bucketing) -> tuple[Size, ...]:
    if not bucketing.enabled:
        return (bucketing.resolution,)
    step = bucketing.step
    smallest, largest = bucketing.snapped
    area = bucketing.resolution[0] * bucketing.resolution[1]
    square = int(math.sqrt(area) // step) * step
    found = {(square, square)}
    for width in range(max(smallest, step), largest + 1, step):
        height = min(largest, area // width // step * step)
        if height >= smallest:
            found |= {(width, height), (height, width)}
    return tuple(sorted(found))


def sizes(bucketing: Bucketing) -> list[Size]:
    """All buckets in order of width, then height. Wants a bucketing without problems.

    With ``no_upscale`` there is no such list (each picture makes its own); this one is then only
    what enlarging would give.
    """
    return list(_sizes(bucketing))


def place(bucketing: Bucketing, width: int, height: int) -> Placement:
    """The bucket for a picture of ``width`` x ``height`` pixels.

    Raises ``ValueError`` where sd-scripts divides by zero: with ``no_upscale``, a picture whose
    scaled height is below one step. A bucket of width 0 is returned as it is; the trainer fails on
    it later.
    """
    if width < 1 or height < 1:
        raise ValueError(f"a picture of {width}x{height} has no bucket")
    if bucketing.enabled and bucketing.no_upscale:
        return _place_without_upscaling(bucketing, width, height)
    ratio = width / height
    known = _sizes(bucketing)
    bucket = (width, height)
    if bucket not in known:
        # min() keeps the first of equals: ties go to the narrower bucket.
        bucket = min(known, key=lambda size: abs(size[0] / size[1] - ratio))
    scale = bucket[1] / height if ratio > bucket[0] / bucket[1] else bucket[0] / width
    return Placement(bucket, (int(width * scale + 0.5), int(height * scale + 0.5)))


def _place_without_upscaling(bucketing: Bucketing, width: int, height: int) -> Placement:
    step = bucketing.step
    resized = (width, height)
    area = bucketing.resolution[0] * bucketing.resolution[1]
    try:
        if width * height > area:
            resized = _shrunk(area, width / height, step)
        bucket = (resized[0] // step * step, resized[1] // step * step)
        _ = bucket[0] / bucket[1]
    except ZeroDivisionError:
        raise ValueError(
            f"a picture of {width}x{height} is less than one bucket step ({step}) high"
        ) from None
    return Placement(bucket, resized)


def _shrunk(area: int, ratio: float, step: int) -> Size:
    """The size of about ``area`` and exactly one side on the step that keeps ``ratio`` best."""
    ideal_width = math.sqrt(area * ratio)
    by_width = _rounded(ideal_width, step)
    width_error = abs(by_width / _rounded(by_width / ratio, step) - ratio)
    by_height = _rounded(area / ideal_width, step)
    height_error = abs(_rounded(by_height * ratio, step) / by_height - ratio)
    if width_error < height_error:
        return by_width, int(by_width / ratio + 0.5)
    return int(by_height * ratio + 0.5), by_height


def _rounded(value: float, step: int) -> int:
    return int(value + 0.5) // step * step
