"""Pictures that a file names by datasets and subsets (Kohya's dataset_config, or in_json), not a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loratui.places import expanded
from loratui.recipe import Recipe

if TYPE_CHECKING:
    from loratui.advice.counting import Part
    from loratui.dataset.checking.checks import Wishes
    from loratui.dataset.scan import Scan, Source
    from loratui.dataset.sources import Dataset

Elsewhere = tuple[tuple[str, Any], ...]
"""The keys below ``[kohya]`` that say where pictures and captions are; none where a folder does."""
_SAID = ("caption_separator", "dataset_config", "dataset_repeats", "enable_wildcard", "in_json")

_FILES = (".toml", ".json")


@dataclass(frozen=True, slots=True)
class NamedSets:
    """What such a file says, and what lies in the folders it names."""

    path: Path
    document: Mapping[str, Any]
    scans: tuple[Scan, ...]
    """By dataset."""

    def datasets(self, recipe: Recipe) -> tuple[Dataset, ...]:
        """As the recipe has them: what the file leaves open is said there. Touches no disk."""
        from loratui.dataset import sources

        return sources.of_document(self.path, self.document, picture_values(recipe))

    def parts(self, recipe: Recipe) -> list[Part]:
        """For a count of steps. Touches no disk."""
        from loratui.advice.counting import Part

        return [
            Part(scan, dataset.bucketing, dataset.batch_size)
            for scan, dataset in zip(self.scans, self.datasets(recipe), strict=True)
        ]

    def sources(self, recipe: Recipe) -> Sequence[Sequence[Source]]:
        """The folders of each dataset."""
        return [dataset.sources for dataset in self.datasets(recipe)]

    def wishes(self, recipe: Recipe, wanted: Wishes) -> Wishes:
        """What is wanted of each dataset."""
        from dataclasses import replace

        shapes = tuple((one.bucketing, one.batch_size) for one in self.datasets(recipe))
        return replace(wanted, shapes=shapes)


def changes(text: str) -> dict[str, Any]:
    """What has to change in a recipe for the pictures that a person named: a folder, or such a file."""
    path = expanded(text)
    if path.suffix.lower() in _FILES and path.is_file():
        return {
            "dataset.folder": "",
            "kohya.dataset_config": str(path.absolute()),
            "kohya.in_json": None,
        }
    return {"dataset.folder": text, "kohya.dataset_config": None, "kohya.in_json": None}


def shown(recipe: Recipe) -> str:
    """Where the pictures are, as a person names it."""
    named = recipe.kohya.get("dataset_config")
    return named if isinstance(named, str) and named else recipe.dataset.folder


def elsewhere(recipe: Recipe) -> Elsewhere:
    """Part of the question what the pictures are."""
    from loratui.dataset import sources

    if not sources.says_where(recipe.kohya):
        return ()
    return tuple((key, recipe.kohya[key]) for key in _SAID if key in recipe.kohya)


def picture_values(recipe: Recipe) -> dict[str, Any]:
    """Everything a recipe says of its pictures, by the keys of config.toml."""
    from loratui import kohya_config
    from loratui.dataset import sources
    from loratui.engines import config

    flat = kohya_config.flatten(config.to_kohya(recipe, Path()))
    script = config.script_of(recipe)
    return {key: flat.get(key, kohya_config.default(key, script)) for key in sources.KEYS}


def read(folder: str, extension: str, said: Elsewhere) -> NamedSets:
    """What lies in the folders that such a file names. Raises ``UserError``."""
    from loratui.dataset import sources
    from loratui.dataset.scan import scan_sources
    from loratui.recipe import change

    recipe = Recipe(kohya=dict(said))
    recipe = change(recipe, {"dataset.folder": folder, "dataset.caption_extension": extension})
    values = picture_values(recipe)
    path, document = sources.document(values)
    datasets = sources.of_document(path, document, values)
    scans = tuple(scan_sources(path, dataset.sources) for dataset in datasets)
    return NamedSets(path, document, scans)
