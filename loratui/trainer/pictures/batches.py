"""The order in which pictures are shown: a pure function of the data, the seed and the epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from loratui.dataset.buckets import Size
from loratui.trainer.pictures.augment import Color

Bucket = tuple[int, Size]
"""The number of a dataset, and a size: pictures of one make batches together."""
Buckets = Mapping[Bucket, Sequence[int]]
"""Indices of pictures by bucket; a picture repeated n times stands there n times."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture as shown once."""

    index: int
    caption: str
    flipped: bool
    crop: tuple[int, int] | None = None
    """(left, top) of what is cut from the resized picture; None is its middle."""
    color: Color | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures of one size that go through the network together."""

    bucket: Bucket
    pictures: tuple[Shown, ...]


def batches_per_epoch(buckets: Buckets, sizes: Sequence[int]) -> int:
    """Each bucket makes its own batches of its dataset's batch size, the last of them perhaps a small one
    (sd-scripts library/train_util.py:1078)."""
    return sum(math.ceil(len(indices) / sizes[bucket[0]]) for bucket, indices in buckets.items())


def batch_starts(buckets: Buckets, sizes: Sequence[int]) -> list[tuple[Bucket, int]]:
    """Each batch's bucket and the place of its first picture there; ``sizes`` by dataset."""
    return [
        (bucket, start)
        for bucket, indices in buckets.items()
        for start in range(0, len(indices), sizes[bucket[0]])
    ]


def shuffle(order: list[tuple[Bucket, int]], buckets: Mapping[Bucket, list[int]], random: Random) -> None:
    """Shuffle in place the order of batches, then the pictures in each bucket (sd-scripts
    library/train_util.py:1089-1095)."""
    random.shuffle(order)
    for indices in buckets.values():
        random.shuffle(indices)


def epoch_batches(
    buckets: Buckets,
    sizes: Sequence[int],
    show: Callable[[int, int, Random], Shown],
    *,
    seed: int,
    epoch: int,
) -> list[Batch]:
    """All batches of one epoch (counted from 0), each picture exactly as often as it stands in ``buckets``.
    ``sizes`` are batch sizes by dataset; batches of several datasets are mixed.

    One generator seeded with ``seed + epoch`` shuffles the order of batches, then the pictures in
    each bucket, and then ``show`` draws from it how each picture is shown, in the order they come: by its
    index and the number of the batch, from 0. So a resumed run finds the same batches by asking again.
    """
    random = Random(seed + epoch)
    order = batch_starts(buckets, sizes)
    shuffled = {bucket: list(indices) for bucket, indices in buckets.items()}
    shuffle(order, shuffled, random)
    return [
        Batch(
            bucket,
            tuple(
                show(index, number, random) for index in shuffled[bucket][start : start + sizes[bucket[0]]]
            ),
        )
        for number, (bucket, start) in enumerate(order)
    ]
