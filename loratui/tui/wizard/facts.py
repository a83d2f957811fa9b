"""What the disk says about a recipe. Slow enough to be looked up beside the screen, never on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from loratui import places
from loratui.problems import Problem, UserError
from loratui.recipe import Recipe

if TYPE_CHECKING:
    from loratui.dataset.arrange import Arrangement
    from loratui.dataset.checks import Wishes
    from loratui.dataset.scan import Scan
    from loratui.models.catalog import Entry
    from loratui.models.inspect import ModelFile
    from loratui.runs.machine import Machine

_LARGEST_CAPTION = 1 << 16


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """A folder of pictures as the trainer will see it."""

    scan: Scan
    captions: tuple[str, ...]
    """The text of each caption file, in lower case."""

    @property
    def folder_words(self) -> tuple[str, ...]:
        """What stands in for the captions of pictures without one."""
        return tuple(
            picture.class_tokens for picture in self.scan.train_pictures if picture.caption_path is None
        )

    def says(self, word: str) -> tuple[int, int]:
        """How many training pictures are captioned with a word or phrase, and how many there are."""
        texts = (*self.captions, *(words.lower() for words in self.folder_words))
        return sum(word.lower() in text for text in texts), len(texts)


def read_model(model: str) -> ModelFile | Problem:
    """What a model is, or why it is none to train on."""
    from loratui.models import catalog
    from loratui.models.inspect import require_base
    from loratui.models.named import entry_of

    entry = entry_of(model)
    if entry is not None and not catalog.path_of(entry).is_file():
        return _of_entry(entry)
    try:
        return require_base(catalog.path_of(entry) if entry else Path(model).expanduser())
    except UserError as error:
        return _problem("base.model", error)
    except (OSError, ValueError) as error:
        return Problem("base.model", f"{model}: it cannot be read: {_reason(error)}.", "Check the path.")


def _of_entry(entry: Entry) -> ModelFile:
    """A model that is not on this disk yet, as the catalogue knows it."""
    from loratui.families import FAMILIES
    from loratui.models import catalog
    from loratui.models.inspect import ModelFile

    return ModelFile(
        catalog.path_of(entry),
        "base",
        entry.family,
        entry.prediction,
        entry.zero_terminal_snr,
        entry.family in FAMILIES,
        ("the catalogue says so; the file is not here yet",),
    )


@dataclass(frozen=True, slots=True)
class Unarranged(Problem):
    """Pictures lie directly in the folder: the trainer would not find them, links can help."""


def _unarranged(folder: str) -> Unarranged | None:
    path = Path(folder).expanduser()
    if _is_archive(path):
        return Unarranged(
            "dataset.folder",
            "this is an archive; the trainer wants a folder.",
            "Press ctrl+l: it is unpacked into loratui's own folder and stays as it is.",
        )
    if (parent := _parent_of_leaf(path)) is not None:
        return Unarranged(
            "dataset.folder",
            "this is a numbered folder of pictures itself; the trainer wants the one it lies in.",
            f"Press ctrl+l to take {parent}.",
        )
    arrangement = _arrangement(folder)
    if arrangement is None:
        return None
    return Unarranged(
        "dataset.folder",
        f"{arrangement.pictures} pictures lie directly in this folder; the trainer wants them in one named"
        " like 10_name (10 = how often each is shown in an epoch).",
        "Enter makes one out of links, in loratui's own folder, and leaves yours as it is.",
    )


def arrange_links(folder: str, words: str) -> str | Problem:
    """Make the layout of links for a plain folder. The folder to train on instead, or what is wrong."""
    from loratui.dataset import arrange, unpack

    path = Path(folder).expanduser()
    if (parent := _parent_of_leaf(path)) is not None:
        return str(parent)
    try:
        if _is_archive(path):
            path = unpack.keep(path, places.datasets_folder())
    except UserError as error:
        return _problem("dataset.folder", error)
    arrangement = _arrangement(str(path), words)
    if arrangement is None and str(path) != str(Path(folder).expanduser()):
        return str(path)
    if arrangement is None:
        return Problem("dataset.folder", f"{folder}: no pictures lie directly in it.", "Give another folder.")
    try:
        return str(arrange.make(arrangement))
    except UserError as error:
        return _problem("dataset.folder", error)


def _is_archive(path: Path) -> bool:
    from loratui.dataset import archives

    return archives.is_archive(path)


def _parent_of_leaf(path: Path) -> Path | None:
    """The folder to train on, when a numbered folder of pictures was given in its place."""
    from loratui.dataset.layout import is_picture_name, list_folder, parse_repeats

    path = path.absolute()
    if parse_repeats(path.name) is None:
        return None
    try:
        holds = any(is_picture_name(entry.name) for entry in list_folder(path))
    except UserError:
        return None
    return path.parent if holds else None


def folders_to_check(folder: str, regularization: str | None) -> tuple[Path, Path | None]:
    """The folders that count for what was given: the current steps of their histories."""
    from loratui.dataset import history

    try:
        given = history.current(Path(folder).expanduser())
        other = history.current(Path(regularization).expanduser()) if regularization else None
    except UserError:
        return Path(folder).expanduser(), None
    return given, other


def wishes(recipe: Recipe) -> Wishes:
    """What a recipe asks of its pictures."""
    from loratui.dataset.buckets import Bucketing
    from loratui.dataset.checks import Wishes
    from loratui.families import FAMILIES

    training, family = recipe.training, recipe.base.family
    rules = Bucketing(
        (training.resolution[0], training.resolution[1]),
        training.buckets,
        training.bucket_min,
        training.bucket_max,
        training.bucket_step,
        training.bucket_no_upscale,
    )
    return Wishes(
        recipe.dataset.trigger,
        recipe.dataset.purpose,
        family if family in FAMILIES else None,
        recipe.steps.batch_size,
        rules if not rules.problems() else None,
    )


def _arrangement(folder: str, words: str = "") -> Arrangement | None:
    from loratui.dataset import arrange, history

    try:
        return arrange.plan(history.current(Path(folder).expanduser()), places.datasets_folder(), words)
    except UserError:
        return None


def read_dataset(folder: str, regularization: str | None, extension: str) -> DatasetFacts | Problem:
    """What lies in a folder, or why nothing can be trained on it."""
    from loratui.dataset import history
    from loratui.dataset.scan import scan

    try:
        # What was mended counts; a plain folder's own steps are arranged from there as well.
        given = history.current(Path(folder).expanduser())
        other = history.current(Path(regularization).expanduser()) if regularization else None
        found = scan(given, other, extension)
    except UserError as error:
        return _unarranged(folder) or _problem("dataset.folder", error)
    except (OSError, ValueError) as error:
        return Problem("dataset.folder", f"{folder}: it cannot be read: {_reason(error)}.", "Check the path.")
    paths = [picture.caption_path for picture in found.captioned]
    return DatasetFacts(found, tuple(_caption(path) for path in paths if path is not None))


def read_machine() -> Machine:
    """The GPU, the disk, the price, and what was measured here. The first call loads the driver's library."""
    from loratui.runs.machine import look

    return look()


