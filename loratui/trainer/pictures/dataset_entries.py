"""What a LoRA file says of the pictures it was trained on: folders, tags and buckets, by name and number only
(sd-scripts train_network.py:1072-1195)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from loratui.dataset.sources import Dataset, Subset
from loratui.trainer.pictures.data import Item, bucket_lists, training_images
from loratui.trainer.settings.config import TrainConfig


def dataset_entries(items: Sequence[Item], config: TrainConfig) -> dict[str, str]:
    """The ``ss_`` entries. The datasets of a dataset_config are described one by one."""
    datasets = config.datasets()
    by_subset: dict[tuple[int, int], list[Item]] = {}
    for item in items:
        if item.repeats:
            by_subset.setdefault((item.dataset, item.picture.source), []).append(item)
    folders: dict[bool, dict[str, dict[str, int]]] = {False: {}, True: {}}
    tags: dict[str, dict[str, int]] = {}
    for (number, place), own in by_subset.items():
        subset = datasets[number].subsets[place]
        part, name = folders[subset.source.is_regularization], _name(subset)
        part[_free(name, part)] = {"n_repeats": subset.source.repeats, "img_count": len(own)}
        tags.setdefault(name, _tags(own))
    entries = {
        "ss_tag_frequency": json.dumps(tags),
        "ss_dataset_dirs": json.dumps(folders[False]),
        "ss_num_train_images": str(training_images(list(items))),
        "ss_num_validation_images": str(sum(item.validation for item in items)),
        "ss_num_reg_images": str(_regularization(items)),
    }
    if config.dataset_config:
        described = [_described(dataset, number, items, by_subset) for number, dataset in enumerate(datasets)]
        return entries | {"ss_datasets": json.dumps(described)}
    return entries | {
        "ss_reg_dataset_dirs": json.dumps(folders[True]),
        "ss_bucket_info": json.dumps(_buckets(items) if config.enable_bucket else None),
    }


def _described(
    dataset: Dataset,
    number: int,
    items: Sequence[Item],
    by_subset: dict[tuple[int, int], list[Item]],
) -> dict[str, Any]:
    own, bucketing = [item for item in items if item.dataset == number], dataset.bucketing
    shown = {place: by_subset.get((number, place), []) for place in range(len(dataset.subsets))}
    tags: dict[str, dict[str, int]] = {}
    for place, subset in enumerate(dataset.subsets):
        tags.setdefault(_name(subset), _tags(shown[place]))
    return {
        "is_dreambooth": all(subset.source.metadata is None for subset in dataset.subsets),
        "batch_size_per_device": dataset.batch_size,
        "num_train_images": training_images(own),
        "num_reg_images": _regularization(own),
        "resolution": list(bucketing.resolution),
        "enable_bucket": bucketing.enabled,
        "min_bucket_reso": bucketing.smallest,
        "max_bucket_reso": bucketing.largest,
        "tag_frequency": tags,
        "bucket_info": _buckets(own) if bucketing.enabled else None,
        "subsets": [_subset(subset, len(shown[place])) for place, subset in enumerate(dataset.subsets)],
    }


def _subset(subset: Subset, count: int) -> dict[str, Any]:
    source, rules = subset.source, subset.rules
    told = {
        "img_count": count,
        "num_repeats": source.repeats,
        "color_aug": subset.color_aug,
        "flip_aug": subset.flip,
        "random_crop": subset.random_crop,
        "shuffle_caption": rules.shuffle,
        "keep_tokens": rules.keep_tokens,
        "keep_tokens_separator": rules.keep_separator,
        "secondary_separator": rules.secondary_separator,
        "enable_wildcard": rules.wildcards,
        "caption_prefix": rules.prefix or None,
        "caption_suffix": rules.suffix or None,
        "resize_interpolation": subset.interpolation,
    }
    if source.folder.name:
        told["image_dir"] = source.folder.name
    if source.metadata is not None:
        return told | {"metadata_file": source.metadata.name}
    return told | {"class_tokens": source.class_tokens or None, "is_reg": source.is_regularization}


def _name(subset: Subset) -> str:
    return (subset.source.metadata or subset.source.folder).name


def _free(name: str, taken: dict[str, Any]) -> str:
    """A folder that several datasets show is counted: ``hero``, ``hero (2)``."""
    if name not in taken:
        return name
    number = 2
    while f"{name} ({number})" in taken:
        number += 1
    return f"{name} ({number})"


def _tags(items: Sequence[Item]) -> dict[str, int]:
    found: dict[str, int] = {}
    for item in items:
        for part in item.caption.split(","):
            tag = part.strip().lower()
            if tag:
                found[tag] = found.get(tag, 0) + 1
    return found


def _regularization(items: Sequence[Item]) -> int:
    """With the repeats of their folders, used or not."""
    return sum(item.picture.repeats for item in items if item.picture.is_regularization)


def _buckets(items: Sequence[Item]) -> dict[str, Any]:
    trained = [item for item in items if item.repeats]
    errors = [
        abs(item.placement.bucket[0] / item.placement.bucket[1] - item.picture.width / item.picture.height)
        for item in trained
    ]
    buckets = {
        str(number): {"resolution": list(size), "count": len(indices)}
        for number, ((_, size), indices) in enumerate(bucket_lists(list(items)).items())
    }
    return {"buckets": buckets, "mean_img_ar_error": fmean(errors) if errors else 0.0}
