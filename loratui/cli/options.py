"""Options that several commands share."""

from __future__ import annotations

import click

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
detach_option = click.option("--detach", is_flag=True, help="Start it and leave; print the run's name.")
engine_option = click.option(
    "--engine", "engine_name", type=click.Choice(["builtin", "kohya"]), help="What runs it."
)
set_option = click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a setting: network.rank=8"
)
run_argument = click.argument("run", default="", required=False)
