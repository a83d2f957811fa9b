"""Commands that make a new file out of model files: ``lora merge resize extract dtype convert``."""

from __future__ import annotations

import importlib.util
import math
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loratui.cli.options import json_option
from loratui.cli.output import data, print_json, say
from loratui.models.inspect import inspect
from loratui.problems import Problem, UserError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_PATH = click.Path(path_type=Path)
_out_option = click.option("-o", "--out", type=_PATH, required=True, help="What to write; must not exist.")
_precision = click.Choice(["fp16", "bf16", "float"])
_WHOSE = {"kohya": "Kohya's", "diffusers": "diffusers'"}
_NARRATION_PAUSE = 5.0
"""Seconds between two lines of progress."""


@click.command()
@click.argument("base", type=_PATH)
@click.argument("loras", metavar="LORA[:WEIGHT]...", nargs=-1, required=True)
@_out_option
@click.option("--precision", type=_precision, help="Of the new file; its own by default.")
@click.option("--rank", type=click.IntRange(1), help="LoRA + LoRA: cut the sum to this rank.")
@json_option
def merge(
    base: Path, loras: tuple[str, ...], out: Path, precision: str | None, rank: int | None, as_json: bool
) -> None:
    """Add LoRAs to a checkpoint, or to each other when the first is a LoRA too.

    \b
    loratui lora merge base.safetensors hero.safetensors:0.8 -o merged.safetensors
    loratui lora merge a.safetensors:0.6 b.safetensors:0.4 -o both.safetensors --rank 32
    """
    _require_torch()
    first, strength = _weighted(str(base))
    others = [_weighted(text) for text in loras]
    if inspect(first).kind == "lora":
        from loratui.lora.changing.combine import combine

        combined = combine(
            [(first, strength), *others], out, rank=rank, precision=precision, progress=_narrator()
        )
        _report(
            combined,
            as_json,
            f"{combined.modules} modules, rank {_span(combined.rank_least, combined.rank_most)};"
            f" {combined.kept_energy:.1%} of the energy kept, error {combined.error:.2%}",
        )
        return
    if strength != 1.0 or rank is not None:
        raise click.UsageError("A weight on the first file and --rank are for LoRA + LoRA.")
    from loratui.lora.changing import merge as merging

    merged = merging.merge(first, others, out, precision)
    added = ", ".join(str(count) for count in merged.modules)
    _report(
        merged,
        as_json,
        f"{added} modules added to {merged.tensors_changed} of {merged.tensors} tensors, the rest as it was",
    )


@click.command()
@click.argument("file", type=_PATH)
@_out_option
@click.option("--rank", type=click.IntRange(1), help="The new rank of every module.")
@click.option(
    "--keep", type=click.FloatRange(0, 1, min_open=True), help="Share of the energy to keep, like 0.95."
)
@click.option("--precision", type=_precision, help="Of the new file; its own by default.")
@json_option
def resize(
    file: Path, out: Path, rank: int | None, keep: float | None, precision: str | None, as_json: bool
) -> None:
    """A copy of the LoRA FILE with a smaller rank and the same strength."""
    if (rank is None) == (keep is None):
        raise click.UsageError("Give one of --rank and --keep.")
    _require_torch()
    from loratui.lora.changing import resize as resizing

    done = resizing.resize(file, out, rank=rank, keep=keep, precision=precision, progress=_narrator())
    _report(
        done,
        as_json,
        f"from rank {done.rank_before} to {_span(done.rank_least, done.rank_most)};"
        f" {done.kept_energy:.1%} of the energy kept, error {done.error:.2%};"
        f" {done.bytes_before:,} to {done.bytes:,} bytes",
        *([f"{done.worst_kept:.1%} in {done.worst_module}, the least"] if done.worst_module else []),
    )


