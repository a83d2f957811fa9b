"""``loratui setup``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from loratui.cli.options import json_option
from loratui.cli.output import data, print_json, say

_REUSE = {"auto": None, "reuse": True, "install": False}


@click.group()
def setup() -> None:
    """Set up what is not part of loratui."""


@setup.command()
@click.option(
    "--update", is_flag=True, help="Go to the newest commit. If it does not work, the old one stays."
)
@click.option("--rollback", is_flag=True, help="Go back to the commit before the last update.")
@click.option(
    "--commit", metavar="REV", help="Go to a commit, tag or branch; 'tested' is loratui's own choice."
)
@click.option(
    "--adopt", metavar="DIR", type=click.Path(path_type=Path), help="Use a checkout you have, as it is."
)
@click.option("--own", is_flag=True, help="Use loratui's own checkout again, not the adopted one.")
@click.option(
    "--python",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The Python to make the environment with, or the one of --adopt (conda).",
)
@click.option(
    "--torch",
    type=click.Choice(list(_REUSE)),
    default="auto",
    show_default=True,
    help="Reuse a torch of this machine when it works with the GPU, or install one.",
)
@click.option(
    "--with",
    "extras",
    metavar="NAMES",
    help="Optimizers and networks to install: all, none, or some of prodigyopt,lion-pytorch,dadaptation,"
    "schedulefree,lycoris-lora.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@json_option
def kohya(
    update: bool,
    rollback: bool,
    commit: str | None,
    adopt: Path | None,
    own: bool,
    python: Path | None,
    torch: Literal["auto", "reuse", "install"],
    extras: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Set up kohya-ss/sd-scripts at a tested commit, with a virtual environment of its own, below
    LORATUI_HOME. Interrupted, it goes on; run again, it does nothing that is done already.
    """
    from loratui.engines.kohya.setup import setup as work

    asked = [name for name, given in (("--update", update), ("--rollback", rollback), ("--commit", commit),
                                      ("--adopt", adopt)) if given]  # fmt: skip
    if len(asked) > 1:
        raise click.UsageError(f"{' and '.join(asked)} do not go together.")
    if adopt is not None and dry_run:
        raise click.UsageError("--adopt changes nothing in the checkout; there is nothing to try dry.")
    if own and not dry_run:
        work.forget_adopted()
    try:
        if adopt is not None:
            found = work.adopt(adopt, python)
        else:
            revision = "HEAD" if update else commit
            wishes = work.Wishes(revision, python, _REUSE[torch], _names(extras), dry_run)
            found = work.rollback(wishes, say) if rollback else work.install(wishes, say)
    except KeyboardInterrupt:
        say("Interrupted. Run the same command again: it goes on where it was.")
        raise
    if as_json:
        print_json(found.as_json())
        return
    if dry_run:
        say("Nothing was done.")
        return
    at = f" at {found.commit[:8]}" if found.commit else ""
    say('The kohya engine is ready: write engine = "kohya" in a recipe, or choose it on Review.')
    data(f"{found.folder}{at}, Python {found.python}")


def _names(text: str | None) -> tuple[str, ...] | None:
    from loratui.engines.kohya.setup.steps import OPTIMIZERS
    from loratui.problems import nearest

    if text is None or text == "all":
        return None if text is None else tuple(OPTIMIZERS)
    names = tuple(name.strip() for name in text.split(",") if name.strip() and name.strip() != "none")
    for name in names:
        if name not in OPTIMIZERS:
            raise click.UsageError(f"--with {name!r} is not known. {nearest(name, OPTIMIZERS)}".rstrip())
    return names
