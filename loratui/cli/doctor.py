"""``loratui doctor``."""

from __future__ import annotations

import click

from loratui.cli.options import json_option
from loratui.doctor.report import run


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """What this machine has and can: driver, GPU, torch against both, sd-scripts' environment, disk, memory,
    limits, hub, clock. Each thing that is wrong comes with what mends it.

    Ends with 1 when something training needs is missing or broken. Before loratui is installed, the same
    runs from its source: python3 loratui/doctor
    """
    raise click.exceptions.Exit(run(as_json=as_json))
