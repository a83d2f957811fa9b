"""What follows a run's end: word of it to whom notify.toml names, and this machine's stop where wished.
``python -m loratui.runs.supervision.afterwards RUN_FOLDER`` does it for a run whose supervisor was killed.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
import traceback
from pathlib import Path

from loratui.problems import UserError
from loratui.runs import store
from loratui.runs.files import PRIVATE_FILE
from loratui.runs.layout import Run

LETS_GO_WITHIN = 30.0
"""Seconds a guard may take to end the trainer of a killed supervisor."""
TELL_WITHIN = 7 * 86400.0
"""Seconds after which nobody needs to hear of a lost run any more."""


def begin(run: Run, stop_machine: bool = True) -> None:
    """Begin both, each in a process of its own. A fault in either is no fault of the run."""
    from loratui.runs import notify  # a web client, which few need
    from loratui.runs.rental import machine_stop

    for step in (notify.in_background, machine_stop.begin) if stop_machine else (notify.in_background,):
        try:
            step(run)
        except UserError as error:
            print(error, flush=True)
        except Exception:
            traceback.print_exc()


def after_lost(run: Run, stop_machine: bool = True) -> bool:
    """The same for a run whose supervisor is gone, for the first who finds it. Returns whether that is us."""
    if not _is_first(run):
        return False
    begin(run, stop_machine)
    return True


def _is_first(run: Run) -> bool:
    """Whether a run is lost and nobody knew; from now on somebody does."""
    status = store.read_status(run)
    if status is None or store.state(run, status)[0] != "lost":
        return False
    try:
        descriptor = os.open(
            run.folder / f"lost-attempt{status.attempt}", os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE_FILE
        )
    except OSError:  # told already, or nothing can be noted here: rather no word than one a second
        return False
    os.close(descriptor)
    return True


def lost_unknown(now: float) -> list[Run]:
    """All lost runs nobody has known of until now; whoever asks has to tell. ``now``: wall clock."""
    found = []
    for run in store.all_runs():
        with contextlib.suppress(UserError, OSError):
            status = store.read_status(run)
            if status is not None and now - status.updated < TELL_WITHIN and _is_first(run):
                found.append(run)
    return found


def after_all_lost(now: float) -> list[Run]:
    """Tell of all lost runs nobody has told of; a person is here, so the machine stays on. ``now``: wall
    clock. Returns those found."""
    found = lost_unknown(now)
    for run in found:
        begin(run, stop_machine=False)
    return found


def main(folder: str) -> int:
    """Wait until nobody holds the run any more, and tell that it is lost."""
    run = Run(Path(folder).name, Path(folder))
    deadline = time.monotonic() + LETS_GO_WITHIN
    while store.is_kept(run) and time.monotonic() < deadline:
        time.sleep(0.1)
    return 0 if after_lost(run) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
