"""What buckets come to for a set: how many pictures each holds, and how much of them is cropped away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from loratui.dataset.buckets import Bucketing, Placement, Size, place
from loratui.dataset.checking import thresholds
from loratui.dataset.checking.picture_checks import Probes, size, usable
from loratui.families import FAMILIES
from loratui.recipe.document import FamilyName


@dataclass(frozen=True, slots=True)
class BucketUse:
    """One bucket and the pictures in it."""

    size: Size
    images: int
    cropped: float
    """Share of their area that is cut off, on average, 0 to 1."""
    enlarged: int
    """Pictures with less than ``thresholds.UPSCALED_AREA`` of the bucket's area."""


def bucketing(family: FamilyName) -> Bucketing:
    """How a family's pictures are sorted by default: sides from 256 pixels to twice the resolution."""
    facts = FAMILIES[family]
    side = facts.resolution
    return Bucketing((side, side), True, 256, 2 * side, max(64, facts.bucket_step))


def sort_into_buckets(probes: Probes, rules: Bucketing) -> Mapping[Size, tuple[Path, ...]]:
    """Which training pictures go where; none of those that have no bucket at all."""
    found: dict[Size, list[Path]] = {}
    for path, probe in probes.items():
        if usable(probe) and (placement := _place(rules, *size(probe))) is not None:
            found.setdefault(placement.bucket, []).append(path)
    return {bucket: tuple(found[bucket]) for bucket in sorted(found)}


def bucket_uses(probes: Probes, rules: Bucketing) -> tuple[BucketUse, ...]:
    """Every bucket that holds a picture, in order of width, then height."""
    uses = []
    for bucket, paths in sort_into_buckets(probes, rules).items():
        sizes = [size(probes[path]) for path in paths]
        cropped = [crop(rules, *one) for one in sizes]
        enlarged = sum(is_enlarged(one, bucket) for one in sizes)
        uses.append(BucketUse(bucket, len(paths), sum(cropped) / len(cropped), enlarged))
    return tuple(uses)


def crop(rules: Bucketing, width: int, height: int) -> float:
    """The share of a picture's area that its bucket cuts off, 0 to 1."""
    placement = _place(rules, width, height)
    if placement is None:
        return 1.0
    (kept_width, kept_height), (resized_width, resized_height) = placement.bucket, placement.resized
    return max(0.0, 1 - kept_width * kept_height / max(1, resized_width * resized_height))


def is_enlarged(picture: Size, bucket: Size) -> bool:
    """Whether a picture is visibly enlarged to fill a bucket."""
    return picture[0] * picture[1] < thresholds.UPSCALED_AREA * bucket[0] * bucket[1]


@lru_cache(maxsize=1 << 16)
def _place(rules: Bucketing, width: int, height: int) -> Placement | None:
    try:
        placement = place(rules, width, height)
    except ValueError:
        return None
    return placement if min(placement.bucket) > 0 else None
