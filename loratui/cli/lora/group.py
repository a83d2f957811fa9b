"""``loratui lora``: what one does with a finished LoRA file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from loratui.cli.lazy import LazyGroup
from loratui.cli.options import json_option
from loratui.cli.output import data, print_json, say
from loratui.lora import words as lora_words
from loratui.lora.changing.strip import strip
from loratui.lora.checking.check import verify as check
from loratui.lora.files.base import Base, read_base
from loratui.lora.info import read_info
from loratui.models.inspect import inspect
from loratui.problems import Problem, UserError

_COMMANDS = {
    "info": ("lora.group", "What a LoRA file is, how it was trained, and what it gives away."),
    "verify": ("lora.group", "Whether it is sound, how strong it is, and whether it fits a base model."),
    "try": ("lora.trying", "Pictures with and without it on one contact sheet, to choose the epoch."),
    "proof": ("lora.trying", "Prove that diffusers loads it and draws with it what we do."),
    "merge": ("lora.change", "Put LoRAs into a checkpoint, or LoRAs together."),
    "resize": ("lora.change", "To another rank."),
    "extract": ("lora.change", "The difference of two checkpoints, as a LoRA."),
    "dtype": ("lora.change", "To fp16, bf16 or float."),
    "convert": ("lora.change", "Kohya's names and diffusers', single files and diffusers folders."),
    "upload": ("lora.upload", "To the Hugging Face hub with a model card, after a preview."),
}

_file = click.argument("file", type=click.Path(path_type=Path))


@click.group(cls=LazyGroup, table=_COMMANDS)
def lora() -> None:
    """Finished LoRA files: look at them, prove them, carry them on. Any LoRA file, not only ours."""


@lora.command()
@_file
@json_option
@click.option(
    "--strip",
    "out",
    type=click.Path(path_type=Path),
    metavar="OUT",
    help="Write a copy without folder names, tags and other private entries to OUT.",
)
def info(file: Path, as_json: bool, out: Path | None) -> None:
    """What the LoRA FILE is, how it was trained, and what its metadata gives away."""
    found = read_info(file)
    if out is not None:
        strip(file, out)
    if as_json:
        values: dict[str, Any] = asdict(found)
        values["path"] = str(found.path)
        values["stripped"] = str(out) if out else None
        print_json(values)
        return
    for line in lora_words.info_lines(found):
        data(line)
    if out is not None:
        say(f"{out} is a copy without them; its tensors are the same, byte for byte.")
    elif found.leaks:
        say(f"A copy without these entries: loratui lora info {file} --strip OUT.safetensors")


@lora.command()
@_file
@click.option(
    "--base",
    "base_path",
    type=click.Path(path_type=Path),
    metavar="MODEL",
    help="The base model (file or diffusers folder) it must fit; makes the strength exact.",
)
@json_option
def verify(file: Path, base_path: Path | None, as_json: bool) -> None:
    """Whether the LoRA FILE is sound, how strong it is, and whether it fits a base model.

    Exit code 1 when something is wrong.
    """
    report = check(file, _base(base_path) if base_path else None)
    strength = report.strength
    if as_json:
        print_json(
            {
                "ok": report.ok,
                "problems": [asdict(problem) for problem in report.problems],
                "modules": report.modules,
                "strength": strength.blocks if strength else {},
                "relative": strength.relative if strength else {},
                "overall": strength.overall if strength else None,
                "overall_relative": strength.overall_relative if strength else None,
                "estimated": strength.estimated if strength else None,
                "family": report.family,
                "type": report.type,
                "tensors": report.tensors,
                "matched": report.matched,
                "remarks": report.remarks,
                "skipped": report.skipped,
            }
        )
    else:
        for line in lora_words.report_lines(report):
            data(line)
    for problem in report.problems:
        say(str(UserError(str(file), problem)))
    for line in () if as_json else (*report.remarks, *report.skipped):
        say(line)
    raise click.exceptions.Exit(0 if report.ok else 1)


def _base(path: Path) -> Base:
    found = inspect(path)
    if found.kind not in ("base", "unknown"):
        raise UserError(
            str(path), Problem("--base", f"this is a {found.kind.replace('_', ' ')}, not a base model.")
        )
    return read_base(path, found.family)
