"""What the disk says about a recipe. Slow enough to be looked up beside the screen, never on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from loratui import places
from loratui.problems import Problem, UserError
from loratui.recipe import Precision, Recipe

if TYPE_CHECKING:
    from loratui.dataset.arrange import Arrangement
    from loratui.dataset.scan import Scan
    from loratui.models.inspect import ModelFile

_LARGEST_CAPTION = 1 << 16


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """A folder of pictures as the trainer will see it."""

    scan: Scan
    captions: tuple[str, ...]
    """The text of each caption file, in lower case."""

    def with_word(self, word: str) -> int:
        """How many captions hold a word or phrase."""
        return sum(word.lower() in caption for caption in self.captions)


def read_model(model: str) -> ModelFile | Problem:
    """What a model is, or why it is none to train on."""
    from loratui.models.inspect import require_base

    precision()  # here, beside the screen: whoever asks again has the answer at once
    try:
        return require_base(Path(model).expanduser())
    except UserError as error:
        return _problem("base.model", error)
    except (OSError, ValueError) as error:
        return Problem("base.model", f"{model}: it cannot be read: {_reason(error)}.", "Check the path.")


@dataclass(frozen=True, slots=True)
class Unarranged(Problem):
    """Pictures lie directly in the folder: the trainer would not find them, links can help."""


def _unarranged(folder: str) -> Unarranged | None:
    arrangement = _arrangement(folder)
    if arrangement is None:
        return None
    return Unarranged(
        "dataset.folder",
        f"{arrangement.pictures} pictures lie directly in this folder; the trainer wants them in one named"
        " like 10_name (10 = how often each is shown in an epoch).",
        "Press ctrl+l: it makes one out of links and leaves yours as it is.",
    )


def arrange_links(folder: str, words: str) -> str | Problem:
    """Make the layout of links for a plain folder. The folder to train on instead, or what is wrong."""
    from loratui.dataset import arrange

    arrangement = _arrangement(folder, words)
    if arrangement is None:
        return Problem("dataset.folder", f"{folder}: no pictures lie directly in it.", "Give another folder.")
    try:
        return str(arrange.make(arrangement))
    except UserError as error:
        return _problem("dataset.folder", error)


def _arrangement(folder: str, words: str = "") -> Arrangement | None:
    from loratui.dataset import arrange, history

    try:
        return arrange.plan(history.current(Path(folder).expanduser()), places.datasets_folder(), words)
    except UserError:
        return None


@cache
def precision() -> Precision:
    """The mixed precision that suits this machine's GPUs. The first call loads the driver's library."""
    from loratui.advice.precision import precision_for
    from loratui.runs import gpu

    told = [found.capability for found in gpu.sample().gpus if found.capability is not None]
    return precision_for(min(told, default=None))


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


def read_checks(recipe: Recipe) -> tuple[Problem, ...]:
    """What the chosen engine has against this recipe."""
    from loratui.engines.current_set import on_current_steps
    from loratui.engines.registry import engine

    try:
        return tuple(engine(recipe.launch.engine).supports(on_current_steps(recipe)))
    except UserError as error:
        return error.problems
    except (OSError, ValueError) as error:
        return (Problem("launch.engine", f"its checks could not be made: {_reason(error)}."),)


def found_models() -> list[Path]:
    """Base models lying about: below loratui's models folder, the demo's, and in the working folder."""

    home = places.home()
    seen: dict[Path, None] = {}
    for folder in (home / "models", Path.cwd(), Path.cwd() / "models"):
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
