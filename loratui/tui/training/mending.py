"""From ``f`` on the panel to a run that trains again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from loratui.events import ENDED
from loratui.problems import Problem, UserError
from loratui.runs.hints import fixing
from loratui.runs.hints import states as hint_states
from loratui.runs.hints.fixes import Fix
from loratui.runs.store import Run
from loratui.runs.view import RunView
from loratui.tui.own_app import own_app
from loratui.tui.training.fix import Choice, FixScreen, Offer

if TYPE_CHECKING:
    from textual.app import App

    from loratui.runs.hardware.gpu import GpuReading

Refuse = Callable[[UserError], None]


def offers(run: Run, view: RunView, reading: GpuReading | None) -> list[Offer]:
    """What can be done about each hint of a run: undecided ones first. Raises ``UserError``."""
    decided = hint_states.decisions(run)
    found = []
    for hint in fixing.hints_by_weight(view):
        fix = fixing.fix_for(run, view, hint, reading)
        state = hint_states.state_of(hint.key, view.hinted_at.get(hint.key, 0.0), decided)
        found.append(Offer(fix, fixing.plan(run, fix), state))
    if not found:
        raise UserError("", Problem("", "nothing known was recognised in this run.", "l shows its log."))
    return sorted(found, key=lambda offer: offer.state != "new")


def mend(app: App[None], run: Run, view: RunView, reading: GpuReading | None, refuse: Refuse) -> None:
    """Show what can be done, and do what is chosen."""
    try:
        found = offers(run, view, reading)
    except UserError as error:
        refuse(error)
        return

    def chosen(choice: Choice | None) -> None:
        if choice is not None:
            _do(app, run, choice, refuse)

    app.push_screen(FixScreen(found, runs_on=view.state not in ENDED), chosen)


def _do(app: App[None], run: Run, choice: Choice, refuse: Refuse) -> None:
    fix = choice.fix
    if choice.act == "dismiss":
        try:
            hint_states.decide(run, fix.hint.key, "dismissed")
        except UserError as error:
            refuse(error)
    elif choice.act == "install" and fix.install is not None:
        from loratui.tui.training.install import InstallScreen

        def installed(go_on: bool | None) -> None:
            if go_on:
                _start(app, run, fixing.as_it_was(run, fix), refuse)

        app.push_screen(InstallScreen(run, fix.install), installed)
    else:
        _start(app, run, fix, refuse)


def _start(app: App[None], run: Run, fix: Fix, refuse: Refuse) -> None:
    def work() -> None:
        from loratui.engines.registry import engine

        try:
            started = fixing.apply(run, fix, engine(fix.recipe.launch.engine))
        except UserError as error:
            app.call_from_thread(refuse, error)
        else:
            app.call_from_thread(own_app(app).show_run, started)

    app.run_worker(work, thread=True, exclusive=True, group="fix")
