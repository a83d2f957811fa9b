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
    each bucket, then draws flips (one in two) and captions as they come. So a resumed run finds the
    same batches by asking again.
    """
    random = Random(seed + epoch)
    order = [
        (bucket, start) for bucket, indices in buckets.items() for start in range(0, len(indices), batch_size)
    ]
    random.shuffle(order)
    shuffled = {}
    for bucket, indices in buckets.items():
        shuffled[bucket] = list(indices)
        random.shuffle(shuffled[bucket])
    return [
        Batch(
            bucket,
            tuple(
                Shown(index, apply(captions[index], rules, random), flip and random.random() < 0.5)
                for index in shuffled[bucket][start : start + batch_size]
            ),
        )
        for bucket, start in order
    ]
