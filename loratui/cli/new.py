"""``new``: the wizard without its screens, a folder of pictures to a recipe with reasons."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from loratui.advice.length import Effort
from loratui.cli.options import json_option
from loratui.cli.output import data, print_json, say
from loratui.problems import Problem, UserError
from loratui.recipe import Purpose, flatten
from loratui.recipe.commented import commented

if TYPE_CHECKING:
    from loratui.tui.wizard.answers.state import WizardState


def answer_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The five answers, as options."""
    for option in (
        click.option("--effort", type=click.Choice(get_args(Effort)), default="balanced", help="How long."),
        click.option("--preset", default="", metavar="NAME", help="See: loratui presets"),
        click.option("--trigger", metavar="WORD", help="The word that calls it up."),
        click.option("--purpose", type=click.Choice(get_args(Purpose)), help="What it shall learn."),
        click.option("--model", default="", metavar="MODEL", help="A file, or a name: loratui models"),
    ):
        command = option(command)
    return command


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@answer_options
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the recipe here.")
@json_option
def new(
    folder: Path,
    model: str,
    purpose: Purpose | None,
    trigger: str | None,
    preset: str,
    effort: Effort,
    output: Path | None,
    as_json: bool,
) -> None:
    """A recipe for the pictures in DIR, everything derived as the wizard does it, each value with its reason.
    Nothing is trained."""
    from loratui.tui.wizard.answers.headless import answered

    state = answered(folder, model=model, purpose=purpose, trigger=trigger, preset=preset, effort=effort)
    if as_json:
        print_json(
            {
                "recipe": flatten(state.recipe),
                "advice": [asdict(one) for one in state.why.values()],
                "total_steps": state.count.total_steps if state.count else None,
            }
        )
    head = f"loratui train {shlex.quote(str(output)) if output else 'FILE'}"
    text = commented(state.recipe, _reasons(state), head)
    if output is not None:
        write_new(output, text)
        say(f"Written. Train it: loratui train {shlex.quote(str(output))}")
    elif not as_json:
        data(text.rstrip("\n"))


def _reasons(state: WizardState) -> dict[str, str]:
    found = {key: state.reason(key) for key in flatten(state.recipe)}
    return {key: one.reason for key, one in found.items() if one is not None}


def write_new(path: Path, text: str) -> None:
    """Write a file that was not there. Raises ``UserError`` when it was, or when the disk refuses."""
    from loratui.atomic import new_file

    if path.exists():
        raise UserError(
            str(path), Problem("", "it is there already and is not written over.", "Choose another name.")
        )
    with new_file(path, "Make room, or choose another folder.") as temporary:
        temporary.write_text(text, encoding="utf-8")
