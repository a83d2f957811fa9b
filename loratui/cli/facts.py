"""Commands that only look: ``steps model``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from loratui import kohya_config
from loratui.advice.steps import count_config
from loratui.cli.options import json_option
from loratui.cli.output import data, print_json, say
from loratui.engines import config
from loratui.engines.current_set import on_current_steps
from loratui.models.inspect import inspect


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def steps(file: Path, as_json: bool) -> None:
    """The exact number of steps FILE (a recipe or a Kohya config.toml) will train, before anything starts."""
    recipe = on_current_steps(config.load(file))
    flat = kohya_config.flatten(config.to_kohya(recipe, Path()))
    count = count_config(flat, config.script_of(recipe), recipe.launch.num_processes)
    if as_json:
        print_json(asdict(count))
    else:
        data(f"{count.total_steps} steps")
        say(
            f"{count.train_images} pictures, {count.train_images_repeated} with repeats,"
            f" {count.reg_images_used} regularization; {count.batches_per_epoch} batches an epoch,"
            f" {count.steps_per_epoch} steps an epoch, {count.epochs} epochs"
        )
        for problem in count.problems:
            say(str(problem))
    raise click.exceptions.Exit(1 if count.problems else 0)


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@json_option
def model(path: Path, as_json: bool) -> None:
    """What the model at PATH is, from its header alone."""
    found = inspect(path)
    if as_json:
        values = asdict(found)
        values["path"] = str(found.path)
        print_json(values)
        return
    family = found.family or ("" if found.kind == "unknown" else "unknown family")
    data(" ".join(filter(None, (found.kind, family, found.prediction))))
    for line in found.evidence:
        say(line)
