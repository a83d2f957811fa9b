"""``loratui dataset tag``: captions by a WD14 tagger, or any other in ONNX."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import click

from loratui.cli.dataset.plan import directory, end_progress, finish, yes_option
from loratui.cli.options import json_option
from loratui.dataset import history
from loratui.dataset.checking.finding import number
from loratui.dataset.mending.entries import read_entries
from loratui.dataset.mending.tagging import Choice, plan_tags, tag_all, wanted
from loratui.dataset.pictures.probe_cache import cache_folder
from loratui.dataset.tagger import DEFAULT_MODEL, Tagger, chosen_model, locate

_EXAMPLES = 3
_share = click.FloatRange(0, 1)


@click.command()
@directory
@click.option(
    "--model",
    help="A hub id, or a folder with model.onnx and selected_tags.csv. Default: such a folder below loratui's"
    f" models folder, else {DEFAULT_MODEL}.",
)
@click.option("--general", type=_share, default=0.35, show_default=True, help="Least probability of a tag.")
@click.option("--character", type=_share, default=0.35, show_default=True, help="The same for characters.")
@click.option("--undesired", default="", metavar="TAGS", help="Never these, between commas.")
@click.option("--underscores", is_flag=True, help="Keep underscores in tags.")
@click.option("--characters-last", is_flag=True, help="Do not put characters in front.")
@click.option("--append", "mode", flag_value="append", help="Put new tags behind the captions there are.")
@click.option("--overwrite", "mode", flag_value="overwrite", help="Replace the captions there are.")
@yes_option
@json_option
def tag(
    folder: Path,
    model: str | None,
    general: float,
    character: float,
    undesired: str,
    underscores: bool,
    characters_last: bool,
    mode: Literal["append", "overwrite"] | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Write captions of tags for the pictures of DIR that have none (or --append, or --overwrite).

    A run that was stopped goes on where it was. Needs the extra: pip install "loratui[tag]"."""
    choice = Choice(
        general,
        character,
        frozenset(word for part in undesired.split(",") if (word := part.strip().lower())),
        underscores,
        not characters_last,
        mode or "missing",
    )
    model = model or chosen_model()
    entries = read_entries(history.begin(folder))
    chosen = wanted(entries, choice)
    tags = tag_all(entries, chosen, lambda: Tagger(locate(model)), model, cache_folder(), _progress)
    end_progress()
    plan = plan_tags(entries, tags, choice, model)
    lines = [f"{number(len(chosen), 'picture')} to tag of {len(entries.all):,}."]
    for name, source in list(plan.put.items())[:_EXAMPLES]:
        assert isinstance(source, history.Written)
        lines += [f"  {name}", f"    {source.data.decode('utf-8', 'replace').strip()}"]
    finish(plan, yes, as_json, lines, {"model": model, "tagged": len(tags)})


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{done:,} of {total:,} pictures", end="", file=sys.stderr, flush=True)