def read_checks(recipe: Recipe) -> tuple[Problem, ...]:
    """What the chosen engine has against this recipe."""
    from loratui.engines.current_set import on_current_steps
    from loratui.engines.registry import engine
    from loratui.models.named import located

    try:
        return tuple(engine(recipe.launch.engine).supports(on_current_steps(located(recipe))))
    except UserError as error:
        return error.problems
    except (OSError, ValueError) as error:
        return (Problem("launch.engine", f"its checks could not be made: {_reason(error)}."),)


def found_models() -> list[Path]:
    """Base models lying about: in loratui's models folder, the working folder, the demo's, and those of the
    programs people draw with."""

    home = places.home()
    seen: dict[Path, None] = {}
    for folder in (home / "models", Path.cwd(), Path.cwd() / "models", *_elsewhere()):
        try:
            entries = sorted(folder.iterdir())[:500]
        except OSError:
            continue
        for entry in entries:
            if entry.suffix == ".safetensors" or (entry / "model_index.json").is_file():
                seen[entry] = None
    if (home / "demo" / "model" / "model_index.json").is_file():
        seen[home / "demo" / "model"] = None
    return list(seen)


def _elsewhere() -> list[Path]:
    """Where other programs keep their base models."""
    roots = (Path("/workspace"), Path.home())
    places_in = ("models", "ComfyUI/models/checkpoints", "stable-diffusion-webui/models/Stable-diffusion")
    return [root / place for root in roots for place in places_in]


def found_base_models(most: int = 20) -> list[ModelFile]:
    """Those of them that are told to be base models by their headers."""
    from loratui.models.inspect import inspect

    models: list[ModelFile] = []
    for path in found_models():
        try:
            found = inspect(path)
        except (UserError, OSError, ValueError):
            continue
        if found.trainable:
            models.append(found)
    return models[:most]


def _problem(key: str, error: UserError) -> Problem:
    first = error.problems[0]
    source = f"{error.source}: " if error.source else ""
    return Problem(key, f"{source}{first.message}", first.fix)


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _caption(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_CAPTION).decode("utf-8", errors="replace").lower()
    except OSError:
        return ""
