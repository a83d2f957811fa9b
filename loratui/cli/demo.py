"""``loratui demo``."""

from __future__ import annotations

import click

from loratui import demo as demo_material
from loratui.cli.options import json_option, slow_option
from loratui.cli.output import say
from loratui.cli.train import finish, start
from loratui.engines.registry import engine
from loratui.problems import Problem, UserError


@click.command()
@click.option("--headless", is_flag=True, help="No screens: train at once and follow in plain lines.")
@slow_option
@json_option
def demo(headless: bool, as_json: bool) -> None:
    """Make a tiny model and drawn pictures, and go the whole way: no GPU, no download.

    The model's weights are random: the loss falls for real, its pictures stay noise.
    """
    recipe = demo_material.recipe()
    status = engine(recipe.launch.engine).status()
    if not status.ready:
        raise UserError(
            "", Problem("", f"the builtin trainer is {status.detail}.", f"Install it: {status.fix}")
        )
    demo_material.make_pictures()
    if not (demo_material.folder() / "model" / "model_index.json").exists():
        say("Making a tiny model with random weights (about ten seconds, once).")
    demo_material.make_model()
    if headless:
        say(demo_material.NOTE)
        finish(start(recipe, "demo"), detach=False, as_json=as_json)
        return
    from loratui.tui.app import run_app

    raise click.exceptions.Exit(run_app(recipe=recipe, note=demo_material.NOTE))
