"""What is wrong with how pictures and captions are to be shown, by dataset and subset."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from loratui.dataset.sources import Dataset, Subset
from loratui.problems import Problem, UserError

if TYPE_CHECKING:
    from loratui.trainer.settings.config import TrainConfig

_REMOVE = "Remove one of the two."


def dataset_problems(config: TrainConfig) -> Iterator[Problem]:
    """Every value that is out of range or at odds with another. Of dataset_config's each names its place."""
    try:
        datasets = config.outline()
    except UserError as error:
        for problem in error.problems:
            named = _at(error.source, problem)
            yield replace(named, key=problem.key or "dataset_config")
        return
    except ValueError:
        message = f"{config.resolution!r} is no size."
        yield Problem("resolution", message, 'Write "512" or "512,768".', "resolution_bad")
        return
    seen = set()
    for number, dataset in enumerate(datasets):
        where = f"[[datasets]] {number + 1}" if config.dataset_config else ""
        found = [*_shape(config, dataset)]
        for count, subset in enumerate(dataset.subsets):
            own = f"{where}, subset {count + 1}"
            found += [
                _at(own if where else "", problem)
                for problem in _subset(config, subset, buckets=dataset.bucketing.enabled)
            ]
        for problem in found:
            named = problem if "[[" in problem.message else _at(where, problem)
            if named not in seen:
                seen.add(named)
                yield named
    yield from _masks(config, [subset for dataset in datasets for subset in dataset.subsets])
    if config.caches_latents and config.dataset_config and config.cache_latents_to_disk:
        yield from _shared_files(datasets)


def _masks(config: TrainConfig, subsets: list[Subset]) -> Iterator[Problem]:
    if config.masked_loss and not any(subset.alpha_mask or subset.masks for subset in subsets):
        message = "masks nothing: no picture's alpha channel is used, and no folder of masks."
        yield Problem("masked_loss", message, "Set alpha_mask = true, or remove it.")
    for folder in {subset.masks for subset in subsets if subset.masks}:
        if not config.masked_loss:
            message = f"conditioning_data_dir = {str(folder)!r} is for masked_loss, which is not set."
            fix = "Write masked_loss = true into the config."
            yield Problem("dataset_config", message, fix, "option_conflict")
        if not folder.is_dir():
            message = f"there is no folder {folder}."
            yield Problem("dataset_config", message, "Check conditioning_data_dir.", "data_missing")


def _at(where: str, problem: Problem) -> Problem:
    return replace(problem, message=f"{where}: {problem.message}") if where else problem


def _shape(config: TrainConfig, dataset: Dataset) -> Iterator[Problem]:
    bucketing, share = dataset.bucketing, dataset.validation_split
    if bucketing.enabled:
        yield from bucketing.problems(config.facts.bucket_step)
    elif min(bucketing.resolution) < 1:
        yield from bucketing.problems()
    elif any(side % 8 for side in bucketing.resolution):
        size = "{}x{}".format(*bucketing.resolution)
        yield Problem("resolution", f"{size} does not divide by 8.", "Use multiples of 64.")
    if dataset.batch_size < 1:
        message = f"{dataset.batch_size} is too small."
        yield Problem("train_batch_size", message, "Use 1 or more.", "value_range")
    if not 0 <= share < 1:
        message = f"{share:g} is no share that leaves pictures."
        yield Problem("validation_split", message, "Use 0.1.", "value_range")


def _subset(config: TrainConfig, subset: Subset, *, buckets: bool) -> Iterator[Problem]:
    rules = subset.rules
    for key, value, least in (
        ("keep_tokens", rules.keep_tokens, 0),
        ("caption_dropout_every_n_epochs", rules.dropout_every, 0),
        ("caption_dropout_rate", rules.dropout, 0),
        ("caption_tag_dropout_rate", rules.tag_dropout, 0),
        ("token_warmup_min", rules.warmup_from, 0),
        ("token_warmup_step", rules.warmup_steps, 0),
    ):
        if value < least:
            yield Problem(key, f"{value} is too small.", f"Use {least} or more.", "value_range")
    for key, share in (
        ("caption_dropout_rate", rules.dropout),
        ("caption_tag_dropout_rate", rules.tag_dropout),
    ):
        if share > 1:
            message = f"{share:g} is more than all."
            yield Problem(key, message, "Use a share from 0 to 1.", "value_range")
    if not rules.separator:
        yield Problem("caption_separator", "is empty.", 'Write ",", or remove it.')
    if subset.face_crop and not (buckets or config.caches_latents):
        # With either of them sd-scripts never looks at it (library/train_util.py:1617-1634).
        message = "the builtin trainer crops no faces."
        fix = 'Remove it, or choose engine = "kohya"; with enable_bucket or cache_latents it changes nothing.'
        yield Problem("face_crop_aug_range", message, fix)
    if config.caches_latents:
        # train_network.py:581
        key = "cache_latents" if config.cache_latents else "cache_latents_to_disk"
        for other, wanted in (("random_crop", subset.random_crop), ("color_aug", subset.color_aug)):
            if wanted:
                message = f"changes pictures each time they are shown, and {key} encodes them once."
                yield Problem(other, message, _REMOVE, "aug_cache")
    if config.caches_captions:
        yield from _cached_captions(config, subset)


def _cached_captions(config: TrainConfig, subset: Subset) -> Iterator[Problem]:
    """What changes from step to step cannot be encoded once (sdxl_train_network.py:35-50)."""
    rules, to_disk = subset.rules, config.cache_text_encoder_outputs_to_disk
    key = "cache_text_encoder_outputs_to_disk" if to_disk else "cache_text_encoder_outputs"
    for other, wanted in (
        ("shuffle_caption", rules.shuffle),
        ("caption_dropout_rate", rules.dropout),
        ("caption_tag_dropout_rate", rules.tag_dropout),
        ("enable_wildcard", rules.wildcards),
        ("token_warmup_step", rules.warmup_steps),
    ):
        if wanted:
            yield Problem(key, f"contradicts {other}.", _REMOVE, "te_cache_caption")
    for other, words in (
        ("caption_prefix", rules.prefix),
        ("caption_suffix", rules.suffix),
        ("secondary_separator", rules.secondary_separator),
    ):
        if to_disk and words:
            message = f"contradicts {other}: on disk lie the words of the caption files alone."
            fix = "Write it into the captions, or keep them in memory."
            yield Problem(key, message, fix, "te_cache_caption")


def _shared_files(datasets: tuple[Dataset, ...]) -> Iterator[Problem]:
    """Beside a picture is room for its latents of one size."""
    sizes: dict[Path, object] = {}
    for dataset in datasets:
        for source in dataset.sources:
            known = sizes.setdefault(source.folder.absolute(), dataset.bucketing)
            if known != dataset.bucketing:
                yield Problem(
                    "cache_latents_to_disk",
                    f"{source.folder} is in two datasets of other sizes, and has room for one size's files.",
                    "Use cache_latents, which keeps them in memory.",
                )
