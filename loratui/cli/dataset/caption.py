"""``loratui dataset caption``: sentences by Kosmos-2."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from loratui.cli.dataset.plan import directory, end_progress, finish, yes_option
from loratui.cli.options import json_option
from loratui.dataset import history
from loratui.dataset.checking.finding import number
from loratui.dataset.mending.entries import read_entries
from loratui.dataset.mending.sentences import DEFAULT_MODEL, describe_all, plan_sentences, wanted
from loratui.dataset.pictures.probe_cache import cache_folder

_EXAMPLES = 3


@click.command()
@directory
@click.option("--model", default=DEFAULT_MODEL, show_default=True, help="A hub id, or a folder.")
@click.option("--overwrite", is_flag=True, help="Replace the captions there are.")
@yes_option
@json_option
def caption(folder: Path, model: str, overwrite: bool, yes: bool, as_json: bool) -> None:
    """Write a sentence for each picture of DIR that has no caption (or for all, with --overwrite).

    A run that was stopped goes on where it was. Needs the extra: pip install "loratui[caption]"."""
    entries = read_entries(history.begin(folder))
    chosen = wanted(entries, overwrite)
    sentences = describe_all(entries, chosen, model, cache_folder(), _progress)
    end_progress()
    plan = plan_sentences(entries, sentences, model)
    lines = [f"{number(len(chosen), 'picture')} to describe of {len(entries.all):,}."]
    for name, source in list(plan.put.items())[:_EXAMPLES]:
        assert isinstance(source, history.Written)
        lines += [f"  {name}", f"    {source.data.decode('utf-8', 'replace').strip()}"]
    finish(plan, yes, as_json, lines, {"model": model, "described": len(sentences)})


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{done:,} of {total:,} pictures", end="", file=sys.stderr, flush=True)
