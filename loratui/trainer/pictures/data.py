"""The training pictures: where they go, how often, with which caption and weight."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from loratui.dataset.buckets import Placement, place
from loratui.dataset.captions import apply, read_caption
from loratui.dataset.layout import is_picture_name, list_folder
from loratui.dataset.regularization import used_repeats
from loratui.dataset.scan import Picture, Scan, scan_sources
from loratui.dataset.sources import Dataset, Subset
from loratui.dataset.validation import split
from loratui.problems import refusal
from loratui.trainer.pictures.augment import draw_color, draw_crop
from loratui.trainer.pictures.batches import Bucket, Shown
from loratui.trainer.pictures.pixels import LEAVE_OUT
from loratui.trainer.settings.config import TrainConfig


@dataclass(frozen=True, slots=True)
class Item:
    """One picture in training."""

    picture: Picture
    placement: Placement
    caption: str
    repeats: int
    """How often it is shown in an epoch: 0 for a picture of validation, and for one that was left out."""
    weight: float
    """On its loss: 1, or prior_loss_weight for a regularization picture."""
    subset: Subset
    """How it is shown."""
    dataset: int = 0
    validation: bool = False
    mask: Path | None = None
    """A picture of the same size that says how much each pixel counts."""
    cut: bool = False
    """Cut out of the picture at its own size, which is no part of the training then: what SDXL is told of is
    the cut alone (sd-scripts library/train_util.py:1631-1651)."""

    @property
    def bucket(self) -> Bucket:
        return self.dataset, self.placement.bucket

    @property
    def changes(self) -> bool:
        """Whether its pixels are other ones each time."""
        return self.subset.random_crop or self.subset.color_aug


def load_items(
    config: TrainConfig, damaged: Callable[[Path], None] | None = None, *, seed: int = 0
) -> list[Item]:
    """All pictures that take part, in order of registration. Raises ``UserError`` naming what is wrong.

    ``damaged`` is told of pictures whose size cannot be read; without it they are wrong. ``seed`` chooses
    the pictures of validation where validation_seed does not.
    """
    items: list[Item] = []
    for number, dataset in enumerate(config.datasets()):
        found = scan_sources(Path(config.pictures), dataset.sources)
        if damaged:
            for path in found.unreadable:
                damaged(path)
        elif found.unreadable:
            message = "this picture cannot be read; it is damaged."
            raise refusal(found.unreadable[0], message, LEAVE_OUT, "image_corrupt")
        items += _items_of(config, number, dataset, found, seed)
    return items


def _items_of(config: TrainConfig, number: int, dataset: Dataset, found: Scan, seed: int) -> Iterator[Item]:
    own_seed = dataset.validation_seed
    masks = [_masks_in(subset.masks) for subset in dataset.subsets]
    trained, kept = split(found, dataset.validation_split, seed if own_seed is None else own_seed)
    for picture, repeats in (*used_repeats(trained).items(), *((picture, 0) for picture in kept)):
        subset = dataset.subsets[picture.source]
        cut = subset.random_crop and not dataset.bucketing.enabled
        yield Item(
            picture,
            _cut(dataset, picture) if cut else _placed(dataset, picture),
            read_caption(picture, all_lines=subset.rules.wildcards),
            repeats,
            config.prior_loss_weight if picture.is_regularization else 1.0,
            subset,
            number,
            validation=not repeats,
            mask=_mask_of(picture, subset.masks, masks[picture.source]),
            cut=cut,
        )


def _masks_in(folder: Path | None) -> dict[str, Path]:
    """Pictures of masks by the name of the picture they belong to."""
    if folder is None:
        return {}
    names = sorted(entry.name for entry in list_folder(folder) if is_picture_name(entry.name))
    return {Path(name).stem: folder / name for name in reversed(names)}


def _mask_of(picture: Picture, folder: Path | None, masks: Mapping[str, Path]) -> Path | None:
    """The picture of the same name in the folder of masks (sd-scripts library/train_util.py:2454-2480)."""
    found = masks.get(picture.path.stem)
    if folder is not None and found is None:
        message = f"there is no mask of its name in {folder}."
        raise refusal(picture.path, message, "Add one, or remove conditioning_data_dir.", "control_pairs")
    return found


def _placed(dataset: Dataset, picture: Picture) -> Placement:
    try:
        placement = place(dataset.bucketing, picture.width, picture.height)
    except ValueError as error:
        fix = "Remove it, or turn bucket_no_upscale off."
        raise refusal(picture.path, f"{error}.", fix, "image_too_small") from None
    if min(placement.bucket) < 8:
        message = "it is too small to train on."
        raise refusal(picture.path, message, "Remove it or enlarge it.", "image_too_small")
    return placement


def _cut(dataset: Dataset, picture: Picture) -> Placement:
    width, height = dataset.bucketing.resolution
    if picture.width < width or picture.height < height:
        raise refusal(
            picture.path,
            f"it is {picture.width}x{picture.height}: random_crop without buckets cuts {width}x{height} out"
            " of pictures as they are.",
            "Remove it, enlarge it, or set enable_bucket = true.",
            "image_size",
        )
    return Placement((width, height), (picture.width, picture.height))


def bucket_lists(items: list[Item], *, validation: bool = False) -> dict[Bucket, list[int]]:
    """Indices of ``items`` by bucket, each as often as it is repeated, or once those of validation; buckets
    in order of dataset and size."""
    buckets: dict[Bucket, list[int]] = {}
    for index, item in enumerate(items):
        times = int(item.validation) if validation else item.repeats
        if times:
            buckets.setdefault(item.bucket, []).extend([index] * times)
    return dict(sorted(buckets.items()))


def for_steps(items: list[Item], total: int) -> list[Item]:
    """The same, in a training of ``total`` steps."""
    return [
        replace(item, subset=replace(item.subset, rules=item.subset.rules.for_steps(total))) for item in items
    ]


def shown(items: list[Item], index: int, random: Random, epoch: int, step: int) -> Shown:
    """How a picture is shown this time, in an epoch counted from 1 and after ``step`` steps. Flip, crop,
    colour and caption are drawn in this order, each only where it is asked for (sd-scripts
    library/train_util.py:1588-1720)."""
    item = items[index]
    subset = item.subset
    flipped = subset.flip and random.random() < 0.5
    crop = draw_crop(item.placement, random, height_first=item.cut) if subset.random_crop else None
    color = draw_color(random) if subset.color_aug else None
    return Shown(index, apply(item.caption, subset.rules, random, epoch, step), flipped, crop, color)


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
    if item.cut:
        return (bucket_height, bucket_width, 0, 0, bucket_height, bucket_width)
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
