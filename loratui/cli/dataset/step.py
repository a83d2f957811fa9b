"""Which step of a dataset's history a command looks at, told to the person."""

from __future__ import annotations

import shlex
from pathlib import Path

from loratui.cli.output import say
from loratui.dataset import history
from loratui.problems import UserError


def current_step(folder: Path) -> Path:
    """The folder that counts for ``folder``. Says so where it is a step, and what was changed in the
    person's own folder since. Raises ``UserError``."""
    current = history.current(folder)
    if current == folder:
        return folder
    say(f"The current step of its history counts: {current}")
    try:
        since = history.changes(history.begin(folder))
    except UserError:
        return current
    if since:
        say(f"Changed in {folder} since, and not in it: {since}.")
        say(f"To take that in: loratui dataset refresh {shlex.quote(str(folder))}")
    return current
