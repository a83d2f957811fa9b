"""``loratui check``: is this dataset ready to be trained on?"""

from __future__ import annotations

import shutil
import sys
import textwrap
from dataclasses import asdict
from pathlib import Path
from typing import get_args

import click

from loratui.cli.dataset.step import current_step
from loratui.cli.options import json_option
from loratui.cli.output import data, print_json
from loratui.dataset.bucket_picture import boxes
from loratui.dataset.checking.checklist import checklist, verdict
from loratui.dataset.checking.checks import Report, Wishes
from loratui.dataset.checking.checks import check as run_check
from loratui.dataset.checking.finding import Finding, number
from loratui.dataset.checking.folder_checks import printable
from loratui.dataset.pictures.probing import Progress
from loratui.engines.checking.checkable import checkable
from loratui.families import FAMILIES
from loratui.places import expanded
from loratui.recipe.document import FamilyName, Purpose
from loratui.tui.glyphs import glyphs

_SHOWN_FILES = 3
_SHOWN_GROUPS = 5
_WIDEST = 100


@click.command()
@click.argument("folder", metavar="DIR|FILE", type=click.Path(path_type=Path))
@click.option("--trigger", metavar="WORD", help="The trigger word that captions shall hold.")
@click.option("--reg", type=click.Path(path_type=Path), help="The folder of regularization pictures.")
@click.option(
    "--purpose",
    type=click.Choice(get_args(Purpose)),
    help="What the LoRA shall learn; it sets how many pictures are few or many.  [default: the recipe's,"
    " else character]",
)
@click.option(
    "--family",
    type=click.Choice(list(FAMILIES)),
    help="The base model's family; sets sizes and caption style.",
)
@click.option("--batch", type=click.IntRange(min=1), help="The batch size.  [default: the recipe's, else 1]")
@json_option
def check(
    folder: Path,
    trigger: str | None,
    reg: Path | None,
    purpose: Purpose | None,
    family: FamilyName | None,
    batch: int | None,
    as_json: bool,
) -> None:
    """Look for everything that would spoil training on DIR: a folder of N_name folders, a plain folder of
    pictures, or a .zip or .tar of either. Or on what FILE names: a recipe, a config.toml or a dataset_config,
    with every folder in it. Nothing is changed. Ends with 1 when something must be mended."""
    what = checkable(expanded(folder), family)
    wishes = Wishes(
        what.trigger if trigger is None else trigger,
        purpose or what.purpose,
        what.family,
        batch or (what.shape.batch_size if what.shape else 1),
        what.shape.bucketing if what.shape else None,
        tuple((dataset.bucketing, batch or dataset.batch_size) for dataset in what.datasets),
    )
    other = expanded(reg) if reg is not None else what.regularization
    source = what.source if what.datasets else current_step(what.source)
    report = run_check(source, wishes, other, what.sources, on_progress=_progress)
    _end_progress()
    if as_json:
        print_json(
            {
                "images": report.images,
                "captions": report.captions,
                "findings": [asdict(finding) for finding in report.findings],
            }
        )
    else:
        _tell(report)
    raise click.exceptions.Exit(1 if report.has_errors else 0)


def _progress(progress: Progress) -> None:
    if sys.stderr.isatty() and (progress.done % 16 == 0 or progress.done == progress.total):
        what = "reading files" if progress.stage == "files" else "looking at pictures"
        print(f"\r\x1b[K{what} {progress.done:,} of {progress.total:,}", end="", file=sys.stderr, flush=True)


def _end_progress() -> None:
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _tell(report: Report) -> None:
    width = min(_WIDEST, shutil.get_terminal_size().columns)
    data(f"{number(report.images, 'picture')}, {number(report.captions, 'caption')}")
    data("")
    for item in checklist(report):
        detail = f": {item.detail}" if item.detail else ""
        data(f"  [{'no' if item.answer == 'no' else 'ok'}] {item.words}{detail}")
    if report.kind == "plain":
        data("  A plain folder of pictures: the wizard makes the 10_name folder for it, out of links.")
    if report.buckets:
        data("")
        data("  The sizes they are trained in (pictures / share of them cropped away)")
        data("")
        for line in boxes(report.buckets, width, unicode=glyphs().unicode, rows=2):
            data(f" {line}")
    shown: dict[str, int] = {}
    for finding in report.findings:
        shown[finding.code] = shown.get(finding.code, 0) + 1
        if shown[finding.code] <= _SHOWN_GROUPS:
            _tell_one(finding, width)
    for code, count in shown.items():
        if count > _SHOWN_GROUPS:
            data("")
            data(f"  and {count - _SHOWN_GROUPS:,} more of {code} (all with --json)")
    data("")
    data(verdict(report))


def _tell_one(finding: Finding, width: int) -> None:
    data("")
    _wrapped(f"{finding.severity.upper()} {finding.code}: {finding.message}", "", width)
    for name in finding.files[:_SHOWN_FILES]:
        data(f"    {printable(name)}")
    if len(finding.files) > _SHOWN_FILES:
        data(f"    and {len(finding.files) - _SHOWN_FILES:,} more")
    advice, sign, command = finding.fix.partition(" loratui ")
    _wrapped(f"> {advice}", "  ", width)
    if sign:  # on one line however long, to be copied
        data(f"    loratui {command}")


def _wrapped(text: str, indent: str, width: int) -> None:
    """A sentence over as many lines as it takes; file names in it stay whole."""
    further = indent + "  "
    for line in textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=further,
        break_long_words=False,
        break_on_hyphens=False,
    ):
        data(line)
