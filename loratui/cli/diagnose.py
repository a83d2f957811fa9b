"""``diagnose``: what a log alone tells of a run."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click

from loratui.cli.options import json_option
from loratui.cli.output import data, print_json, say
from loratui.problems import Problem, UserError
from loratui.recipe import EngineName
from loratui.runs.hints.diagnose import Diagnosis, Finding
from loratui.runs.hints.diagnose import diagnose as read_logs

_CHUNK = 1 << 18


@click.command()
@click.argument("logs", nargs=-1, required=True, metavar="LOG...")
@click.option(
    "--engine", type=click.Choice(["builtin", "kohya"]), help="Which trainer wrote it (else the text tells)."
)
@json_option
def diagnose(logs: tuple[str, ...], engine: EngineName | None, as_json: bool) -> None:
    """How far the run of LOG came, how it ended, what went wrong and what helps.

    Any log of sd-scripts or the builtin trainer; - reads standard input. Several files are the streams of
    one run. Exit code 1 when the run failed.
    """
    found = read_logs((_read(name) for name in logs), engine)
    if as_json:
        print_json(asdict(found))
    else:
        _tell(found)
    raise click.exceptions.Exit(1 if found.verdict == "failed" else 0)


def _read(name: str) -> Iterator[bytes]:
    if name == "-":
        yield from iter(partial(os.read, sys.stdin.fileno(), _CHUNK), b"")
        return
    if Path(name).is_dir():
        raise UserError(
            name,
            Problem(
                "", "this is a folder.", "Name the log itself, for example output.log in a run's folder."
            ),
        )
    with Path(name).open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _tell(found: Diagnosis) -> None:
    total = "?" if found.total_steps is None else found.total_steps
    loss = "" if found.loss is None else f", loss {found.loss:.4g}"
    data(f"{found.verdict}: step {found.step} of {total}{loss}")
    if found.verdict == "incomplete":
        say(_unfinished(found))
    for hint in found.hints:
        for line in _lines(hint):
            data(line)
    if found.verdict == "failed" and not found.hints:
        say("Nothing known was recognised. The last lines of the log say what happened.")


def _unfinished(found: Diagnosis) -> str:
    if not found.step and found.total_steps is None and not found.hints:
        return "No training is told of in it: it is empty, or not the log of a trainer, or cut off before."
    return "It ends before the run did: the run goes on, or was killed, or the log was cut off."


def _lines(hint: Finding) -> Iterator[str]:
    yield ""
    yield f"{hint.severity}: {hint.key}"
    yield f"  {hint.cause}"
    yield f"  What helps: {hint.fix}"
    for key, value in hint.change.items():
        new = f"{value['times']:g} times what it is" if isinstance(value, dict) else value
        yield f"  In the recipe: {key} = {new}"
    if hint.line and hint.line != hint.cause:
        yield f"  Seen in: {hint.line}"
