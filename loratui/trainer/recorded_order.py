"""Whether the captions and the order of a recorded run follow from its seeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import torch

from loratui.dataset.buckets import Size
from loratui.dataset.captions import apply
from loratui.trainer import data
from loratui.trainer.batches import batch_starts, shuffle
from loratui.trainer.data import Item
from loratui.trainer.loading import BaseModel
from loratui.trainer.recording import Recording
from loratui.trainer.text import tokenize

Names = tuple[str, ...]
"""The pictures of a batch."""


def items_by_name(recording: Recording) -> dict[str, Item]:
    """The pictures as the trainer itself finds them, by the names of the recording."""
    common = recording.common.resolve()
    return {
        str(Path(item.picture.path).resolve().relative_to(common)): item
        for item in data.load_items(recording.config)
    }


def order_follows(recording: Recording, items: dict[str, Item]) -> bool:
    """Whether pictures, repeats, buckets and the make-up of every batch are what the trainer's own
    functions make of the folders and of the recorded seed.

    Which of an epoch's batches comes when was drawn by PyTorch's sampler in between other draws, so it is
    taken from the recording; but each may come once only.
    """
    registered = recording.facts["registered"]
    if {entry["image"] for entry in registered} != items.keys():
        return False
    if not all(_same(entry, items[entry["image"]]) for entry in registered):
        return False
    epochs = _epochs(recording, items)
    per_epoch = len(epochs[0])
    passes = recording.passes
    for first in range(0, len(passes), per_epoch):
        current = passes[first : first + per_epoch]
        # The dataset turns to its next epoch only after the first batch was fetched.
        wanted = [first // per_epoch + (number > 0) for number in range(len(current))]
        if [entry["dataset_epoch_at_fetch"] for entry in current] != wanted:
            return False
        if not _can_be_drawn(
            [(tuple(entry["images"]), epochs[e]) for entry, e in zip(current, wanted, strict=True)]
        ):
            return False
    return True


def captions_follow(recording: Recording, items: dict[str, Item], model: BaseModel) -> bool:
    """Whether each caption is what the trainer's own function makes of the file and of the seed, and the
    recorded tokens are what its tokenizer makes of the caption.

    Before the dataset's first switch of epochs the state of the generator is unknown: there a shuffled
    caption must have the same tags, and the same ones in front.
    """
    config = recording.config
    rules = config.caption_rules
    generators = _generators(recording, items)
    for number, entry in enumerate(recording.passes):
        epoch = entry["dataset_epoch_at_fetch"]
        for image, caption in zip(entry["images"], entry["captions"], strict=True):
            plain = items[image].caption
            if epoch == 0 and rules.varies:
                kept = rules.keep_tokens
                old, new = plain.split(", "), caption.split(", ")
                if sorted(old) != sorted(new) or old[:kept] != new[:kept]:
                    return False
            elif apply(plain, rules, generators[epoch], epoch) != caption:
                return False
        own = tokenize(model, entry["captions"], weighted=config.weighted_captions)
        for mine, theirs in zip(own, recording.tokens(number), strict=True):
            if not torch.equal(mine.ids, theirs.ids):
                return False
            if not _close(mine.weights, theirs.weights):
                return False
    return True


def _close(mine: torch.Tensor | None, theirs: torch.Tensor | None) -> bool:
    if mine is None or theirs is None:
        return mine is theirs
    return torch.allclose(mine, theirs)


def _same(entry: dict[str, Any], item: Item) -> bool:
    picture, placement = item.picture, item.placement
    return (
        entry["num_repeats"] == item.repeats
        and bool(entry["is_reg"]) == picture.is_regularization
        and entry["caption"] == item.caption
        and tuple(entry["bucket"]) == tuple(placement.bucket)
        and tuple(entry["resized_size"]) == tuple(placement.resized)
    )


def _generators(recording: Recording, items: dict[str, Item]) -> dict[int, Random]:
    """Python's generator as it stands after the shuffles of each dataset epoch."""
    return {epoch: random for epoch, (_, random) in _shuffled(recording, items).items()}


def _epochs(recording: Recording, items: dict[str, Item]) -> dict[int, list[Names]]:
    """The make-up of the batches in each dataset epoch."""
    return {epoch: batches for epoch, (batches, _) in _shuffled(recording, items).items()}


def _shuffled(recording: Recording, items: dict[str, Item]) -> dict[int, tuple[list[Names], Random]]:
    """sd-scripts shuffles the lists of the epoch before once more, and the very first time with seed 0."""
    names = [entry["image"] for entry in recording.facts["registered"]]
    buckets: dict[Size, list[int]] = data.bucket_lists([items[name] for name in names])
    size = recording.config.train_batch_size
    order = batch_starts(buckets, size)
    found = {}
    for epoch in range(1 + max(entry["dataset_epoch_at_fetch"] for entry in recording.passes)):
        random = Random(recording.facts["dataset_seed"] + epoch if epoch else 0)
        shuffle(order, buckets, random)
        batches = [
            tuple(names[index] for index in buckets[bucket][start : start + size]) for bucket, start in order
        ]
        found[epoch] = batches, random
    return found


def _can_be_drawn(fetches: Sequence[tuple[Names, list[Names]]]) -> bool:
    """Whether every fetch can have taken another place of its epoch's list: a matching of fetches and
    places, found by augmenting paths."""
    taken: dict[int, int] = {}

    def place(fetch: int, tried: set[int]) -> bool:
        names, batches = fetches[fetch]
        for number, batch in enumerate(batches):
            if batch == names and number not in tried:
                tried.add(number)
                if number not in taken or place(taken[number], tried):
                    taken[number] = fetch
                    return True
        return False

    return all(place(fetch, set()) for fetch in range(len(fetches)))
