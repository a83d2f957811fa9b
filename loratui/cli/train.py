"""``loratui train``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from loratui.cli.dataset.step import current_step
from loratui.cli.follow import follow, result
from loratui.cli.new import answer_options
from loratui.cli.options import detach_option, engine_option, json_option
from loratui.cli.output import data, print_json, say
from loratui.engines import config
from loratui.engines.kohya import launch as kohya_launch
from loratui.engines.registry import engine
from loratui.problems import UserError
from loratui.recipe import Recipe, change, check
from loratui.runs import launch, launch_file
from loratui.runs.store import Run


def with_settings(recipe: Recipe, settings: tuple[str, ...], engine_name: str | None) -> Recipe:
    """The recipe with ``key=value`` settings and an engine laid over it, checked again."""
    changes: dict[str, object] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise click.UsageError(f"--set {setting!r}: write it as key=value, for example network.rank=8.")
        changes[key.strip()] = value.strip()
    if "steps.target" in changes:
        changes.setdefault("steps.epochs", None)
    elif "steps.epochs" in changes:
        changes["steps.target"] = None
    if engine_name:
        changes["launch.engine"] = engine_name
    changed = change(recipe, changes)
    problems = check(changed)
    if problems:
        raise UserError("--set", *problems)
    return changed


def start(recipe: Recipe, source: str) -> Run:
    """Start a run, or raise ``UserError`` with everything that is in the way, named by its source."""
    try:
        return launch.start(recipe, engine(recipe.launch.engine))
    except UserError as error:
        raise UserError(error.source or source, *error.problems) from None


def finish(run: Run, *, detach: bool, as_json: bool) -> None:
    """Follow a started run to its end and exit 0 when it finished, 1 when not; or leave it alone."""
    _tell_other_machines(run)
    if detach:
        if as_json:
            print_json({"run": run.id, "folder": str(run.folder), "verdict": "running"})
        else:
            say(f"Started. Watch it: loratui attach {run.id}")
            data(run.id)
        return
    say(f"run {run.id}  (ctrl+c leaves, the run goes on)")
    view = follow(run)
    if as_json:
        print_json(result(run, view))
    elif view.final_file and view.state == "finished":
        data(view.final_file)
    raise click.exceptions.Exit(0 if view.state == "finished" else 1)


def _tell_other_machines(run: Run) -> None:
    """What to type on each of them, when the run is shared by several machines."""
    commands = kohya_launch.commands_elsewhere(launch_file.read_command(run))
    if not commands:
        return
    say("Machine 0 waits for the others. The base model, the pictures, this run's folder and sd-scripts must")
    say("lie there under the same paths. Then type, on machine")
    for rank, words in commands.items():
        say(f"  {rank}:  {words}")
    say("or, where loratui is there too: loratui train FILE --set launch.machine_rank=N")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@detach_option
@engine_option
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a setting: network.rank=8"
)
@answer_options
@json_option
def train(
    file: Path,
    detach: bool,
    engine_name: str | None,
    settings: tuple[str, ...],
    as_json: bool,
    **answers: Any,
) -> None:
    """Train FILE, a recipe or a Kohya config.toml, and follow it in plain lines. A folder of pictures in its
    place is trained as the wizard would propose it; --model to --effort answer its questions.

    Ctrl+C leaves; the run goes on.
    """
    if (file / "recipe.toml").is_file() and (file / "status.json").is_file():
        file /= "recipe.toml"  # the folder of a run: its recipe once more
    if file.is_dir():
        from loratui.tui.wizard.answers.headless import answered

        loaded = answered(file, **answers).recipe
    else:
        given = [f"--{name}" for name, value in answers.items() if value and name != "effort"]
        if given:
            raise click.UsageError(f"{', '.join(given)}: only for a folder of pictures; {file} is none.")
        loaded = config.load(file)
    recipe = with_settings(loaded, settings, engine_name)
    if recipe.dataset.folder:
        current_step(Path(recipe.dataset.folder))
    finish(start(recipe, str(file)), detach=detach, as_json=as_json)