@click.command()
@click.argument("tuned", type=_PATH)
@click.argument("base", type=_PATH)
@_out_option
@click.option("--rank", type=click.IntRange(1), required=True, help="Of the attention layers.")
@click.option("--conv-rank", type=click.IntRange(1), help="Of the residual blocks too (LoCon).")
@click.option("--precision", type=_precision, default="fp16", show_default=True, help="Of the new file.")
@json_option
def extract(
    tuned: Path, base: Path, out: Path, rank: int, conv_rank: int | None, precision: str, as_json: bool
) -> None:
    """The difference of two checkpoints as a LoRA: what TUNED has that BASE has not."""
    _require_torch()
    from loratui.lora.changing import extract as extracting

    done = extracting.extract(
        tuned, base, out, rank=rank, conv_rank=conv_rank, precision=precision, progress=_narrator()
    )
    _report(
        done,
        as_json,
        f"{done.modules} modules of rank {done.rank}, {done.unchanged} the same in both;"
        f" {done.kept_energy:.1%} of the difference kept, error {done.error:.2%}",
    )


@click.command()
@click.argument("file", type=_PATH)
@_out_option
@click.option("--precision", type=_precision, required=True, help="Of the new file.")
@json_option
def dtype(file: Path, out: Path, precision: str, as_json: bool) -> None:
    """A copy of a LoRA or checkpoint FILE in fp16, bf16 or float."""
    _require_torch()
    from loratui.lora.changing.precision import change_precision

    done = change_precision(file, out, precision)
    _report(
        done,
        as_json,
        f"{done.tensors_changed} of {done.tensors} tensors changed;"
        f" {done.bytes_before:,} to {done.bytes:,} bytes",
    )


@click.command()
@click.argument("source", type=_PATH)
@_out_option
@click.option(
    "--config", type=_PATH, help="Folder with unet/config.json and so on, for a model of unusual shape."
)
@json_option
def convert(source: Path, out: Path, config: Path | None, as_json: bool) -> None:
    """Turn SOURCE into the other form of the same.

    \b
    a diffusers folder      into one .safetensors file
    a checkpoint file       into a diffusers folder
    a LoRA of Kohya's       into diffusers' and peft's names, and back
    """
    _require_torch()
    found = inspect(source)
    if config is not None and (source.is_dir() or found.kind == "lora"):
        raise click.UsageError("--config is for a single file that becomes a folder.")
    if found.kind == "lora":
        from loratui.lora.changing.rename import rename

        renamed = rename(source, out)
        lines = [f"{renamed.modules} modules, now in {_WHOSE[renamed.naming]} names"]
        if renamed.strength_in_metadata:
            lines.append("its alpha is in the metadata, which diffusers before 0.34 does not read")
        _report(renamed, as_json, *lines)
        return
    from loratui.lora.changing import convert as converting

    prediction = found.prediction if found.prediction in ("epsilon", "v") else None
    known: dict[str, Any] = {"prediction": prediction, "zero_terminal_snr": found.zero_terminal_snr}
    if source.is_dir():
        done = converting.to_single_file(source, out, **known)
    else:
        done = converting.to_folder(source, out, config=config, **known)
    lines = [f"{done.tensors} tensors"]
    if done.left_out:
        lines.append(
            f"{len(done.left_out)} tensors left out, which have no use there, first {done.left_out[0]}"
        )
    if prediction is None:
        lines.append("whether it predicts v is not known: check prediction_type before you use it")
    _report(done, as_json, *lines)


def _weighted(text: str) -> tuple[Path, float]:
    """``path:0.8``. A file that has the whole text as its name is taken at its word."""
    path, colon, number = text.rpartition(":")
    if not colon or Path(text).exists():
        return Path(text), 1.0
    try:
        strength = float(number)
    except ValueError:
        return Path(text), 1.0
    if not math.isfinite(strength):
        raise click.UsageError(f"{number!r} is no weight. Write it like {path}:0.8")
    return Path(path), strength


def _require_torch() -> None:
    if importlib.util.find_spec("torch") is None:
        raise UserError(
            "",
            Problem(
                "", "this calculates with torch, which is not installed.", "pip install 'loratui[train]'"
            ),
        )


def _report(done: DataclassInstance, as_json: bool, *lines: str) -> None:
    values = asdict(done)
    values["out"] = str(values["out"])
    if as_json:
        print_json(values)
        return
    data(values["out"])
    for line in lines:
        say(line)


def _span(least: int, most: int) -> str:
    return str(most) if least == most else f"{least}-{most}"


def _narrator() -> Callable[[int, int], None]:
    last = time.monotonic()

    def narrate(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _NARRATION_PAUSE:
            last = time.monotonic()
            say(f"{done} of {total} modules")

    return narrate
