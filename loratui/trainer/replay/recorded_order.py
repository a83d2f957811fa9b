"""Whether the captions and the order of a recorded run follow from its seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import torch

from loratui.dataset.captions import CaptionRules, apply
from loratui.trainer.base.loading import BaseModel
from loratui.trainer.captions.text import Tokens, tokenize
from loratui.trainer.noise import draw_shrinks
from loratui.trainer.pictures import data
from loratui.trainer.pictures.augment import draw_color, draw_crop
from loratui.trainer.pictures.batches import Bucket, batch_starts, shuffle
from loratui.trainer.pictures.data import Item
from loratui.trainer.replay.recording import Recording

Names = tuple[str, ...]
"""The pictures of a batch."""


def items_by_name(recording: Recording) -> dict[str, Item]:
    """The pictures as the trainer itself finds them, by the names of the recording: their paths below
    ``common``, where there are several datasets behind the number of theirs (``#0/``)."""
    common = recording.common.resolve()
    several = len(recording.config.datasets()) > 1
    return {
        (f"#{item.dataset}/" if several else "")
        + str(Path(item.picture.path).resolve().relative_to(common)): item
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
    masks = any(item.mask for item in items.values())
    for first in range(0, len(passes), per_epoch):
        current = passes[first : first + per_epoch]
        # The dataset turns to its next epoch only after the first batch was fetched; one with folders of
        # masks never hears of it (library/train_util.py:2898).
        wanted = [0 if masks else first // per_epoch + (number > 0) for number in range(len(current))]
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
    generators = _generators(recording, items)
    per_epoch = len(recording.facts["batches_before_shuffle"])
    for number, entry in enumerate(recording.passes):
        epoch = entry["dataset_epoch_at_fetch"]
        if epoch in generators:
            _draw_noise(recording, number, per_epoch, generators[epoch])
        recorded = recording.tokens(number)
        for image, caption, flipped in zip(entry["images"], entry["captions"], entry["flipped"], strict=True):
            item = items[image]
            plain, rules = item.caption, item.subset.rules.for_steps(config.max_train_steps)
            random = generators.get(epoch, Random()) if epoch else Random()
            if epoch and item.subset.flip and (random.random() < 0.5) != flipped:
                return False
            if item.subset.random_crop:
                draw_crop(item.placement, random, height_first=item.cut)
            if item.subset.color_aug:
                draw_color(random)
            if recorded is None:  # cached text encoder outputs are those of the file's own words
                equal = caption == plain
            elif epoch == 0 and (rules.varies or rules.dropout or rules.dropout_every):
                equal = _can_come_of(plain, caption, rules)
            else:
                equal = apply(plain, rules, random, epoch) == caption
            if not equal:
                return False
        own = _tokens(recording, model, number)
        for mine, theirs in zip(own, own if recorded is None else recorded, strict=True):
            if not torch.equal(mine.ids, theirs.ids):
                return False
            if not _close(mine.weights, theirs.weights):
                return False
    return True


def _draw_noise(recording: Recording, number: int, per_epoch: int, random: Random) -> None:
    """What multires noise takes from the captions' generator before a fetch: one batch is fetched ahead, so
    that of the pass before last; at an epoch's first fetch that of the last two. An epoch's second fetch
    follows the dataset's switch, and nothing lies between."""
    iterations = recording.config.multires_noise_iterations
    place = number % per_epoch
    if not iterations or place == 1:
        return
    ahead = 1 if place else 0
    for earlier in range(max(0, number - min(2, per_epoch)), number - ahead):
        height, width = recording.tensor(earlier, "latents").shape[2:]
        draw_shrinks(height, width, iterations, random)


def tokens_of(recording: Recording, model: BaseModel, number: int) -> list[Tokens]:
    """What each text encoder is given in a forward pass: as recorded, else made of the captions."""
    return recording.tokens(number) or _tokens(recording, model, number)


def _tokens(recording: Recording, model: BaseModel, number: int) -> list[Tokens]:
    config = recording.config
    captions = recording.passes[number]["captions"]
    return tokenize(model, captions, weighted=config.weighted_captions, most=config.token_limit)


def _can_come_of(plain: str, caption: str, rules: CaptionRules) -> bool:
    """Whether some state of the generator makes this caption. Wildcards are not followed up."""
    if rules.wildcards or (not caption and (rules.dropout or rules.dropout_every)):
        return True
    whole = apply(plain, replace(rules, dropout=0.0, dropout_every=0, tag_dropout=0.0), Random(0))
    if not rules.splits:
        return caption == whole
    old, new = whole.split(", "), caption.split(", ") if caption else []
    kept = rules.keep_tokens
    left_out, made_up = Counter(old) - Counter(new), Counter(new) - Counter(old)
    return not made_up and (not left_out or rules.tag_dropout > 0) and old[:kept] == new[:kept]


def _close(mine: torch.Tensor | None, theirs: torch.Tensor | None) -> bool:
    if mine is None or theirs is None:
        return mine is theirs
    return torch.allclose(mine, theirs)


def _seen(caption: str, item: Item) -> str:
    """Of a file of metadata sd-scripts cuts all but the first line off when a picture is shown."""
    return caption if item.subset.rules.wildcards else caption.split("\n")[0]


def _same(entry: dict[str, Any], item: Item) -> bool:
    picture, placement = item.picture, item.placement
    return (
        entry["num_repeats"] == item.repeats
        and bool(entry["is_reg"]) == picture.is_regularization
        and _seen(entry["caption"], item) == item.caption
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
    """sd-scripts shuffles the lists of the epoch before once more, and the very first time with seed 0. Each
    dataset begins with the seed anew; the generator stands where the last one left it."""
    names = [entry["image"] for entry in recording.facts["registered"]]
    buckets: dict[Bucket, list[int]] = data.bucket_lists([items[name] for name in names])
    sizes = [dataset.batch_size for dataset in recording.config.datasets()]
    parts = [
        {bucket: indices for bucket, indices in buckets.items() if bucket[0] == number}
        for number in range(len(sizes))
    ]
    orders = [batch_starts(part, sizes) for part in parts]
    found = {}
    for epoch in range(1 + max(entry["dataset_epoch_at_fetch"] for entry in recording.passes)):
        batches: list[Names] = []
        for order, part in zip(orders, parts, strict=True):
            random = Random(recording.facts["dataset_seed"] + epoch if epoch else 0)
            shuffle(order, part, random)
            batches += [
                tuple(names[index] for index in part[bucket][start : start + sizes[bucket[0]]])
                for bucket, start in order
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
