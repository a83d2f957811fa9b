"""``loratui`` and ``loratui PATH``: the screens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loratui import places
from loratui.cli.options import slow_option
from loratui.places import expanded
from loratui.problems import UserError
from loratui.recipe import Dataset, Recipe, check
from loratui.recipe import Steps as StepsSection

if TYPE_CHECKING:
    from textual.screen import Screen


@click.command(name="open")
@click.argument("path", type=click.Path(path_type=Path), required=False)
@slow_option
@click.option("--mouse/--no-mouse", default=True, help="Mouse reports cost bytes on a slow link.")
def open(path: Path | None, mouse: bool) -> None:
    """Open the screens. With a folder of pictures, or a dataset_config, the wizard opens on it; a recipe,
    a Kohya config.toml or a .json of kohya_ss opens on its last page, the folder of a run its panel."""
    from loratui.tui.app import run_app

    raise click.exceptions.Exit(run_app(**opening(expanded(path) if path else None), mouse=mouse))


def opening(path: Path | None) -> dict[str, Any]:
    """What ``run_app`` opens for a path. Raises ``UserError`` for a file that holds no recipe."""
    from loratui.dataset import dataset_config

    if path is None:
        return {}
    if path.is_file() and dataset_config.is_one(path):
        named = {"dataset_config": str(path.absolute())}
        return {"recipe": Recipe(kohya=named, steps=StepsSection(epochs=10))}
    if path.is_file():
        recipe, unknown = _recipe_of(path)
        ready = "what stops it is marked x." if check(recipe) else "Enter starts it as it stands."
        note = f"{path.name}: {ready}"
        if unknown:
            note += f" {unknown} of its settings were not understood: loratui import {path.name} lists them."
        return {"first": _review(recipe, note)}
    if (path / "recipe.toml").is_file() and (path / "status.json").is_file():
        if path.resolve().parent == places.runs_folder().resolve():
            return {"run_id": path.resolve().name}
        recipe, _ = _recipe_of(path / "recipe.toml")
        note = f"The recipe of {path.name}, a run of elsewhere. Enter starts it as it stands."
        return {"first": _review(recipe, note)}
    return {"recipe": Recipe(dataset=Dataset(folder=str(path.absolute())), steps=StepsSection(epochs=10))}


def _recipe_of(path: Path) -> tuple[Recipe, int]:
    """A file's recipe, and how many of its settings were not understood."""
    from loratui.engines import config
    from loratui.engines.importing import recipes as importing
    from loratui.recipe import is_recipe
    from loratui.tomlfile import read_toml

    if path.suffix.lower() != ".json":
        try:
            return config.load(path), 0
        except UserError:
            if is_recipe(read_toml(path)):
                raise
    found = importing.read(path)  # without a model or pictures, or with keys that nobody knows
    return found.recipe, len(found.not_understood)


def _review(recipe: Recipe, note: str) -> Callable[[], Screen[None]]:
    def make() -> Screen[None]:
        from loratui.tui.app import start_run
        from loratui.tui.wizard.screen import WizardScreen
        from loratui.tui.wizard.steps import REVIEW

        return WizardScreen(recipe, start_run, step=REVIEW, note=note)

    return make
