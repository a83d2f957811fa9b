"""``presets``: values that others train with, by family and purpose."""

from __future__ import annotations

from typing import Any

import click

from loratui import places
from loratui.advice import presets as all_presets
from loratui.advice.presets import Preset
from loratui.cli.options import json_option
from loratui.cli.output import data, print_json, say


@click.command()
@click.argument("name", required=False)
@json_option
def presets(name: str | None, as_json: bool) -> None:
    """The presets, or everything in the one called NAME."""
    chosen = [all_presets.find(name)] if name else list(all_presets.presets().values())
    if as_json:
        print_json({"presets": [_row(preset) for preset in chosen]})
        return
    if name:
        text = (places.presets_folder() / f"{name}.toml").read_text(encoding="utf-8")
        for line in text.splitlines():
            data(line)
        return
    for preset in chosen:
        data(f"{preset.name:<28} {preset.title}")
    say("One of them with its reasons: loratui presets NAME. Use it: loratui train DIR --preset NAME")


def _row(preset: Preset) -> dict[str, Any]:
    return {
        "name": preset.name,
        "title": preset.title,
        "family": preset.family or None,
        "purpose": preset.purpose or None,
        "models": list(preset.models),
        "command": preset.command,
        "source": preset.source,
        "notes": preset.notes,
        "values": preset.values,
        "reasons": preset.reasons,
    }
