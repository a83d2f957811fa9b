"""What every engine checks before anything starts: the files a recipe names, the keys it passes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from loratui import kohya_config
from loratui.advice.contradictions import refusal_problems
from loratui.dataset import dataset_config, sources
from loratui.dataset.layout import read_layout
from loratui.engines import config, network_keys
from loratui.engines.checking.lora_checks import weights_problems
from loratui.engines.checking.output_checks import output_problems
from loratui.engines.checking.vae_checks import vae_problems
from loratui.families import FAMILIES
from loratui.formats.hub_id import cached_model, is_hub_id, is_offline
from loratui.models import hub
from loratui.models.inspect import require_base
from loratui.models.named import to_fetch
from loratui.places import expanded
from loratui.problems import Problem, UserError
from loratui.recipe import Recipe, change


def file_problems(recipe: Recipe) -> Iterator[Problem]:
    """What is wrong with the model, the folders and the place of the result. Reads headers and names."""
    unfetched = to_fetch(recipe)
    on_hub = not unfetched and is_hub_id(recipe.base.model)
    if on_hub:
        yield from _hub_problems(recipe)
    try:
        model = None if unfetched or on_hub else require_base(Path(recipe.base.model))
    except UserError as error:
        yield from _under("base.model", error)
    else:
        family = recipe.base.family
        if unfetched:
            yield unfetched
        elif model and family and model.family and family != model.family:
            yield Problem(
                "base.family",
                f"{recipe.base.model} is a {model.family} model, and the recipe says {family}.",
                f'Write family = "{model.family}", or remove the line.',
            )
    yield from vae_problems(recipe)
    for key, folder in (
        ("dataset.folder", recipe.dataset.folder),
        ("dataset.regularization", recipe.dataset.regularization),
    ):
        if folder and not sources.says_where(recipe.kohya):
            try:
                read_layout(Path(folder))
            except UserError as error:
                yield from _under(key, error)
    yield from weights_problems(recipe)
    yield from output_problems(recipe)


def _hub_problems(recipe: Recipe) -> Iterator[Problem]:
    """What can be said of a model on the hub before anybody asks it. Whether there is such a model, and
    whether its licence is accepted, the trainer says before it loads anything else."""
    model = recipe.base.model
    if recipe.launch.engine == "kohya" and recipe.base.family is None:
        message = f"{model} is not on this disk, so nothing tells its family, and each has its script."
        yield Problem("base.family", message, 'Write it down, for example family = "sdxl".')
    elif recipe.launch.engine == "kohya" and (file := hub.only_file(model)):
        yield Problem(
            "base.model",
            f"{model} on the hub is one file, {file}, and of the hub's models sd-scripts loads folders.",
            'Choose engine = "builtin"; or fetch the file, and name it here: loratui download'
            f" https://huggingface.co/{model}/resolve/main/{file}",
        )
    if is_offline() and cached_model(model) is None:
        message = f"no path is called {model}, and HF_HUB_OFFLINE keeps it from being fetched."
        yield Problem("base.model", message, "Check the path; or unset HF_HUB_OFFLINE.")


def _under(key: str, error: UserError) -> Iterator[Problem]:
    """What is wrong with a file, under the setting that names it."""
    for problem in error.problems:
        yield Problem(key, f"{error.source}: {problem.message}", problem.fix)


def passed_on_problems(recipe: Recipe) -> Iterator[Problem]:
    """What is wrong with the keys under ``[kohya]``: unknown, of the wrong type, or said twice."""
    said_twice = [key for key in recipe.kohya if key in config.OWN_KEYS.keys() - network_keys.BESIDE]
    for key in said_twice:
        yield Problem(f"kohya.{key}", "a recipe has its own words for this.", f"Use {config.OWN_KEYS[key]}.")
    yield from network_keys.problems(recipe)
    others = {key: value for key, value in recipe.kohya.items() if key not in said_twice}
    for problem in kohya_config.check(others, config.script_of(recipe)):
        yield Problem(f"kohya.{problem.key}", problem.message, problem.fix)


def dataset_config_problems(recipe: Recipe) -> Iterator[Problem]:
    """What is wrong with the file of datasets, or of metadata, that a recipe names instead of a folder."""
    metadata = recipe.kohya.get("in_json")
    named = recipe.kohya.get("dataset_config")
    if isinstance(metadata, str) and metadata and not named and not expanded(metadata).is_file():
        yield Problem("kohya.in_json", f"there is no file {metadata}.", "Check its path.")
    if not isinstance(named, str) or not named:
        return
    path, relative = expanded(named), []
    for problem in dataset_config.problems(path):
        yield Problem(f"kohya.{problem.key}", problem.message, problem.fix)
    with suppress(UserError):
        relative = [folder for folder in dataset_config.folders(path) if not folder.is_absolute()]
    for folder in relative:
        yield Problem(
            "kohya.dataset_config",
            f"{path}: {str(folder)!r} is meant from the folder where training runs.",
            f"Write its whole path: {folder.absolute()}",
        )


def contradiction_problems(recipe: Recipe) -> Iterator[Problem]:
    """What contradicts itself so that the recipe's engine would die of it, sometimes after minutes of
    loading. Looks at no file."""
    yield from refusal_problems(recipe)


def identified(recipe: Recipe) -> Recipe:
    """The recipe with the family written down as the model's header tells it, where it was left open.
    A model that cannot be read leaves it open; ``file_problems`` says why."""
    if recipe.base.family is not None or not recipe.base.model:
        return recipe
    try:
        family = require_base(Path(recipe.base.model)).family
    except UserError:
        return recipe
    return change(recipe, {"base.family": family}) if family in FAMILIES else recipe
