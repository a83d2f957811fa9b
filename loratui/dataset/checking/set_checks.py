"""Findings about the set as a whole: numbers, and how pictures fall into buckets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from loratui.dataset.bucket_use import is_enlarged, sort_into_buckets
from loratui.dataset.buckets import Bucketing
from loratui.dataset.checking import thresholds
from loratui.dataset.checking.finding import Finding, number
from loratui.dataset.checking.picture_checks import Probes, size
from loratui.recipe.document import Purpose


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


def bucket_findings(probes: Probes, rules: Bucketing, batch: int) -> Iterator[Finding]:
    """Buckets that cannot fill a batch, and pictures that are enlarged to theirs."""
    buckets = sort_into_buckets(probes, rules)
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
        if is_enlarged(size(probes[path]), bucket)
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
