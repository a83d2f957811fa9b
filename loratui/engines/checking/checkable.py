"""What ``loratui check`` looks at: a folder, or what a recipe, a config.toml or a dataset_config names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loratui import kohya_config
from loratui.dataset import sources
from loratui.dataset.checking.thresholds import DEFAULT_FAMILY
from loratui.dataset.scan import Source
from loratui.dataset.sources import Dataset
from loratui.engines import config
from loratui.engines.checking.checks import identified
from loratui.families import FAMILIES
from loratui.places import expanded
from loratui.problems import Problem, UserError, refusal
from loratui.recipe.document import FamilyName, Purpose
from loratui.tomlfile import read_toml

_SCRIPT = "train_network"


@dataclass(frozen=True, slots=True)
class Checkable:
    """Folders of pictures, and what they are meant for as far as it is known."""

    source: Path
    """A folder, an archive of one, or the dataset_config."""
    regularization: Path | None = None
    datasets: tuple[Dataset, ...] = ()
    """The dataset_config's; empty for a folder, whose one dataset is ``shape``."""
    shape: Dataset | None = None
    trigger: str = ""
    purpose: Purpose = "character"
    family: FamilyName | None = None

    @property
    def sources(self) -> tuple[tuple[Source, ...], ...]:
        """The folders of each dataset."""
        return tuple(dataset.sources for dataset in self.datasets)


def checkable(path: Path, family: FamilyName | None = None) -> Checkable:
    """What a person means by ``path``. ``family`` sizes what says no resolution. Raises ``UserError`` for a
    file that is not as it should be, or names no pictures."""
    if path.suffix.lower() not in (".toml", ".json") or path.is_dir():
        return Checkable(path)
    if _names_datasets(path):
        side = FAMILIES[family or DEFAULT_FAMILY].resolution
        # What is not said there may stand in the config.toml that names it.
        values = _values(
            {"resolution": f"{side},{side}", "caption_extension": "", "dataset_config": str(path)}
        )
        return Checkable(path, datasets=sources.read(values), family=family)
    recipe = config.load(path)
    with suppress(UserError):
        recipe = identified(recipe)
    dataset = recipe.dataset
    flat = kohya_config.flatten(config.to_kohya(recipe, Path()))
    known = dataset.trigger, dataset.purpose, family or recipe.base.family
    named = sources.says_where(flat)
    if named:
        return Checkable(expanded(named), None, sources.read(_values(flat)), None, *known)
    if not dataset.folder:
        raise UserError(str(path), Problem("dataset.folder", "no folder of pictures is named.", "Name one."))
    other = expanded(Path(dataset.regularization)) if dataset.regularization else None
    shape = sources.outline(_values(flat))[0]
    return Checkable(Path(dataset.folder), other, (), shape, *known)


def _names_datasets(path: Path) -> bool:
    """Whether this is a dataset_config, and no recipe or config.toml."""
    if path.suffix.lower() == ".toml":
        return isinstance(read_toml(path).get("datasets"), list)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise refusal(path, f"this is no JSON: {error}.", "Give a folder, a recipe or a config.") from None
    if not isinstance(document, dict) or "datasets" not in document:
        raise refusal(path, "it names no datasets.", "Give a folder, a recipe or a config.")
    return True


def _values(flat: Mapping[str, Any]) -> dict[str, Any]:
    return {key: flat.get(key, kohya_config.default(key, _SCRIPT)) for key in sources.KEYS}
