"""What a person asks a running training for from its panel: to stop, to save, to draw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from textual.app import App

from loratui.problems import UserError
from loratui.runs.store import Run
from loratui.tui import text


def stop(app: App[None], run: Run, name: str, engine_name: str, done: Callable[[], None]) -> None:
    """Ask the person, then the supervisor; ``done`` is called once it was asked."""
    from loratui.engines.registry import engine
    from loratui.tui.training.stop import StopScreen

    def answered(wanted: bool | None) -> None:
        if wanted:
            from loratui.runs.launch import request_stop

            try:
                request_stop(run)
            except UserError as error:
                sorry(app, error)
            done()

    app.push_screen(StopScreen(name, engine(engine_name).saves_on_stop), answered)  # type: ignore[arg-type]


def now(app: App[None], run: Run, what: Literal["save", "sample"]) -> str:
    """Ask the trainer for something out of turn. Returns a line for the log; empty when it cannot be asked.
    What it does then is told by its own events."""
    from loratui.runs.launch import request_now

    try:
        request_now(run, what)
    except UserError as error:
        sorry(app, error)
        return ""
    does = "saves" if what == "save" else "draws its sample pictures"
    return f"asked: it {does} after this step"


def sorry(app: App[None], error: UserError) -> None:
    """Say why something could not be done."""
    from loratui.tui.help import TextScreen

    app.push_screen(TextScreen("That was not possible", text.plain(str(error))))
