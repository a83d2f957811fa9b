"""The count of steps from pictures and settings alone: touches no disk.

The rules are sd-scripts' own (train_network.py:799-805, 978-979; library/train_util.py:1054-1084,
2169-2183): repeats, regularization, buckets that never share a batch, accumulation that ends with
each epoch, and ``max_train_epochs`` before ``max_train_steps``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from loratui import kohya_config
from loratui.dataset.buckets import Bucketing, Size, place
from loratui.dataset.regularization import used_repeats
from loratui.dataset.scan import Picture, Scan
from loratui.problems import Problem


@dataclass(frozen=True, slots=True)
class BucketCount:
    """One bucket in use."""

    width: int
    height: int
    images: int
    """Pictures in it, each counted as often as it is shown in an epoch."""


@dataclass(frozen=True, slots=True)
class StepCount:
    """What a run comes to. With problems that end it early, the numbers not reached are 0."""

    train_images: int = 0
    train_images_repeated: int = 0
    reg_images: int = 0
    """Regularization pictures times their folders' numbers, as sd-scripts prints them."""
    reg_images_used: int = 0
    """Regularization pictures really shown in an epoch."""
    buckets: tuple[BucketCount, ...] = ()
    """In order of width, then height."""
    batches_per_epoch: int = 0
    """For each process."""
    steps_per_epoch: int = 0
    epochs: int = 0
    """The last one may be partial."""
    total_steps: int = 0
    problems: tuple[Problem, ...] = ()
    """What would end the run, or make it come to nothing. Keys are those of config.toml."""


@dataclass(frozen=True, slots=True)
class Part:
    """One dataset: pictures that share buckets and batches."""

    scan: Scan
    bucketing: Bucketing
    batch_size: int
    """For each process."""


def count(
    scan: Scan,
    bucketing: Bucketing,
    batch_size: int,
    accumulation: int,
    epochs: int | None,
    max_steps: int | None,
    processes: int = 1,
    *,
    divisor: int = 1,
) -> StepCount:
    """Count one dataset without touching the disk; the rest is ``count_parts``'s."""
    part = Part(scan, bucketing, batch_size)
    return count_parts([part], accumulation, epochs, max_steps, processes, divisor=divisor)


def count_parts(
    parts: Sequence[Part],
    accumulation: int,
    epochs: int | None,
    max_steps: int | None,
    processes: int = 1,
    *,
    divisor: int = 1,
) -> StepCount:
    """Count without touching the disk. Datasets never share a batch; an epoch has all of theirs.

    ``epochs`` wins over ``max_steps``; with neither it is sd-scripts' default of 1600 steps.
    ``divisor`` is the family's ``bucket_step``.
    """
    used = [used_repeats(part.scan) for part in parts]
    sizes = [part.batch_size for part in parts]
    result = StepCount(
        train_images=sum(len(part.scan.train_pictures) for part in parts),
        train_images_repeated=sum(picture.repeats for part in parts for picture in part.scan.train_pictures),
        reg_images=sum(picture.repeats for part in parts for picture in part.scan.reg_pictures),
        reg_images_used=sum(n for one in used for picture, n in one.items() if picture.is_regularization),
        problems=(
            *_positive(train_batch_size=min(sizes), gradient_accumulation_steps=accumulation),
            *_length(epochs, max_steps),
            *(problem for part in parts for problem in _unreadable(part.scan)),
            *(problem for part in parts for problem in part.bucketing.problems(divisor)),
        ),
    )
    if any(part.bucketing.problems() for part in parts) or min(*sizes, accumulation, processes) < 1:
        return result
    images: Counter[Size] = Counter()
    all_batches = 0
    for part, shown in zip(parts, used, strict=True):
        filled, failures, complete = _fill(shown, part.bucketing)
        result = replace(result, problems=(*result.problems, *failures))
        if not complete:
            return result
        images += filled
        all_batches += sum(math.ceil(number / part.batch_size) for number in filled.values())
    buckets = tuple(BucketCount(*size, number) for size, number in sorted(images.items()))
    batches = math.ceil(all_batches / processes)
    steps_per_epoch = math.ceil(batches / accumulation)
    if epochs is not None:
        total = epochs * steps_per_epoch
    else:
        total = kohya_config.default("max_train_steps") if max_steps is None else max_steps
    return replace(
        result,
        buckets=buckets,
        batches_per_epoch=batches,
        steps_per_epoch=steps_per_epoch,
        epochs=math.ceil(total / steps_per_epoch) if steps_per_epoch else 0,
        total_steps=total,
    )


def _fill(used: Mapping[Picture, int], bucketing: Bucketing) -> tuple[Counter[Size], list[Problem], bool]:
    """Pictures by bucket, what is wrong with some, and whether all of them have a bucket."""
    by_size: Counter[Size] = Counter()
    example: dict[Size, Picture] = {}
    for picture, times in used.items():
        size = (picture.width, picture.height)
        by_size[size] += times
        example.setdefault(size, picture)
    images: Counter[Size] = Counter()
    failures: list[Problem] = []
    complete = True
    for size, times in by_size.items():
        try:
            bucket = place(bucketing, *size).bucket
        except ValueError:
            complete = False
            bucket = (0, 0)
        else:
            images[bucket] += times
        if min(bucket) < 1:
            failures.append(_too_small(example[size], bucketing))
    return images, failures, complete


def _too_small(picture: Picture, bucketing: Bucketing) -> Problem:
    return Problem(
        "bucket_no_upscale",
        f"{picture.path} ({picture.width}x{picture.height}) comes to less than one bucket step"
        f" ({bucketing.step}) on one side, and is never enlarged.",
        "Turn bucket_no_upscale off, use a smaller bucket_reso_steps, or take the picture out.",
    )


def _positive(**values: int) -> list[Problem]:
    return [
        Problem(key, f"{value} is too small.", "Use 1 or more.") for key, value in values.items() if value < 1
    ]


def _length(epochs: int | None, max_steps: int | None) -> list[Problem]:
    key, value = ("max_train_steps", max_steps) if epochs is None else ("max_train_epochs", epochs)
    if value is None or value >= 1:
        return []
    return [Problem(key, f"{value} trains nothing and saves an empty LoRA.", "Use 1 or more.")]


def _unreadable(scan: Scan) -> list[Problem]:
    trained = {picture.path.parent for picture in scan.train_pictures}
    return [
        Problem(
            "train_data_dir" if path.parent in trained or scan.folder in path.parents else "reg_data_dir",
            f"{path} cannot be read as a picture, and training ends on it.",
            "Replace it or take it out.",
        )
        for path in scan.unreadable
    ]
