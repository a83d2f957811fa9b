"""``loratui dataset variants``: each picture with no words, with tags, and with a sentence."""

from __future__ import annotations

from pathlib import Path

import click

from loratui.cli.dataset.plan import directory, finish, yes_option
from loratui.cli.options import json_option
from loratui.dataset import history
from loratui.dataset.mending.entries import read_entries
from loratui.dataset.mending.variants import REPEATS, plan_variants


@click.command()
@directory
@click.option("--repeats", type=click.IntRange(min=1), default=REPEATS, show_default=True)
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="Only N pictures, drawn at random.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed draws others.")
@yes_option
@json_option
def variants(folder: Path, repeats: int, sample: int | None, seed: int, yes: bool, as_json: bool) -> None:
    """Lay out DIR as 10_empty, 10_wd and 10_kosmos: each picture three times, with an empty caption, with
    tags, and with a sentence. Captions there are go where they fit; loratui dataset tag fills 10_wd."""
    plan = plan_variants(read_entries(history.begin(folder)), repeats, sample, seed)
    finish(plan, yes, as_json, more={"repeats": repeats, "seed": seed})
