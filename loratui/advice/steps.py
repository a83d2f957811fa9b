"""How many steps a run takes, exactly, before anything starts.

``count`` works on a scan and settings, ``count_config`` on a Kohya config and the files it names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from loratui import kohya_config
from loratui.advice.counting import BucketCount, StepCount, count
from loratui.dataset.buckets import Bucketing, Size
from loratui.dataset.regularization import used_repeats
from loratui.dataset.scan import Picture, Scan, scan
from loratui.families import FAMILIES
from loratui.problems import Problem, UserError

__all__ = ["BucketCount", "StepCount", "count", "count_config"]

_LATENT_SUFFIXES = {
    "train_network": "_sd.npz",
    "sdxl_train_network": "_sdxl.npz",
    "sd3_train_network": "_sd3.npz",
    "flux_train_network": "_flux.npz",
    "lumina_train_network": "_lumina.npz",
    "anima_train_network": "_anima.npz",
    "hunyuan_image_train_network": "_hi.npz",
}
"""Endings of cached latents whose names override picture sizes (library/strategy_*.py)."""

_READ_KEYS = (
    "bucket_no_upscale",
    "bucket_reso_steps",
    "cache_latents",
    "cache_latents_to_disk",
    "caption_extension",
    "enable_bucket",
    "gradient_accumulation_steps",
    "max_bucket_reso",
    "max_train_epochs",
    "max_train_steps",
    "min_bucket_reso",
    "random_crop",
    "reg_data_dir",
    "resolution",
    "train_batch_size",
    "train_data_dir",
    "validation_seed",
    "validation_split",
)


def count_config(flat: Mapping[str, Any], script: str, processes: int = 1) -> StepCount:
    """Count for a flat Kohya config, with ``script``'s own defaults for what it leaves out.

    Reads names and picture headers below ``train_data_dir`` and ``reg_data_dir``. A value of a wrong
    type comes back as a problem, all numbers 0.

    Raises ``UserError`` when the pictures cannot be found, or are not given as a folder.
    """
    script = script.removesuffix(".py")
    problems = kohya_config.check({key: flat[key] for key in _READ_KEYS if key in flat}, script)
    resolution = _resolution(flat.get("resolution"))
    if resolution is None and not any(problem.key == "resolution" for problem in problems):
        problems.append(
            Problem("resolution", f"{flat.get('resolution')!r} is no resolution.", 'Write "512,512".')
        )
    if problems or resolution is None:
        return StepCount(problems=tuple(problems))

    def value(key: str) -> Any:
        return flat.get(key, kohya_config.default(key, script))

    bucketing = Bucketing(
        resolution,
        value("enable_bucket"),
        value("min_bucket_reso"),
        value("max_bucket_reso"),
        value("bucket_reso_steps"),
        value("bucket_no_upscale"),
    )
    found = _scan(flat, script, value("caption_extension"))
    split = value("validation_split")
    problems = []
    if split > 0:
        found, problems = _training_part(found, split, value("validation_seed"))
    if not (value("enable_bucket") or value("cache_latents") or value("cache_latents_to_disk")):
        problems += _wrong_size(found, bucketing.resolution, value("random_crop"))
    result = count(
        found,
        bucketing,
        value("train_batch_size"),
        value("gradient_accumulation_steps"),
        value("max_train_epochs"),
        value("max_train_steps"),
        processes,
        divisor=next(family.bucket_step for family in FAMILIES.values() if family.script == script),
    )
    return replace(result, problems=(*result.problems, *problems))


def _resolution(value: Any) -> Size | None:
    try:
        return kohya_config.parse_resolution(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _scan(flat: Mapping[str, Any], script: str, caption_extension: str) -> Scan:
    for key in ("dataset_config", "dataset_class", "in_json"):
        if flat.get(key):
            raise UserError(
                "",
                Problem(
                    key,
                    "steps are only counted for folders of pictures.",
                    "Use train_data_dir with folders like 10_name, or start the run to see its total.",
                ),
            )
    if not flat.get("train_data_dir"):
        raise UserError(
            "",
            Problem(
                "train_data_dir",
                "no folder of pictures is named.",
                "Give the parent of a folder like 10_name.",
            ),
        )
    regularization = flat.get("reg_data_dir")
    return scan(
        Path(flat["train_data_dir"]),
        Path(regularization) if regularization else None,
        caption_extension,
        latent_suffix=_LATENT_SUFFIXES[script],
    )


def _training_part(found: Scan, split: float, seed: int | None) -> tuple[Scan, list[Problem]]:
    """What ``validation_split`` leaves for training: by folder, ceil(n x (1 - split)) of a shuffled list
    (train_util.py, ``split_train_val``). Without a seed the choice is another one in each run."""
    kept: list[Picture] = []
    for folder in dict.fromkeys(picture.path.parent for picture in found.train_pictures):
        pictures = [picture for picture in found.train_pictures if picture.path.parent == folder]
        Random(0 if seed is None else seed).shuffle(pictures)
        kept += pictures[: max(0, math.ceil(len(pictures) * (1 - split)))]
    if not kept:
        problem = Problem("validation_split", f"{split:g} leaves no picture to train on.", "Use 0.1.")
        raise UserError(str(found.folder), problem)
    problems = []
    if seed is None:
        problems.append(
            Problem(
                "validation_seed",
                "without it validation_split takes other pictures in each run, so the steps may differ.",
                "Write validation_seed = 42.",
            )
        )
    return replace(found, pictures=(*kept, *found.reg_pictures)), problems


def _wrong_size(found: Scan, resolution: Size, random_crop: bool) -> list[Problem]:
    """Without buckets and without cached latents a picture of any other size ends the run."""
    width, height = resolution
    for picture in used_repeats(found):
        too_large = picture.width > width or picture.height > height
        too_small = picture.width < width or picture.height < height
        if too_small or (too_large and not random_crop):
            return [
                Problem(
                    "enable_bucket",
                    f"{picture.path} is {picture.width}x{picture.height}, not {width}x{height}; without"
                    " buckets sd-scripts ends on it.",
                    "Write enable_bucket = true, or cache_latents = true.",
                )
            ]
    return []
