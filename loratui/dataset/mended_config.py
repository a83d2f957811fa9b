"""A dataset_config whose folders were mended: the person's file stays, a copy names what is trained on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import tomli_w

from loratui import places
from loratui.atomic import new_file
from loratui.dataset import dataset_config
from loratui.dataset.history.where import current, locate
from loratui.places import expanded
from loratui.problems import refusal

_HEAD = "# A copy by loratui: its folders are mended ones. The file it was made from is as it was.\n"


def sources(path: Path) -> list[Path]:
    """The person's own sets that a dataset_config names folders of, each once, also where it names steps of
    theirs. Raises ``UserError``."""
    subsets = _subsets(dataset_config.read(path))
    return list(dict.fromkeys(_whose(subset["image_dir"])[0] for subset in subsets))


def on_current_steps(path: Path) -> Path:
    """A copy that names the current step of each folder, beside the sets made of links; ``path`` itself where
    nothing was mended, or where it is such a copy, which is written anew. Raises ``UserError``."""
    document = dataset_config.read(path)
    is_changed = False
    for subset in _subsets(document):
        now = str(_now(subset["image_dir"]))
        if now != str(expanded(subset["image_dir"]).absolute()):
            subset["image_dir"], is_changed = now, True
    if not is_changed:
        return path
    place = _place(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    is_toml = place.suffix.lower() == ".toml"
    text = _HEAD + tomli_w.dumps(document) if is_toml else json.dumps(document, indent=2, ensure_ascii=False)
    with new_file(place) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return place


def _subsets(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Those of DreamBooth's kind; metadata name their pictures one by one."""
    datasets = dataset_config.tables(document.get("datasets"))
    found = [subset for dataset in datasets for subset in dataset_config.tables(dataset.get("subsets"))]
    return [one for one in found if isinstance(one.get("image_dir"), str) and "metadata_file" not in one]


def _whose(folder: str) -> tuple[Path, str]:
    """The set that a folder belongs to, and its name in that: one like 10_name is mended with the folder it
    lies in. Empty for a set by itself."""
    path = expanded(folder).absolute()
    repeats, underscore, _ = path.name.partition("_")
    is_numbered = repeats.isdecimal() and bool(underscore)
    base, name = (path.parent, path.name) if is_numbered and locate(path).pinned is None else (path, "")
    where = locate(base)
    return (where.source if where.pinned is not None else base), name


def _now(folder: str) -> Path:
    """What is trained on in its place."""
    source, name = _whose(folder)
    found = current(source) / name
    if name and not found.is_dir():
        fix = f"Write the folder of {found.parent} that is meant into the file."
        raise refusal(found, "mending has given this folder another name.", fix)
    return found


def _place(path: Path) -> Path:
    if path.parent == places.datasets_folder():
        return path
    known = hashlib.sha256(str(path.absolute()).encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return places.datasets_folder() / f"{path.stem}-mended-{known}{path.suffix.lower()}"
