"""How every command that mends a dataset ends: a preview, then the step, when it is wanted."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from loratui.cli.output import data, print_json, say
from loratui.dataset import history
from loratui.dataset.checking.finding import number
from loratui.dataset.history import Plan, Written
from loratui.dataset.pictures.probing import Progress

directory = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
yes_option = click.option("--yes", is_flag=True, help="Do it. Without it, only show what would be done.")


def finish(
    plan: Plan,
    yes: bool,
    as_json: bool,
    lines: Sequence[str] = (),
    more: Mapping[str, Any] | None = None,
) -> None:
    """Show a plan: ``lines``, then its numbers. With ``yes``, or a person's word at a terminal, make it.

    ``more`` goes into the JSON object beside the plan's own keys.
    """
    source = plan.base.source
    if not as_json:
        for line in lines:
            data(line.replace("\n", "?"))  # a file may be called so
    wanted = yes and not plan.is_empty
    if not as_json and not plan.is_empty:
        data(f"{plan.words[:1].upper()}{plan.words[1:]}. {_numbers(plan)}.")
        if not yes and sys.stdin.isatty() and sys.stdout.isatty():
            wanted = click.confirm("Make this step? Your folder stays as it is.", default=False, err=True)
    step = history.apply(plan, _progress) if wanted else None
    if wanted:
        end_progress()
    if as_json:
        print_json(
            {
                "dataset": str(source),
                "operation": plan.operation,
                "words": plan.words,
                "applied": step is not None,
                "step": step.number if step else plan.base.history.number,
                "folder": str(step.folder if step else plan.base.root),
                "put": sorted(plan.put),
                "drop": sorted(plan.drop),
                **(more or {}),
            }
        )
        return
    name = shlex.quote(str(source))
    if plan.is_empty:
        say("Nothing to do.")
    elif step is None:
        say("Nothing was changed. The same with --yes does it.")
    else:
        data(str(step.folder))
        say(f"Step {step.number} of {source} counts now. loratui dataset undo {name} takes it back.")


def looking(progress: Progress) -> None:
    """Narrate how far a look at the pictures is."""
    if sys.stderr.isatty() and (progress.done % 16 == 0 or progress.done == progress.total):
        what = "reading files" if progress.stage == "files" else "looking at pictures"
        print(f"\r\x1b[K{what} {progress.done:,} of {progress.total:,}", end="", file=sys.stderr, flush=True)


def end_progress() -> None:
    """Wipe the line of narration."""
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _numbers(plan: Plan) -> str:
    files = plan.base.listing.files
    captions = sum(isinstance(source, Written) for source in plan.put.values())
    new = sum(name not in files for name in plan.put)
    parts = [
        (captions, "caption", "written"),
        (new, "file", "new"),
        (len(plan.drop), "file", "left out"),
    ]
    words = [f"{number(count, noun)} {what}" for count, noun, what in parts if count]
    return ", ".join([*words, f"{len(plan.files()):,} files in the step, {len(files):,} before"])


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty() and (done % 64 == 0 or done == total):
        print(f"\r\x1b[K{done:,} of {total:,} files", end="", file=sys.stderr, flush=True)
