"""``loratui`` and ``loratui DIR``: the screens."""

from __future__ import annotations

from pathlib import Path

import click

from loratui.cli.options import slow_option
from loratui.places import expanded
from loratui.recipe import Dataset, Recipe
from loratui.recipe import Steps as StepsSection


@click.command(name="open")
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@slow_option
@click.option("--mouse/--no-mouse", default=True, help="Mouse reports cost bytes on a slow link.")
def open(folder: Path | None, mouse: bool) -> None:
    """Open the screens; with FOLDER, the wizard opens on that folder of pictures."""
    from loratui.tui.app import run_app

    recipe = None
    if folder is not None:
        recipe = Recipe(
            dataset=Dataset(folder=str(expanded(folder).absolute())), steps=StepsSection(epochs=10)
        )
    raise click.exceptions.Exit(run_app(recipe=recipe, mouse=mouse))
