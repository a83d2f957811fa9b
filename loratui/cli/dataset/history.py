"""The steps of a dataset: ``dataset history undo redo refresh``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from loratui.cli.dataset.plan import directory, finish, yes_option
from loratui.cli.options import json_option
from loratui.cli.output import data, print_json, say
from loratui.dataset import history as steps
from loratui.dataset.checking.finding import number
from loratui.dataset.history import History, Step


@click.command()
@directory
def mend(folder: Path) -> None:
    """Open the screens that mend DIR: duplicates, captions and tags, formats, folders, and its steps."""
    from loratui.tui.dataset.open import open_menu

    raise click.exceptions.Exit(open_menu(folder))


@click.command()
@directory
@json_option
def history(folder: Path, as_json: bool) -> None:
    """The steps of DIR. The one with the arrow counts: it is what check and train look at."""
    found = steps.find(folder)
    since = steps.changes(steps.begin(folder)) if found.step(found.number) else steps.Changes()
    if as_json:
        print_json(
            {
                "dataset": str(found.source),
                "current": found.number,
                "folder": str(steps.current(folder)),
                "steps": [_values(found, step) for step in found.steps],
                "changed_since": {"new": since.new, "changed": since.changed, "gone": since.gone},
            }
        )
        return
    for step in found.steps:
        arrow = "->" if step.number == found.number else "  "
        made = step.record.made[:16].replace("T", " ") if step.record else ""
        files = number(step.record.files, "file") if step.record else ""
        data(f"{arrow} {step.number:>3}  {step.words}")
        data(f"        {step.folder}" + (f"   {files}, {made} UTC" if step.record else ""))
    if since:
        say(f"Changed in {found.source} since: {since}.")
        say(f"loratui dataset refresh {found.source} takes it in.")


def _values(found: History, step: Step) -> dict[str, Any]:
    return {
        "number": step.number,
        "folder": str(step.folder),
        "operation": step.record.operation if step.record else "",
        "words": step.words,
        "parent": step.parent if step.number else None,
        "current": step.number == found.number,
        "made": step.record.made if step.record else None,
        "files": step.record.files if step.record else None,
        "dropped": step.record.dropped if step.record else (),
    }


@click.command()
@directory
@click.option(
    "--to", type=click.IntRange(min=0), metavar="STEP", help="Go to this step; 0 is your own folder."
)
@json_option
def undo(folder: Path, to: int | None, as_json: bool) -> None:
    """Let the step before the current one count again. Nothing is deleted: redo goes forward."""
    left, now = steps.undo(folder, to)
    _went(folder, left, now, as_json)


@click.command()
@directory
@json_option
def redo(folder: Path, as_json: bool) -> None:
    """Let the newest step that was built upon the current one count again."""
    found = steps.find(folder)
    left = found.step(found.number) or Step(found.number, folder, None)
    _went(folder, left, steps.redo(folder), as_json)


def _went(folder: Path, left: Step, now: Step, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "dataset": str(steps.find(folder).source),
                "from": left.number,
                "current": now.number,
                "folder": str(now.folder),
            }
        )
        return
    data(str(now.folder))
    say(f"Step {now.number} counts now ({now.words}). Step {left.number} stays on the disk.")


@click.command()
@directory
@yes_option
@json_option
def refresh(folder: Path, yes: bool, as_json: bool) -> None:
    """Take what you added, changed or removed in your own folder into the current step. Files that
    operations changed stay as the operations left them."""
    found = steps.refresh(steps.begin(folder))
    lines = [f"kept as it is in the step, though you changed it too: {name}" for name in found.both]
    finish(found.plan, yes, as_json, lines, {"kept": found.both})
