"""The datasets of a training and their subsets, each with what holds for it.

A value stands in a subset, in its dataset, in ``[general]``, or in config.toml (on the command line, in
sd-scripts' words), and the first of these that has it wins (sd-scripts library/config_util.py:404-463).
Folders named like 10_name are one dataset whose subsets say nothing themselves (:597-640).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loratui import kohya_config
from loratui.dataset import dataset_config
from loratui.dataset.buckets import Bucketing, Size
from loratui.dataset.captions import CaptionRules
from loratui.dataset.layout import read_layout
from loratui.dataset.scan import Source
from loratui.places import expanded
from loratui.problems import Problem, UserError

KEYS = frozenset(
    {
        "alpha_mask",
        "bucket_no_upscale",
        "bucket_reso_steps",
        "caption_dropout_every_n_epochs",
        "caption_dropout_rate",
        "caption_extension",
        "caption_prefix",
        "caption_separator",
        "caption_suffix",
        "caption_tag_dropout_rate",
        "color_aug",
        "dataset_config",
        "dataset_repeats",
        "enable_bucket",
        "enable_wildcard",
        "face_crop_aug_range",
        "flip_aug",
        "in_json",
        "keep_tokens",
        "keep_tokens_separator",
        "max_bucket_reso",
        "min_bucket_reso",
        "random_crop",
        "reg_data_dir",
        "resize_interpolation",
        "resolution",
        "secondary_separator",
        "shuffle_caption",
        "token_warmup_min",
        "token_warmup_step",
        "train_batch_size",
        "train_data_dir",
        "validation_seed",
        "validation_split",
    }
)
"""The keys of config.toml that are asked for."""

_IN_CONFIG = {"batch_size": "train_batch_size", "num_repeats": "dataset_repeats"}
"""Values that have another name in config.toml (config_util.py:260-263)."""


@dataclass(frozen=True, slots=True)
class Subset:
    """One folder of pictures and how they are shown."""

    source: Source
    rules: CaptionRules
    flip: bool = False
    random_crop: bool = False
    color_aug: bool = False
    alpha_mask: bool = False
    """Whether the loss counts by the picture's alpha channel."""
    face_crop: tuple[float, float] | None = None
    """Least and most of the picture's side, in sides of the face that its name tells of."""
    interpolation: str | None = None
    """How pictures are resized; None is an area average when both sides shrink, Lanczos otherwise."""
    masks: Path | None = None
    """A folder with a picture of the same name for each, whose red says how much a pixel of the loss
    counts (conditioning_data_dir)."""
    preserves: bool = False
    """Whether the LoRA is to change nothing about its pictures: diff_output_preservation among the
    custom_attributes (train_network.py:304-328)."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Subsets that share buckets and batches."""

    bucketing: Bucketing
    batch_size: int
    subsets: tuple[Subset, ...]
    validation_split: float = 0.0
    """The share of training pictures kept for validation."""
    validation_seed: int | None = None

    @property
    def sources(self) -> tuple[Source, ...]:
        return tuple(subset.source for subset in self.subsets)


def says_where(values: Mapping[str, Any]) -> str | None:
    """The file of a config that names the pictures, in place of folders like 10_name: dataset_config, else
    in_json, the metadata of one folder (train_network.py:500-555)."""
    return values.get("dataset_config") or values.get("in_json")


def read(values: Mapping[str, Any]) -> tuple[Dataset, ...]:
    """The datasets that a config means; ``values`` has each of ``KEYS``, None where it is not given.

    Reads ``dataset_config``, which wins over all else, or ``in_json`` with ``train_data_dir``, or the names
    in ``train_data_dir`` and ``reg_data_dir``. Raises ``UserError`` when one of them is not as it should be.
    """
    if says_where(values):
        return outline(values)
    folders = {"datasets": [{"subsets": list(_folders(values))}]}
    return of_document(Path(values["train_data_dir"]), folders, values)


def outline(values: Mapping[str, Any]) -> tuple[Dataset, ...]:
    """The same without a look into ``train_data_dir``: one subset stands for all of its folders. Raises
    ``UserError`` as ``read`` does."""
    return of_document(*document(values), values)


