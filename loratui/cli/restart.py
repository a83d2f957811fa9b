"""``after-restart``: nobody is there when a machine comes up again."""

from __future__ import annotations

import click

from loratui.cli.options import agree, json_option
from loratui.cli.output import data, plain, print_json, say
from loratui.runs.rental import at_restart, restart

_MOST_KNOWN = 3


@click.command(name="after-restart")
@click.option(
    "--resume", is_flag=True, help="Lost runs that nobody was told of yet go on from their last saved state."
)
@click.option("--show", is_flag=True, help="Only show the line by which this machine would call it.")
@click.option("--install", is_flag=True, help="Put that line in its place, after asking.")
@click.option("--remove", is_flag=True, help="Take it out again.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def after_restart(resume: bool, show: bool, install: bool, remove: bool, yes: bool, as_json: bool) -> None:
    """Tell of runs that a restart has lost, to whom notify.toml names, and go on with the queue.

    A lost run that somebody was told of before (by loratui runs, status, the screens or a message) is left to
    him, and only named.

    \b
    Done once, and nothing twice. For nobody to have to do it:
      loratui after-restart --show               the line, and where it would stand
      loratui after-restart --install --resume   put it there; lost runs then go on by themselves
      loratui after-restart --remove
    """
    if remove:
        where = at_restart.remove()
        say(f"Taken out of {' and '.join(where)}." if where else "It stood nowhere.")
        return
    if show or install:
        _line(resume, install, yes, as_json)
        return
    found = restart.after_restart(resume, (lambda _: None) if as_json else (lambda words: say(plain(words))))
    if as_json:
        print_json(
            {
                "lost": [run.id for run in found.lost],
                "resumed": [run.id for run in found.resumed],
                "waiting": found.waiting,
                "known": [run.id for run in found.known],
            }
        )
        return
    if not found.lost and not found.waiting:
        say("No run was lost that was not told of before, and none waits.")
    for run in found.known[:_MOST_KNOWN]:
        say(f"{run.id} is lost, as was told before, and stays so: loratui resume {run.id}")
    if len(found.known) > _MOST_KNOWN:
        say(f"and {len(found.known) - _MOST_KNOWN} more: loratui runs")


def _line(resume: bool, install: bool, yes: bool, as_json: bool) -> None:
    way, stands = at_restart.way(resume), list(at_restart.standing())
    if as_json and not install:
        print_json({"kind": way.kind, "line": way.line, "where": way.where, "installed": way.kind in stands})
        return
    data(way.line)
    say(f"Its place: {way.where}.")
    if not install:
        if stands:
            say("A line of loratui's stands there already; take it out: loratui after-restart --remove")
        elif way.installs:
            say(f"Put it there: loratui after-restart --install{' --resume' if resume else ''}")
        return
    if not way.installs:
        say("loratui cannot put it there from inside: copy it.")
        raise click.exceptions.Exit(1)
    if not yes:
        agree("Add this line?")
    at_restart.add(way)
    say("Added. Take it out again: loratui after-restart --remove")
