"""Screens over one run of the list."""

from __future__ import annotations

from pathlib import Path

from textual.app import App

from loratui.events import ENDED
from loratui.runs.follow import RunFollower
from loratui.runs.store import Run, RunSummary


def result(app: App[None], chosen: RunSummary) -> None:
    """How good the files of a run are; a sentence where there are none yet."""
    from loratui.tui.help import TextScreen
    from loratui.tui.result.screen import ResultScreen

    run = Run(chosen.id, Path(chosen.folder))
    view = RunFollower(run).poll()
    if chosen.state == "queued":
        app.push_screen(TextScreen("Not yet", "This run waits for its turn."))
    elif chosen.state not in ENDED:
        app.push_screen(TextScreen("Not yet", "This run goes on. enter watches it."))
    elif view.checkpoints or view.final_file:
        app.push_screen(ResultScreen(run, view))
    else:
        app.push_screen(TextScreen("Nothing to look at", "This run saved no LoRA. enter says why."))
