"""How many steps a run takes, exactly, before anything starts.

``count`` works on a scan and settings, ``count_config`` on a Kohya config and the files it names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from loratui import kohya_config
from loratui.advice.counting import BucketCount, Part, StepCount, count, count_parts
from loratui.dataset import sources
from loratui.dataset.regularization import used_repeats
from loratui.dataset.scan import Scan, scan, scan_sources
from loratui.dataset.sources import Dataset
from loratui.dataset.validation import split
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

_READ_KEYS = sources.KEYS | {
    "cache_latents",
    "cache_latents_to_disk",
    "gradient_accumulation_steps",
    "max_train_epochs",
    "max_train_steps",
}


def count_config(flat: Mapping[str, Any], script: str, processes: int = 1) -> StepCount:
    """Count for a flat Kohya config, with ``script``'s own defaults for what it leaves out.

    Reads names and picture headers below ``train_data_dir`` and ``reg_data_dir``, or in the folders that
    ``dataset_config`` names. A value of a wrong type comes back as a problem, all numbers 0.

    Raises ``UserError`` when the pictures cannot be found, or are not given as folders.
    """
    script = script.removesuffix(".py")
    problems = kohya_config.check({key: flat[key] for key in sorted(_READ_KEYS & flat.keys())}, script)
    if not problems:
        problems = _size_problems(flat)
    if problems:
        return StepCount(problems=tuple(problems))

    def value(key: str) -> Any:
        return flat.get(key, kohya_config.default(key, script))

    _only_folders(flat)
    cached = bool(value("cache_latents") or value("cache_latents_to_disk"))
    parts = []
    for dataset in sources.read({key: value(key) for key in sources.KEYS}):
        found, problems_of = _scan(dataset, flat, script)
        problems += problems_of
        if not (dataset.bucketing.enabled or cached):
            problems += _wrong_size(found, dataset)
        parts.append(Part(found, dataset.bucketing, dataset.batch_size))
    result = count_parts(
        parts,
        value("gradient_accumulation_steps"),
        value("max_train_epochs"),
        value("max_train_steps"),
        processes,
        divisor=next(family.bucket_step for family in FAMILIES.values() if family.script == script),
    )
    return replace(result, problems=(*result.problems, *problems))


def _size_problems(flat: Mapping[str, Any]) -> list[Problem]:
    """With ``dataset_config`` the size may stand there."""
    given = flat.get("resolution")
    if given is None and flat.get("dataset_config"):
        return []
    try:
        kohya_config.parse_resolution(given if given is not None else "")
    except ValueError:
        return [Problem("resolution", f"{given!r} is no resolution.", 'Write "512,512".')]
    return []


def _only_folders(flat: Mapping[str, Any]) -> None:
    """Raises ``UserError`` for whatever else sd-scripts reads."""
    if flat.get("dataset_class"):
        raise UserError(
            "",
            Problem(
                "dataset_class",
                "steps are only counted for folders of pictures.",
                "Use train_data_dir with folders like 10_name, or start the run to see its total.",
            ),
        )
    if not (flat.get("train_data_dir") or sources.says_where(flat)):
        raise UserError(
            "",
            Problem(
                "train_data_dir",
                "no folder of pictures is named.",
                "Give the parent of a folder like 10_name.",
            ),
        )


def _scan(dataset: Dataset, flat: Mapping[str, Any], script: str) -> tuple[Scan, list[Problem]]:
    """The pictures that are trained on, and what makes their number uncertain."""
    suffix = _LATENT_SUFFIXES[script]
    if sources.says_where(flat):
        found = scan_sources(dataset.sources[0].folder, dataset.sources, latent_suffix=suffix)
    else:
        folder, other = Path(flat["train_data_dir"]), flat.get("reg_data_dir")
        extension = dataset.sources[0].caption_extension
        found = scan(folder, Path(other) if other else None, extension, latent_suffix=suffix)
    share, seed = dataset.validation_split, dataset.validation_seed
    found, kept = split(found, share, seed or 0)
    if not kept or seed is not None:
        return found, []
    message = "without it validation_split takes other pictures in each run, so the steps may differ."
    return found, [Problem("validation_seed", message, "Write validation_seed = 42.")]


def _wrong_size(found: Scan, dataset: Dataset) -> list[Problem]:
    """Without buckets and without cached latents a picture of any other size ends the run."""
    width, height = dataset.bucketing.resolution
    for picture in used_repeats(found):
        too_large = picture.width > width or picture.height > height
        too_small = picture.width < width or picture.height < height
        if too_small or (too_large and not dataset.subsets[picture.source].random_crop):
            return [
                Problem(
                    "enable_bucket",
                    f"{picture.path} is {picture.width}x{picture.height}, not {width}x{height}; without"
                    " buckets sd-scripts ends on it.",
                    "Write enable_bucket = true, or cache_latents = true.",
                )
            ]
    return []