def document(values: Mapping[str, Any]) -> tuple[Path, dict[str, Any]]:
    """What a config names its pictures by, and what stands there, in the shape of a dataset_config. Raises
    ``UserError`` for a dataset_config that is not as it should be."""
    if values["dataset_config"]:
        path = expanded(values["dataset_config"])
        return path, dataset_config.read(path)
    subset = {"image_dir": values["train_data_dir"]}
    if values["in_json"]:
        subset["metadata_file"] = values["in_json"]
    return Path(says_where(values) or values["train_data_dir"]), {"datasets": [{"subsets": [subset]}]}


def of_document(path: Path, document: Mapping[str, Any], values: Mapping[str, Any]) -> tuple[Dataset, ...]:
    """The datasets of a document that is known. Touches no disk. Raises ``UserError`` for one without a
    size."""
    general = document.get("general", {})
    found, problems = [], []
    for number, dataset in enumerate(dataset_config.tables(document["datasets"])):
        where = f"{path}, [[datasets]] {number + 1}"
        levels = (dataset, general, values)
        subsets = dataset_config.tables(dataset["subsets"])
        size = _size(_value("resolution", levels))
        if size is None:
            message = f"{where} has no resolution, and the config has none either."
            fix = "Write resolution = 512."
            problems.append(Problem("dataset_config", message, fix, "resolution_missing"))
            continue
        bucketing = Bucketing(
            size,
            _value("enable_bucket", levels),
            _value("min_bucket_reso", levels),
            _value("max_bucket_reso", levels),
            _value("bucket_reso_steps", levels),
            _value("bucket_no_upscale", levels),
        )
        shown = tuple(_subset((subset, *levels)) for subset in subsets)
        split, seed = _value("validation_split", levels), _value("validation_seed", levels)
        found.append(Dataset(bucketing, _value("batch_size", levels), shown, split, seed))
    if problems:
        raise UserError("", *problems)
    return tuple(found)


def _folders(values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for key in ("train_data_dir", "reg_data_dir"):
        if values[key]:
            for folder in read_layout(expanded(values[key])).subsets:
                yield {
                    "image_dir": str(folder.folder),
                    "num_repeats": folder.repeats,
                    "class_tokens": folder.class_tokens,
                    "is_reg": key == "reg_data_dir",
                }


def _value(key: str, levels: tuple[Mapping[str, Any], ...]) -> Any:
    """The first that is given, config.toml being the last of them."""
    for level in levels[:-1]:
        if level.get(key) is not None:
            return level[key]
    return levels[-1].get(_IN_CONFIG.get(key, key))


def _subset(levels: tuple[Mapping[str, Any], ...]) -> Subset:
    def value(key: str) -> Any:
        return _value(key, levels)

    masks = levels[0].get("conditioning_data_dir")
    extension = value("caption_extension") or ""
    if extension and not extension.startswith("."):
        extension = f".{extension}"  # library/train_util.py:536
    metadata = levels[0].get("metadata_file")
    return Subset(
        Source(
            expanded(levels[0]["image_dir"]) if levels[0].get("image_dir") else Path(),
            value("num_repeats"),
            value("class_tokens") or "",
            bool(levels[0].get("is_reg")),
            extension,
            expanded(metadata) if metadata else None,
            value("caption_separator"),
            value("enable_wildcard"),
        ),
        CaptionRules(
            value("shuffle_caption"),
            value("keep_tokens"),
            value("caption_prefix") or "",
            value("caption_suffix") or "",
            value("caption_dropout_rate"),
            value("caption_dropout_every_n_epochs"),
            value("caption_tag_dropout_rate"),
            value("caption_separator"),
            value("secondary_separator") or "",
            value("keep_tokens_separator") or "",
            value("enable_wildcard"),
            value("token_warmup_min"),
            value("token_warmup_step"),
        ),
        value("flip_aug"),
        value("random_crop"),
        value("color_aug"),
        value("alpha_mask"),
        _range(value("face_crop_aug_range")),
        value("resize_interpolation"),
        expanded(masks) if masks else None,
        bool((value("custom_attributes") or {}).get("diff_output_preservation")),
    )


def _size(value: Any) -> Size | None:
    if isinstance(value, str):
        return kohya_config.parse_resolution(value)
    if isinstance(value, int):
        return value, value
    return (value[0], value[1]) if value else None


def _range(value: Any) -> tuple[float, float] | None:
    """``"2.0,4.0"`` in config.toml, a list elsewhere."""
    if not value:
        return None
    least, most = (float(part) for part in (value.split(",") if isinstance(value, str) else value))
    return least, most
