"""The order in which pictures are shown: a pure function of the data, the seed and the epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from loratui.dataset.buckets import Size
from loratui.dataset.captions import CaptionRules, apply

Buckets = Mapping[Size, Sequence[int]]
"""Indices of pictures by bucket; a picture repeated n times stands there n times."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture as shown once."""

    index: int
    caption: str
    flipped: bool


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures of one size that go through the network together."""

    bucket: Size
    pictures: tuple[Shown, ...]


def batches_per_epoch(buckets: Buckets, batch_size: int) -> int:
    """Each bucket makes its own batches, the last of them perhaps a small one
    (sd-scripts library/train_util.py:1078)."""
    return sum(math.ceil(len(indices) / batch_size) for indices in buckets.values())


def batch_starts(buckets: Buckets, batch_size: int) -> list[tuple[Size, int]]:
    """Each batch's bucket and the place of its first picture there."""
    return [
        (bucket, start) for bucket, indices in buckets.items() for start in range(0, len(indices), batch_size)
    ]


def shuffle(order: list[tuple[Size, int]], buckets: Mapping[Size, list[int]], random: Random) -> None:
    """Shuffle in place the order of batches, then the pictures in each bucket (sd-scripts
    library/train_util.py:1089-1095)."""
    random.shuffle(order)
    for indices in buckets.values():
        random.shuffle(indices)


def epoch_batches(
    buckets: Buckets,
    batch_size: int,
    captions: Sequence[str],
    rules: CaptionRules,
    *,
    flip: bool,
    seed: int,
    epoch: int,
) -> list[Batch]:
    """All batches of one epoch (counted from 0), each picture exactly as often as it stands in ``buckets``.

    One generator seeded with ``seed + epoch`` shuffles the order of batches, then the pictures in
    each bucket, then draws flips (one in two) and captions as the pictures come. So a resumed run finds the
    same batches by asking again.
    """
    random = Random(seed + epoch)
    order = batch_starts(buckets, batch_size)
    shuffled = {bucket: list(indices) for bucket, indices in buckets.items()}
    shuffle(order, shuffled, random)

    def shown(index: int) -> Shown:
        flipped = flip and random.random() < 0.5
        return Shown(index, apply(captions[index], rules, random, epoch + 1), flipped)

    return [
        Batch(bucket, tuple(shown(index) for index in shuffled[bucket][start : start + batch_size]))
        for bucket, start in order
    ]
