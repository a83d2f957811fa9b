"""``import``: a recipe from a kohya_ss GUI .json or any Kohya TOML."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from loratui.cli.new import write_new
from loratui.cli.options import json_option
from loratui.cli.output import data, print_json, say
from loratui.engines.importing import recipes as importing
from loratui.recipe import dumps, flatten


@click.command(name="import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the recipe here.")
@json_option
def import_(file: Path, output: Path | None, as_json: bool) -> None:
    """A recipe from FILE: a .json saved by kohya_ss' GUI (a preset of it as well), or any Kohya TOML.

    What was not understood is listed. Exit code 1 when something was not.
    """
    found = importing.read(file)
    text = dumps(found.recipe)
    if output is not None:
        write_new(output, text)
    if as_json:
        print_json(
            {
                "recipe": flatten(found.recipe),
                "remarks": list(found.remarks),
                "not_understood": [asdict(one) for one in found.not_understood],
            }
        )
    elif output is None:
        data(text.rstrip("\n"))
    for remark in found.remarks:
        say(remark)
    for one in found.not_understood:
        say(f"not understood: {one.key} = {one.value!r} ({one.reason})")
    raise click.exceptions.Exit(1 if found.not_understood else 0)
