"""``loratui queue``: runs that wait for a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from loratui.cli.lazy import LazyGroup
from loratui.cli.options import agree, engine_option, json_option, set_option
from loratui.cli.output import data, plain, print_json, say
from loratui.cli.train import with_settings
from loratui.engines import config
from loratui.engines.registry import engine
from loratui.problems import UserError
from loratui.runs import store
from loratui.runs.queueing import queue as runs_queue

_COMMANDS = {
    "add": ("queue", "Put a recipe or Kohya config.toml at the end."),
    "move": ("queue", "To another place: 1 is next."),
    "hold": ("queue", "Pass a run over until it is released."),
    "release": ("queue", "Let a held run have its turn."),
    "edit": ("queue", "Change a waiting run's recipe."),
    "remove": ("queue", "Take a run out; nothing of it is left."),
    "start": ("queue", "Go on: after a failure, or a restart of the machine."),
    "after-failure": ("queue", "go-on or stop when a run has failed."),
}
_run = click.argument("run")


class _Queue(LazyGroup):
    """Its commands stand in this module."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return self.commands.get(cmd_name)


@click.group(cls=_Queue, table=_COMMANDS, invoke_without_command=True)
@json_option
@click.pass_context
def queue(ctx: click.Context, as_json: bool) -> None:
    """Runs that wait for a GPU. Each starts when a GPU is free and all before it have started."""
    if ctx.invoked_subcommand is not None:
        return
    now = runs_queue.read()
    rows = [store.summary(runs_queue.run_of(run_id)) for run_id in now.order]
    if as_json:
        print_json(
            {
                "waiting": [
                    {"run": row.id, "name": row.name, "held": row.id in now.held, "place": place}
                    for place, row in enumerate(rows, 1)
                ],
                "after_failure": now.after_failure,
                "stopped": now.stopped or None,
                "worked_off": runs_queue.is_worked_off(),
            }
        )
        return
    for place, row in enumerate(rows, 1):
        held = "held " if row.id in now.held else "     "
        data(f"{place:>2} {held} {plain(row.id):<36} {plain(row.name)}")
    if now.stopped:
        say(f"The queue has stopped: {now.stopped}")
        say("Go on with: loratui queue start")
    elif now.ready and not runs_queue.is_worked_off():
        say("Nobody works it off (the machine restarted?). Go on with: loratui queue start")
    elif not rows:
        say("No run waits. Put one in: loratui queue add FILE")


@queue.command()
@click.argument("file", type=click.Path(path_type=Path))
@engine_option
@set_option
@json_option
def add(file: Path, engine_name: str | None, settings: tuple[str, ...], as_json: bool) -> None:
    """Put FILE, a recipe or a Kohya config.toml, at the end of the queue."""
    recipe = with_settings(config.load(file), settings, engine_name)
    try:
        run = runs_queue.add(recipe, engine(recipe.launch.engine))
    except UserError as error:
        raise UserError(error.source or str(file), *error.problems) from None
    place = len(runs_queue.read().order)
    if as_json:
        print_json({"run": run.id, "folder": str(run.folder), "place": place})
        return
    name = store.summary(run).name
    say(f"Waits as number {place}." if place else "It starts now.")
    if name != recipe.output.name:
        say(f"Its files are named {name}: {recipe.output.name} is taken.")
    data(run.id)


@queue.command()
@_run
@click.argument("place", type=click.IntRange(1))
def move(run: str, place: int) -> None:
    """Put RUN at PLACE of the queue; 1 is next."""
    runs_queue.move(store.find(run), place)


@queue.command()
@_run
def hold(run: str) -> None:
    """Pass RUN over until it is released."""
    runs_queue.hold(store.find(run))


@queue.command()
@_run
def release(run: str) -> None:
    """Let RUN have its turn again."""
    runs_queue.release(store.find(run))


@queue.command()
@_run
@set_option
@engine_option
def edit(run: str, settings: tuple[str, ...], engine_name: str | None) -> None:
    """Change the recipe of RUN, which waits: --set network.rank=8."""
    found = store.find(run)
    recipe = config.load(found.recipe)
    changed = with_settings(recipe, settings, engine_name)
    runs_queue.change_recipe(found, changed, engine(changed.launch.engine))
    for key, old, new in recipe.diff(changed):
        say(f"{key}: {old} -> {new}")


@queue.command()
@_run
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(run: str, yes: bool) -> None:
    """Take RUN out of the queue; nothing of it is left."""
    found = store.find(run)
    if not yes:
        agree(f"Remove {found.id}? Its recipe goes with it.")
    runs_queue.remove(found)


@queue.command()
def start() -> None:
    """Go on with the queue: after a failure stopped it, or the machine was restarted."""
    runs_queue.start()


@queue.command(name="after-failure")
@click.argument("wish", type=click.Choice(["go-on", "stop"]))
def after_failure(wish: Literal["go-on", "stop"]) -> None:
    """What the queue does when one of its runs has failed."""
    runs_queue.set_after_failure(wish)
