"""The training pictures: where they go, how often, with which caption and weight."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from loratui.dataset.buckets import Placement, Size, place
from loratui.dataset.captions import read_caption
from loratui.dataset.regularization import used_repeats
from loratui.dataset.scan import Picture, scan
from loratui.problems import refusal
from loratui.trainer.config import TrainConfig


@dataclass(frozen=True, slots=True)
class Item:
    """One picture in training."""

    picture: Picture
    placement: Placement
    caption: str
    repeats: int
    weight: float
    """On its loss: 1, or prior_loss_weight for a regularization picture."""


def load_items(config: TrainConfig, damaged: Callable[[Path], None] | None = None) -> list[Item]:
    """All pictures that take part, in order of registration. Raises ``UserError`` naming what is wrong.

    ``damaged`` is told of pictures whose size cannot be read; without it they are wrong.
    """
    reg = Path(config.reg_data_dir).expanduser() if config.reg_data_dir else None
    found = scan(Path(config.train_data_dir).expanduser(), reg, config.caption_extension)
    if damaged:
        for path in found.unreadable:
            damaged(path)
    elif found.unreadable:
        raise refusal(
            found.unreadable[0], "this picture cannot be read; it is damaged.", "Replace or remove it."
        )
    items = []
    for picture, repeats in used_repeats(found).items():
        try:
            placement = place(config.bucketing, picture.width, picture.height)
        except ValueError as error:
            raise refusal(picture.path, f"{error}.", "Remove it, or turn bucket_no_upscale off.") from None
        if min(placement.bucket) < 8:
            raise refusal(picture.path, "it is too small to train on.", "Remove it or enlarge it.")
        weight = config.prior_loss_weight if picture.is_regularization else 1.0
        caption = read_caption(picture, all_lines=config.enable_wildcard)
        items.append(Item(picture, placement, caption, repeats, weight))
    return items


def bucket_lists(items: list[Item]) -> dict[Size, list[int]]:
    """Indices of ``items`` by bucket, each as often as it is repeated; buckets in order of size."""
    buckets: dict[Size, list[int]] = {}
    for index, item in enumerate(items):
        buckets.setdefault(item.placement.bucket, []).extend([index] * item.repeats)
    return dict(sorted(buckets.items()))


def training_images(items: list[Item]) -> int:
    """Training pictures, each counted with its repeats."""
    return sum(item.repeats for item in items if not item.picture.is_regularization)


def size_conditions(item: Item, *, flipped: bool) -> tuple[float, ...]:
    """SDXL's six numbers: original (height, width), crop (top, left), target (height, width).

    The crop is not the one done to the pixels: it is the border that would be left if the whole
    picture were fitted into the bucket (sd-scripts library/train_util.py:348-366).
    """
    width, height = item.picture.width, item.picture.height
    bucket_width, bucket_height = item.placement.bucket
    left, top, right, _ = crop_box(item)
    shown_left = bucket_width - right if flipped else left
    return (height, width, int(top), int(shown_left), bucket_height, bucket_width)


def crop_box(item: Item) -> tuple[float, float, float, float]:
    """(left, top, right, bottom) of the whole picture fitted into its bucket."""
    width, height = item.picture.width, item.picture.height
    bucket_width, bucket_height = item.placement.bucket
    # In this order of operations, for the last bit of it: sd-scripts' own
    ratio = width / height
    if bucket_width / bucket_height > ratio:
        fitted_width, fitted_height = bucket_height * ratio, float(bucket_height)
    else:
        fitted_width, fitted_height = float(bucket_width), bucket_width / ratio
    left, top = (bucket_width - fitted_width) // 2, (bucket_height - fitted_height) // 2
    return left, top, left + fitted_width, top + fitted_height


def metadata(items: list[Item], config: TrainConfig) -> dict[str, str]:
    """The ``ss_`` entries that describe the data: folders, tags and buckets by name and number."""
    frequency: dict[str, dict[str, int]] = {}
    folders: dict[bool, dict[str, dict[str, int]]] = {False: {}, True: {}}
    for item in filter(lambda item: item.repeats, items):
        picture = item.picture
        name = picture.path.parent.name
        entry = folders[picture.is_regularization].setdefault(
            name, {"n_repeats": picture.repeats, "img_count": 0}
        )
        entry["img_count"] += 1
        tags = frequency.setdefault(name, {})
        for tag in item.caption.split(","):
            if tag.strip():
                tags[tag.strip().lower()] = tags.get(tag.strip().lower(), 0) + 1
    buckets = {
        str(number): {"resolution": list(size), "count": len(indices)}
        for number, (size, indices) in enumerate(bucket_lists(items).items())
    }
    return {
        "ss_tag_frequency": json.dumps(frequency),
        "ss_dataset_dirs": json.dumps(folders[False]),
        "ss_reg_dataset_dirs": json.dumps(folders[True]),
        "ss_bucket_info": json.dumps({"buckets": buckets}) if config.enable_bucket else "null",
        "ss_num_train_images": str(training_images(items)),
        "ss_num_reg_images": str(sum(item.repeats for item in items if item.picture.is_regularization)),
    }
