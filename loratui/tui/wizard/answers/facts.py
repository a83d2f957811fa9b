"""What the disk says about a recipe. Slow enough to be looked up beside the screen, never on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from loratui.places import expanded
from loratui.problems import Problem, UserError
from loratui.recipe import Recipe
from loratui.tui.wizard.answers.trouble import as_problem, reason, too_long
from loratui.tui.wizard.panes.arranging import misplaced, unarranged
from loratui.tui.wizard.panes.named_sets import Elsewhere, NamedSets
from loratui.tui.wizard.panes.named_sets import read as read_named

if TYPE_CHECKING:
    from loratui.dataset.checking.checks import Wishes
    from loratui.dataset.scan import Scan
    from loratui.runs.hardware.machine import Machine

_LARGEST_CAPTION = 1 << 16


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """A folder of pictures as the trainer will see it."""

    scan: Scan
    captions: tuple[str, ...]
    """The text of each caption file, in lower case."""
    named: NamedSets | None = None
    """Where a file names them, by datasets; ``scan`` is then of all."""

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


def folders_to_check(folder: str, regularization: str | None) -> tuple[Path, Path | None]:
    """The folders that count for what was given: the current steps of their histories."""
    from loratui.dataset import history

    try:
        given = history.current(expanded(folder))
        other = history.current(expanded(regularization)) if regularization else None
    except UserError:
        return expanded(folder), None
    return given, other


def wishes(recipe: Recipe) -> Wishes:
    """What a recipe asks of its pictures."""
    from loratui.dataset.buckets import Bucketing
    from loratui.dataset.checking.checks import Wishes
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


def read_dataset(
    folder: str, regularization: str | None, extension: str, said: Elsewhere = ()
) -> DatasetFacts | Problem:
    """What lies in a folder, or in those that a file names (``said``); or why nothing can be trained on."""
    from loratui.dataset import history
    from loratui.dataset.scan import scan

    if said:
        return _named(folder, extension, said)
    problem = too_long("dataset.folder", folder) or too_long("dataset.regularization", regularization or "")
    if problem is not None:
        return problem
    try:
        # What was mended counts; a plain folder's own steps are arranged from there as well.
        given = history.current(expanded(folder))
        other = history.current(expanded(regularization)) if regularization else None
        found = scan(given, other, extension)
    except UserError as error:
        if regularization and _is_sound(folder):
            return as_problem("dataset.regularization", error)
        return unarranged(folder) or misplaced(folder) or as_problem("dataset.folder", error)
    except (OSError, ValueError) as error:
        other_is_meant = regularization and _is_sound(folder)
        key, named = (
            ("dataset.regularization", regularization) if other_is_meant else ("dataset.folder", folder)
        )
        return Problem(key, f"{named}: it cannot be read: {reason(error)}.", "Check the path.")
    paths = [picture.caption_path for picture in found.captioned]
    return DatasetFacts(found, tuple(_caption(path) for path in paths if path is not None))


def _named(folder: str, extension: str, said: Elsewhere) -> DatasetFacts | Problem:
    from loratui.dataset.scan import Scan

    try:
        named = read_named(folder, extension, said)
    except UserError as error:
        return as_problem("dataset.folder", error)
    except (OSError, ValueError) as error:
        return Problem("dataset.folder", f"it cannot be read: {reason(error)}.", "Check the path.")
    pictures = [picture for scan in named.scans for picture in scan.pictures]
    whole = Scan(
        named.path,
        tuple(pictures),
        tuple(path for scan in named.scans for path in scan.unreadable),
        tuple(path for scan in named.scans for path in scan.ignored),
    )
    paths = dict.fromkeys(picture.caption_path for picture in whole.captioned)
    return DatasetFacts(whole, tuple(_caption(path) for path in paths if path is not None), named)


def _is_sound(folder: str) -> bool:
    """Whether the trainer finds its way in a folder."""
    from loratui.dataset import history
    from loratui.dataset.layout import read_layout

    try:
        read_layout(history.current(expanded(folder)))
    except (UserError, OSError, ValueError):
        return False
    return True


def read_machine() -> Machine:
    """The GPU, the disk, the price, and what was measured here. The first call loads the driver's library."""
    from loratui.runs.hardware.machine import look

    return look()


def read_checks(recipe: Recipe) -> tuple[Problem, ...]:
    """What the chosen engine has against this recipe."""
    from loratui.engines.current_set import on_current_steps
    from loratui.engines.registry import engine
    from loratui.models.named import entry_of, located, to_fetch

    entry = entry_of(recipe.base.model)
    fetched_with_it = {f"kohya.{part.key}" for part in entry.part} if entry and to_fetch(recipe) else set()
    try:
        found = engine(recipe.launch.engine).supports(on_current_steps(located(recipe)))
        return tuple(problem for problem in found if problem.key not in fetched_with_it)
    except UserError as error:
        return error.problems
    except (OSError, ValueError) as error:
        return (Problem("launch.engine", f"its checks could not be made: {reason(error)}."),)


def _caption(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_CAPTION).decode("utf-8", errors="replace").lower()
    except OSError:
        return ""
