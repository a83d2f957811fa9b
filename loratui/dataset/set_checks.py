"""Findings about the set as a whole: twins, numbers, and how pictures fall into buckets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from loratui.dataset import thresholds
from loratui.dataset.buckets import Bucketing, Size, place
from loratui.dataset.finding import Finding, number
from loratui.dataset.near import groups, near_pairs
from loratui.dataset.picture_checks import Probes, size, usable
from loratui.families import FAMILIES
from loratui.recipe.document import FamilyName, Purpose


def exact_duplicates(probes: Probes) -> list[tuple[str, ...]]:
    """Files with the same bytes, by group."""
    alike: dict[str, list[str]] = {}
    for path, probe in probes.items():
        if probe.digest:
            alike.setdefault(probe.digest, []).append(str(path))
    return sorted(tuple(sorted(paths)) for paths in alike.values() if len(paths) > 1)


def near_duplicates(probes: Probes, within: int = thresholds.NEAR_BITS) -> list[tuple[str, ...]]:
    """Pictures that look nearly the same, by group; of files with the same bytes only the first counts."""
    again = {path for group in exact_duplicates(probes) for path in group[1:]}
    hashes = {
        str(path): probe.pixels.hash
        for path, probe in probes.items()
        if probe.pixels is not None
        and not probe.pixels.fault
        and probe.pixels.range >= thresholds.FLAT_RANGE
        and str(path) not in again
    }
    return groups((one, other) for one, other, _ in near_pairs(hashes, within))


def duplicate_findings(probes: Probes) -> list[Finding]:
    """One finding for each group."""
    found = [
        Finding(
            "duplicate_exact",
            "warning",
            group,
            f"{len(group):,} files are the same picture, byte for byte: it counts {len(group):,} times.",
            "Keep one of them; repeats are the way to show a picture more often.",
        )
        for group in exact_duplicates(probes)
    ]
    return found + [
        Finding(
            "duplicate_near",
            "warning",
            group,
            f"{len(group):,} pictures are nearly the same (at least 90 % of their hash bits): the LoRA"
            " memorises them instead of learning.",
            "Keep the largest and sharpest of them.",
        )
        for group in near_duplicates(probes)
    ]


def number_findings(root: Path, pictures: int, purpose: Purpose) -> Iterator[Finding]:
    """Whether there are too few or too many pictures for a purpose."""
    few, many = thresholds.FEW_IMAGES[purpose], thresholds.MANY_IMAGES[purpose]
    if 0 < pictures < few:
        yield Finding(
            "few_images",
            "warning",
            (str(root),),
            f"{number(pictures, 'picture')} for a {purpose}: fewer than the {few} that guides call the"
            " least.",
            "Add pictures that differ in pose, background and light.",
        )
    if many is not None and pictures > many:
        yield Finding(
            "many_images",
            "info",
            (str(root),),
            f"{number(pictures, 'picture')} for a {purpose}: more than about {many} makes training"
            " slower, seldom better.",
            "Keep the best, or lower the repeats so that the steps stay reasonable.",
        )


def bucketing(family: FamilyName) -> Bucketing:
    """How a family's pictures are sorted by default: sides from 256 pixels to twice the resolution."""
    facts = FAMILIES[family]
    side = facts.resolution
    return Bucketing((side, side), True, 256, 2 * side, max(64, facts.bucket_step))


def sort_into_buckets(probes: Probes, family: FamilyName) -> Mapping[Size, tuple[Path, ...]]:
    """Which training pictures go where."""
    found: dict[Size, list[Path]] = {}
    for path, probe in probes.items():
        if usable(probe):
            found.setdefault(place(bucketing(family), *size(probe)).bucket, []).append(path)
    return {bucket: tuple(found[bucket]) for bucket in sorted(found)}


def bucket_findings(probes: Probes, family: FamilyName, batch: int) -> Iterator[Finding]:
    """Buckets that cannot fill a batch, and pictures that are enlarged to theirs."""
    buckets = sort_into_buckets(probes, family)
    lacking = {bucket: paths for bucket, paths in buckets.items() if len(paths) < batch}
    if lacking:
        sizes = ", ".join(f"{width}x{height}" for width, height in list(lacking)[:4])
        more = f" and {len(lacking) - 4} more" if len(lacking) > 4 else ""
        yield Finding(
            "bucket_small",
            "warning",
            tuple(str(path) for paths in lacking.values() for path in paths),
            f"{number(len(lacking), 'bucket')} ({sizes}{more}) with fewer pictures than the batch of {batch}:"
            " such batches stay short or repeat a picture.",
            "Crop these pictures to the shape of others, add some like them, or use a smaller batch.",
        )
    enlarged = tuple(
        str(path)
        for bucket, paths in buckets.items()
        for path in paths
        if size(probes[path])[0] * size(probes[path])[1] < thresholds.UPSCALED_AREA * bucket[0] * bucket[1]
    )
    total = sum(map(len, buckets.values()))
    if len(enlarged) > thresholds.UPSCALED_SHARE * total:
        yield Finding(
            "upscaled",
            "warning",
            enlarged,
            f"{len(enlarged):,} of {number(total, 'picture')} ({len(enlarged) / total:.0%}) would be enlarged"
            " visibly to fill their bucket.",
            "Set bucket_no_upscale = true, or train at a lower resolution.",
        )
