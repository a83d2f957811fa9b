"""``models`` and ``download``: base models by name, and onto this disk."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from loratui import places
from loratui.cli.options import json_option
from loratui.cli.output import data, print_json, say
from loratui.families import FAMILIES
from loratui.models import catalog, fetching, remote
from loratui.models.catalog import Entry
from loratui.models.fetching import Progress


@click.command()
@json_option
def models(as_json: bool) -> None:
    """Base models that loratui knows by name, and what of them is on this disk."""
    rows = [_row(entry) for entry in catalog.catalogue().values()]
    folder, free = places.models_folder(), _free(places.models_folder())
    if as_json:
        print_json({"models": rows, "folder": str(folder), "free_bytes": free})
        return
    for row in rows:
        state = "on disk" if row["on_disk"] else row["download"] or row["size"]
        gate = "  ask first" if row["gated"] and not row["on_disk"] else ""
        data(f"{row['name']:<17} {row['title']:<41} {state}{gate}")
        if row["words"]:
            data(f"{'':<17} {row['words']}")
    say(f"They go to {folder} ({free / 1e9:.0f} GB free). Fetch one: loratui download NAME")
    say("ask first: its page wants the licence accepted, and a token in HF_TOKEN.")


def _row(entry: Entry) -> dict[str, Any]:
    found = fetching.status(entry.name)
    missing = catalog.missing(entry)
    family = FAMILIES.get(entry.family)
    return {
        "name": entry.name,
        "title": entry.title,
        "family": entry.family,
        "prediction": entry.prediction,
        "zero_terminal_snr": entry.zero_terminal_snr,
        "clip_skip": entry.clip_skip,
        "resolution": entry.resolution,
        "captions": entry.captions,
        "quality": entry.quality,
        "licence": entry.licence or None,
        "gated": entry.gated,
        "page": entry.url,
        "size_gb": entry.size,
        "size": f"{entry.total_gb:.1f} GB" if entry.total_gb else "size unknown",
        "engines": _engines(family.builtin if family else None),
        "on_disk": not missing,
        "missing": list(missing),
        "path": str(catalog.path_of(entry)),
        "download": found.sentence() if found is not None and found.state != "done" else None,
        "words": entry.words,
    }


def _engines(builtin: bool | None) -> list[str]:
    """Engines that train a family; ``builtin`` is None for one that none trains."""
    if builtin is None:
        return []
    return ["builtin", "kohya"] if builtin else ["kohya"]


def _free(folder: Path) -> int:
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


@dataclass
class _Teller:
    """Progress for the eyes: one line that is written over in a terminal, a line each tenth elsewhere."""

    shown: int = -1

    def __call__(self, now: Progress) -> None:
        if sys.stderr.isatty():
            print(f"\r\x1b[K{now.file}  {now.sentence()}", end="", file=sys.stderr, flush=True)
            return
        tenth = 10 * now.done // now.total if now.total else 0
        if tenth != self.shown:
            self.shown = tenth
            say(f"{now.file}  {now.sentence()}")

    def end(self) -> None:
        if sys.stderr.isatty():
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


@click.command()
@click.argument("name")
@json_option
def download(name: str, as_json: bool) -> None:
    """Fetch the base model NAME (see: loratui models), all files it needs. It goes on where it broke off.

    NAME may also be civitai:VERSION, or the address of a file on huggingface.co. Tokens are taken from
    HF_TOKEN and CIVITAI_TOKEN.
    """
    other = remote.of_words(name)
    teller = _Teller()
    try:
        if other is not None:
            paths = fetching.fetch_all(other.target.stem, (other,), teller)
        else:
            paths = fetching.fetch(catalog.find(name), teller)
    finally:
        teller.end()
    if as_json:
        print_json({"model": name, "path": str(paths[0]), "files": [str(path) for path in paths]})
        return
    data(str(paths[0]))
