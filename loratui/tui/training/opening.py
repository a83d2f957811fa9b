"""The screens that open from the panel of a run."""

from __future__ import annotations

from textual.app import App

from loratui.runs.store import Run
from loratui.runs.view import RunView


def hints(app: App[None], run: Run, view: RunView, width: int) -> None:
    """Known troubles, in full sentences."""
    from loratui.runs.hints.states import decisions
    from loratui.tui.help import TextScreen
    from loratui.tui.training.hint_table import page

    decided = decisions(run) if view.hints else {}
    app.push_screen(TextScreen("Known troubles", page(view, width, decided)))


def result(app: App[None], run: Run, view: RunView) -> bool:
    """The saved files: how good they are, and how to get them out. False, and nothing opens, before there are
    any."""
    if not (view.checkpoints or view.final_file):
        return False
    from loratui.tui.result.screen import ResultScreen

    app.push_screen(ResultScreen(run, view))
    return True


def samples(app: App[None], run: Run, view: RunView) -> bool:
    """The sample pictures. False, and nothing opens, before there are any."""
    if not view.samples:
        return False
    from loratui.tui.training.samples import SamplesScreen

    app.push_screen(SamplesScreen(run, view))
    return True


def paths(app: App[None], run: Run, view: RunView) -> None:
    """Where the files are."""
    from loratui.tui.help import TextScreen
    from loratui.tui.training.about import paths as named

    body, chosen = named(run, view)
    app.push_screen(TextScreen("Where the files are", body, copy=chosen))


def notes(app: App[None], run: Run) -> None:
    """What the person wrote about the run."""
    from loratui.tui.training.notes import NotesScreen

    app.push_screen(NotesScreen(run))
