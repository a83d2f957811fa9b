"""``loratui export``."""

from __future__ import annotations

from pathlib import Path

import click

from loratui import places
from loratui.advice.memory import estimate
from loratui.atomic import new_file
from loratui.cli.options import json_option
from loratui.cli.output import data, print_json, say
from loratui.engines import config, skypilot
from loratui.engines.checking.checks import identified
from loratui.problems import Problem, UserError, refusal
from loratui.recipe import Recipe, change, resolve_paths

_DRAFT = "draft.toml"


@click.group()
def export() -> None:
    """Write a recipe in the words of another program."""


@export.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("-o", "--output", metavar="PATH", help="Where to write it; - is standard output.")
@click.option("--gpu", metavar="NAME", help="SkyPilot's name of the GPU, RTX4090; else what has room for it.")
@click.option("--gpus", type=click.IntRange(min=1), help="GPUs in each machine (the kohya engine).")
@click.option("--machines", type=click.IntRange(min=1), help="How many machines (the kohya engine).")
@click.option("--spot", is_flag=True, help="Take a machine that may be taken back at any time, for less.")
@click.option("--disk", type=click.IntRange(min=30), default=100, show_default=True, metavar="GB")
@click.option("--autostop", type=click.IntRange(min=1), metavar="MINUTES", help="Stop it when idle so long.")
@click.option("--token", is_flag=True, help="Hand over HF_TOKEN by --secret; it is never written down.")
@click.option("--package", default="loratui[train]", show_default=True, help="What pip installs there.")
@click.option("--force", is_flag=True, help="Overwrite a file that is there.")
@json_option
def sky(
    file: Path | None,
    output: str | None,
    gpu: str | None,
    gpus: int | None,
    machines: int | None,
    spot: bool,
    disk: int,
    autostop: int | None,
    token: bool,
    package: str,
    force: bool,
    as_json: bool,
) -> None:
    """A SkyPilot task that rents a machine, carries model and pictures there and trains FILE (a recipe or a
    Kohya config.toml; else the wizard's draft). Start it with: sky launch
    """
    source = file or places.home() / _DRAFT
    if file is None and not source.is_file():
        raise click.UsageError("name a recipe: loratui export sky FILE")
    recipe = resolve_paths(identified(config.load(source)), Path.cwd())
    recipe = _shared(recipe, gpus, machines, source)
    gib = _memory(recipe)
    rental = skypilot.Rental(
        (gpu,) if gpu else skypilot.gpus_for(gib), spot, disk, autostop, package=package, token=token
    )
    try:
        text = skypilot.task(recipe, rental)
    except UserError as error:
        raise UserError(error.source or str(source), *error.problems) from None
    if output == "-":
        data(text.rstrip("\n"))
        return
    path = Path(output) if output else Path(f"{source.stem}.sky.yaml")
    if path.exists() and not force:
        raise refusal(path, "it is there already.", "Choose another with --output, or overwrite: --force")
    with new_file(path, "Choose another place with --output.") as temporary:
        temporary.write_text(text, encoding="utf-8")
    if as_json:
        print_json({"file": str(path), "gpus": list(rental.gpus), "memory_gib": gib})
        return
    about = f"about {gib:.0f} GiB of GPU memory" if gib is not None else "memory unknown"
    say(f"{' or '.join(rental.gpus)} ({about}). Look it over, then:")
    say(f"  sky launch -c lora {path}{' --secret HF_TOKEN' if token else ''}")
    data(str(path))


def _shared(recipe: Recipe, gpus: int | None, machines: int | None, source: Path) -> Recipe:
    """The recipe on that many machines and GPUs. Which address the first has is known when it runs."""
    launch = recipe.launch
    number = machines or launch.num_machines
    each = gpus or launch.num_processes // launch.num_machines
    changes: dict[str, object] = {"launch.num_machines": number, "launch.num_processes": number * each}
    if number > 1 and not launch.main_process_ip:
        changes["launch.main_process_ip"] = "known-when-started"
    if number * each > 1 and launch.engine != "kohya":
        problem = Problem(
            "launch.engine", f"{launch.engine} trains on one GPU.", 'Write engine = "kohya" under [launch].'
        )
        raise UserError(str(source), problem)
    return change(recipe, changes)


def _memory(recipe: Recipe) -> float | None:
    """What one GPU needs; None for a family nothing is known of."""
    try:
        return estimate(recipe, recipe.base.family or "").high_gib
    except KeyError:
        return None
