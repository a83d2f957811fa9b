"""``notify``: word of a run's end, sent now to try it."""

from __future__ import annotations

import click

from loratui.cli.options import run_argument
from loratui.cli.output import say
from loratui.runs import notify as sending
from loratui.runs import store


@click.command()
@run_argument
def notify(run: str) -> None:
    """Send word of RUN (the newest when none is named) as at its end, to try notify.toml.

    \b
    It lies in loratui's home, with mode 600:
      [[send]]
      kind = "ntfy"        # ntfy, discord, telegram, json, command
      url = "https://ntfy.sh/my-topic"    # or url_env = "VARIABLE"
      token_env = "NTFY_TOKEN"            # chat = "..." for telegram; argv = [...] for a command
    """
    targets = sending.read_settings().send
    if not targets:
        say(f"Nothing to send to: {sending.settings_path()} names nobody. See: loratui notify --help")
        raise click.exceptions.Exit(1)
    raise click.exceptions.Exit(0 if sending.send_all(store.find(run), say) else 1)
