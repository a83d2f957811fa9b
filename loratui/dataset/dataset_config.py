"""The file that ``dataset_config`` names, .toml or .json: datasets, their subsets, and what holds for each.

Unlike config.toml, sd-scripts ends on a key there that it does not know, after half a minute of imports
(library/config_util.py:124-190, 345-376, 695-723 at 48d368f).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from loratui.places import expanded
from loratui.problems import Problem, UserError, nearest, refusal
from loratui.tomlfile import read_toml

_INT, _BOOL, _TEXT = (int,), (bool,), (str,)
_NUMBER = (int, float)
_SIZE = (int, list)

_DATASET: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("batch_size", "bucket_reso_steps", "max_bucket_reso", "min_bucket_reso"), _INT),
    **dict.fromkeys(("bucket_no_upscale", "enable_bucket"), _BOOL),
    "network_multiplier": (float,),
    "resize_interpolation": _TEXT,
    "resolution": _SIZE,
    "validation_seed": _INT,
    "validation_split": (float,),
}
_SUBSET: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("color_aug", "flip_aug", "random_crop", "shuffle_caption", "enable_wildcard"), _BOOL),
    **dict.fromkeys(("num_repeats", "keep_tokens", "token_warmup_min"), _INT),
    **dict.fromkeys(("keep_tokens_separator", "secondary_separator", "caption_separator"), _TEXT),
    **dict.fromkeys(("caption_prefix", "caption_suffix", "resize_interpolation"), _TEXT),
    **dict.fromkeys(("caption_extension", "class_tokens"), _TEXT),
    **dict.fromkeys(("caption_dropout_rate", "caption_tag_dropout_rate", "token_warmup_step"), _NUMBER),
    "cache_info": _BOOL,
    "caption_dropout_every_n_epochs": _INT,
    "custom_attributes": (dict,),
    "face_crop_aug_range": (list,),
}
_OWN: dict[str, tuple[type, ...]] = {
    "alpha_mask": _BOOL,
    "conditioning_data_dir": _TEXT,
    "image_dir": _TEXT,
    "is_reg": _BOOL,
    "metadata_file": _TEXT,
}
"""Keys of a subset alone: all others may stand higher up and hold for what lies below."""
_BESIDE_CAPTION_FILES = frozenset({"cache_info", "caption_extension", "class_tokens", "is_reg"})
"""What a subset with metadata_file has no use for (config_util.py:219-229)."""
_PAIRS: Mapping[str, tuple[type, str]] = {
    "face_crop_aug_range": (float, "two numbers with a point, like [2.0, 4.0]"),
    "resolution": (int, "a whole number, or a width and a height, like [512, 768]"),
}
_WORDS: Mapping[type, str] = {
    int: "a whole number",
    float: "a number with a point",
    bool: "true or false",
    str: "text in quotes",
    list: "a list",
    dict: "a table",
}


def read(path: Path) -> dict[str, Any]:
    """The document, checked. Raises ``UserError`` with everything that sd-scripts would end on."""
    document = _document(path)
    found = list(_document_problems(document, str(path)))
    if found:
        raise UserError("", *found)
    return document


def is_one(path: Path) -> bool:
    """Whether a file is meant as one: it has [[datasets]]."""
    try:
        return isinstance(_document(path).get("datasets"), list)
    except UserError:
        return False


def problems(path: Path) -> Iterator[Problem]:
    """What sd-scripts would end on in this file, under the key that names it."""
    try:
        document = _document(path)
    except UserError as error:
        for problem in error.problems:
            yield _problem(f"{path}: {problem.message}", problem.fix, problem.cause)
        return
    yield from _document_problems(document, str(path))


def folders(path: Path) -> Iterator[Path]:
    """The folders of pictures and files of metadata that it names. Raises ``UserError`` when it cannot be
    read."""
    for dataset in tables(_document(path).get("datasets")):
        for subset in tables(dataset.get("subsets")):
            for key in ("image_dir", "metadata_file"):
                if isinstance(subset.get(key), str):
                    yield expanded(subset[key])


def _document(path: Path) -> dict[str, Any]:
    kind = path.suffix.lower()
    if kind == ".toml":
        return read_toml(path)
    if kind != ".json":
        raise refusal(
            path,
            "sd-scripts reads .toml and .json files alone.",
            "Give it one of these endings.",
            "config_missing",
        )
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise refusal(path, f"it cannot be read: {error.strerror}.", "Check dataset_config.") from None
    except ValueError as error:
        raise refusal(path, f"this is no JSON: {error}.", "Mend it.", "config_syntax") from None
    if not isinstance(document, dict):
        raise refusal(path, "it holds no object.", "Write general and datasets into it.")
    return document


def _document_problems(document: Mapping[str, Any], source: str) -> Iterator[Problem]:
    for key, value in document.items():
        if key not in ("general", "datasets"):
            yield _problem(
                f"{source} has a section {key}; sd-scripts takes general and datasets alone.",
                nearest(key, ("general", "datasets")),
            )
        elif not isinstance(value, dict if key == "general" else list):
            yield _problem(f"{source}: {key} is no section.", f"Write [{key}] or [[{key}]] above its keys.")
    general = document.get("general")
    if isinstance(general, dict):
        yield from _keys(general, "[general]", _DATASET | _SUBSET)
    datasets = tables(document.get("datasets"))
    if not datasets:
        yield _problem(f"{source} has no [[datasets]].", "Add one, with [[datasets.subsets]] in it.")
    for number, dataset in enumerate(datasets):
        where = f"[[datasets]] {number + 1}"
        subsets = tables(dataset.get("subsets"))
        yield from _keys(
            {key: value for key, value in dataset.items() if key != "subsets"}, where, _DATASET | _SUBSET
        )
        if not subsets:
            yield _problem(f"{where} has no [[datasets.subsets]].", "Add one with image_dir.")
        if len({"metadata_file" in subset for subset in subsets}) == 2:
            message = f"{where} has subsets with and without metadata_file, which sd-scripts does not mix."
            yield _problem(message, "Make a [[datasets]] of its own for them.")
        for count, subset in enumerate(subsets):
            yield from _subset(subset, f"{where}, subset {count + 1}")


def _subset(subset: Mapping[str, Any], where: str) -> Iterator[Problem]:
    yield from _keys(subset, where, _SUBSET | _OWN)
    if "image_dir" not in subset and "metadata_file" not in subset:
        yield _problem(f"{where} names no image_dir.", 'Write image_dir = "path/to/the/pictures".')
    metadata = subset.get("metadata_file")
    if isinstance(metadata, str) and not expanded(metadata).is_file():
        yield _problem(f"{where}: there is no file {metadata}.", "Write its whole path.", "data_missing")
    if "metadata_file" in subset:
        for key in sorted(_BESIDE_CAPTION_FILES & subset.keys()):
            yield _problem(f"{where}: {key} does not go with metadata_file, which has the captions.")
    folder = subset.get("image_dir")
    if isinstance(folder, str) and not expanded(folder).is_dir():
        yield _problem(f"{where}: there is no folder {folder}.", "Write its whole path.", "no_data")


def _keys(table: Mapping[str, Any], where: str, known: Mapping[str, tuple[type, ...]]) -> Iterator[Problem]:
    for key, value in table.items():
        kinds = known.get(key)
        if kinds is None:
            level = "It belongs in [[datasets]]." if key in _DATASET else nearest(key, known)
            yield _problem(f"{where} has a key {key}, which sd-scripts does not know there.", level)
        elif not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            wanted = " or ".join(_WORDS[kind] for kind in kinds)
            yield _problem(f"{where}: {key} = {value!r} does not fit; it must be {wanted}.")
        elif key in _PAIRS and isinstance(value, list) and not _is_pair(value, *_PAIRS[key]):
            yield _problem(f"{where}: {key} = {value!r} does not fit; it must be {_PAIRS[key][1]}.")


def _is_pair(value: list[Any], kind: type, words: str) -> bool:
    return len(value) == 2 and all(isinstance(one, kind) and not isinstance(one, bool) for one in value)


def tables(value: object) -> list[dict[str, Any]]:
    """The tables of an array of tables."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _problem(message: str, fix: str = "", cause: str = "") -> Problem:
    return Problem("dataset_config", message, fix or "Remove it.", cause)
