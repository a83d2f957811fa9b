"""Options that several commands share."""

from __future__ import annotations

import os
import sys

import click

from loratui.cli.output import say

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
detach_option = click.option("--detach", is_flag=True, help="Start it and leave; print the run's name.")
engine_option = click.option(
    "--engine", "engine_name", type=click.Choice(["builtin", "kohya"]), help="What runs it."
)
set_option = click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a setting: network.rank=8"
)
run_argument = click.argument("run", default="", required=False)


def agree(question: str) -> None:
    """Ask. A no, or nobody there to answer, ends the command with exit code 1 before anything is changed."""
    try:
        wanted = click.confirm(question, err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise  # ctrl+c
        say("\nNobody answers here; --yes does it without asking.")
        wanted = False
    if not wanted:
        say("Nothing was changed.")
        raise click.exceptions.Exit(1)


def _be_slow(context: click.Context, parameter: click.Parameter, slow: bool) -> None:
    if slow:
        from loratui.tui.link import VARIABLE

        os.environ[VARIABLE] = "1"


slow_option = click.option(
    "--slow",
    is_flag=True,
    expose_value=False,
    callback=_be_slow,
    help="For a link of a few kilobytes a second: repaint every five seconds.",
)
