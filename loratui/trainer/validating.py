"""The loss on pictures that are not trained on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from random import Random

import numpy as np
import torch

from loratui.trainer import noise
from loratui.trainer.pictures import data
from loratui.trainer.pictures.batches import Batch, batch_starts
from loratui.trainer.pictures.data import Item
from loratui.trainer.randomness import set_apart
from loratui.trainer.reporting.report import Reporter
from loratui.trainer.settings.config import TrainConfig
from loratui.trainer.stepping import Fed, Stepper

_PLACES = 4
"""Timesteps between the least and the most: 200, 400, 600 and 800 (sd-scripts train_network.py:1364-1367)."""


def validation_batches(
    items: list[Item], sizes: Sequence[int], config: TrainConfig, seed: int
) -> list[Batch]:
    """The pictures of validation, once each, in batches of their dataset's size; at most
    max_validation_steps of them. Drawn from the seed alone, so that they are the same each time."""
    buckets = data.bucket_lists(items, validation=True)
    random = Random(seed)
    found = [
        Batch(
            bucket,
            tuple(
                data.shown(items, index, random, 1, 0)
                for index in buckets[bucket][start : start + sizes[bucket[0]]]
            ),
        )
        for bucket, start in batch_starts(buckets, sizes)
    ]
    most = config.max_validation_steps
    return found if most is None else found[:most]


def validation_loss(
    batches: Sequence[Batch],
    config: TrainConfig,
    stepper: Stepper,
    feed: Callable[[Batch, int], Fed],
    seed: int,
    report: Reporter,
) -> float | None:
    """The mean loss over batches and timesteps, with the same noise each time: from validation_seed, else
    ``seed`` (train_network.py:1540). None when it is no number. Leaves the generators as they were."""
    least, most = config.min_timestep or 0, config.max_timestep or noise.TIMESTEPS
    timesteps = np.linspace(least, most, _PLACES + 2, dtype=int)[1:-1].tolist()
    own = config.validation_seed
    losses = []
    stepper.network.training_mode(False)
    with set_apart(seed if own is None else own), torch.no_grad():
        for number, batch in enumerate(batches):
            report.progress("validating", number, len(batches), "batches")
            for timestep in timesteps:
                with stepper.accelerator.autocast():
                    losses.append(float(stepper.loss(feed(batch, timestep))))
    stepper.network.training_mode(True)
    mean = sum(losses) / len(losses)
    return mean if math.isfinite(mean) else None
