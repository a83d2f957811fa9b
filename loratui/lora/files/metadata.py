"""What a LoRA file's metadata tells of its training.

Keys: sd-scripts ``train_network.py`` (``ss_``), Stability's modelspec
(https://github.com/Stability-AI/ModelSpec). All values are text from outside.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_SETTINGS = (
    # name in words, metadata keys in order of trust
    ("base_model", ("ss_sd_model_name",)),
    ("base_version", ("ss_base_model_version", "modelspec.architecture")),
    ("prediction", ("modelspec.prediction_type",)),
    ("steps", ("ss_steps",)),
    ("planned_steps", ("ss_max_train_steps",)),
    ("epoch", ("ss_epoch",)),
    ("planned_epochs", ("ss_num_epochs",)),
    ("learning_rate", ("ss_learning_rate",)),
    ("unet_rate", ("ss_unet_lr",)),
    ("text_encoder_rate", ("ss_text_encoder_lr",)),
    ("optimizer", ("ss_optimizer",)),
    ("scheduler", ("ss_lr_scheduler",)),
    ("batch_size", ("ss_total_batch_size", "ss_batch_size_per_device")),
    ("resolution", ("ss_resolution", "modelspec.resolution")),
    ("pictures", ("ss_num_train_images",)),
    ("regularization_pictures", ("ss_num_reg_images",)),
    ("clip_skip", ("ss_clip_skip",)),
    ("noise_offset", ("ss_noise_offset",)),
    ("min_snr_gamma", ("ss_min_snr_gamma",)),
    ("precision", ("ss_mixed_precision",)),
    ("seed", ("ss_seed",)),
    ("network", ("ss_network_module",)),
    ("network_arguments", ("ss_network_args",)),
    ("trigger", ("modelspec.trigger_phrase",)),
    ("made_with", ("modelspec.implementation_version", "modelspec.implementation", "software")),
    ("date", ("modelspec.date",)),
    ("comment", ("ss_training_comment",)),
)
EMPTY = ("None", "", "{}", "[]", "null")
"""What stands for nothing: trainers write Python's ``str()``."""
_MOST_TAGS = 40


@dataclass(frozen=True, slots=True)
class Folder:
    """A dataset folder, by its name alone: sd-scripts stores no path."""

    name: str
    repeats: int | None
    images: int | None


@dataclass(frozen=True, slots=True)
class Training:
    """How it was trained, as far as it says."""

    settings: Mapping[str, str]
    """``base_model``, ``steps``, ``epoch``, ``unet_rate``, ``optimizer`` ... to the value as stored."""
    folders: tuple[Folder, ...]
    tags: tuple[tuple[str, int], ...]
    """The most frequent tags with their counts, over all folders."""
    tag_count: int
    """How many different tags there are."""


def training_of(metadata: Mapping[str, str]) -> Training:
    """Never raises: what is not as expected is left out."""
    settings = {}
    for name, keys in _SETTINGS:
        known = [metadata[key] for key in keys if metadata.get(key, "None") not in EMPTY]
        if known:
            settings[name] = known[0]
    tags = Counter[str]()
    for table in _tag_tables(metadata):
        for tag, count in table.items():
            tags[tag] += _count(count) or 0
    return Training(settings, tuple(_folders(metadata)), tuple(tags.most_common(_MOST_TAGS)), len(tags))


def _folders(metadata: Mapping[str, str]) -> Iterator[Folder]:
    seen = set()
    for key in ("ss_dataset_dirs", "ss_reg_dataset_dirs"):
        for name, entry in _table(parse_json(metadata.get(key))).items():
            details = _table(entry)
            seen.add(name)
            yield Folder(name, _count(details.get("n_repeats")), _count(details.get("img_count")))
    for dataset in _list(parse_json(metadata.get("ss_datasets"))):
        for subset in _list(_table(dataset).get("subsets")):
            details = _table(subset)
            folder = details.get("image_dir") or details.get("metadata_file")
            if isinstance(folder, str) and folder not in seen:
                seen.add(folder)
                yield Folder(folder, _count(details.get("num_repeats")), _count(details.get("img_count")))


def _tag_tables(metadata: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    tables = list(_table(parse_json(metadata.get("ss_tag_frequency"))).values())
    if not tables:
        for dataset in _list(parse_json(metadata.get("ss_datasets"))):
            tables.extend(_table(_table(dataset).get("tag_frequency")).values())
    for table in tables:
        yield _table(table)


def parse_json(text: str | None) -> Any:
    """The value, or None for what is no JSON."""
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53


def _count(value: Any) -> int | None:
    return value if _is_count(value) else None
