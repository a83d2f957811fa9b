"""``machine`` and ``keep``: stop the rented machine after a run, or keep it on."""

from __future__ import annotations

from typing import get_args

import click

from loratui.cli.options import json_option, run_argument
from loratui.cli.output import data, print_json, say
from loratui.runs import notify, store
from loratui.runs.rental import machine_news, machine_stop, machine_wish, rented
from loratui.runs.rental.machine_wish import When

_WORDS = {
    "never": "This machine stays on after {run}.",
    "finished": "This machine is stopped {minutes:g} min after {run} has finished.",
    "ended": "This machine is stopped {minutes:g} min after {run} has ended, whichever way.",
}


@click.command()
@run_argument
@click.option("--stop-after", type=click.Choice(get_args(When)), help="When RUN is over; never: not at all.")
@json_option
def machine(run: str, stop_after: When | None, as_json: bool) -> None:
    """Whether this rented machine is stopped after RUN (the newest when none is named), and what that costs.

    \b
    It can be a RunPod pod or a vast.ai instance, and is stopped only, never terminated. Minutes pass
    first, in which any key in the screens, or loratui keep, keeps it on. The LoRA must be safe before:
    sent to the Hugging Face hub and found whole there. In notify.toml, for all runs:
      [machine]
      stop = "finished"      # never, finished, ended (also failed or lost)
      minutes = 10
      upload = "me/loras"    # sent there first, private; or send it yourself: loratui lora upload
      without_upload = true  # instead: it is enough that the LoRA's disk outlives the stop
    """
    settings, here = notify.read_settings().machine, rented.this()
    found = store.find(run) if run or stop_after or store.all_runs() else None
    if stop_after and found:
        machine_stop.wish(found, stop_after)
    when = machine_wish.wished(found, settings) if found else settings.stop
    pending = machine_news.pending()
    if as_json:
        print_json(
            {
                "provider": here.provider if here else None,
                "run": found.id if found else None,
                "stop_after": when,
                "minutes": settings.minutes,
                "upload": settings.upload or None,
                "without_upload": settings.without_upload,
                "stops_at": pending.at if pending else None,
                "keeps_home": here.keeps(found.folder) if here and found else None,
            }
        )
        return
    data(_WORDS[when].format(run=found.id if found else "a run", minutes=settings.minutes))
    if pending:
        data(f"{machine_news.words(pending)} Keep it on: loratui keep")
    for line in _conditions(settings, here, when):
        say(line)


def _conditions(settings: machine_wish.MachineSettings, here: rented.Rented | None, when: When) -> list[str]:
    lines = []
    if here is None:
        lines.append("This is neither a RunPod pod nor a vast.ai instance: it cannot be stopped from here.")
    elif when != "never":
        lines.append(f"{here.provider}. {here.kept}")
    if when != "never" and settings.upload:
        lines.append(f"Before that the LoRA is sent to {settings.upload} and checked there.")
    elif when != "never" and not settings.without_upload:
        lines.append(
            "Only if the LoRA was sent to a hub by then (loratui lora upload) and checked there;"
            " see loratui machine --help for letting loratui send it."
        )
    return lines


@click.command()
@json_option
def keep(as_json: bool) -> None:
    """Keep this machine on: call off the stop that is counting down."""
    stop = machine_news.keep()
    if as_json:
        print_json({"kept": stop is not None, "run": stop.run if stop else None})
    else:
        say("Kept: this machine stays on." if stop else "No stop of this machine is under way.")
    raise click.exceptions.Exit(0 if stop else 1)
