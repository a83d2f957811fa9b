"""The keys of the list of runs, and which of them are worth a place on the key bar now."""

from __future__ import annotations

from textual.binding import Binding, BindingType

from loratui.events import ENDED
from loratui.runs.store import RunSummary

BINDINGS: list[BindingType] = [
    Binding("enter", "open", "open", id="runs.open", tooltip="Watch the run"),
    Binding("n", "new", "new run", id="runs.new", tooltip="A new run"),
    Binding("r", "again", "resume / again", id="runs.again", tooltip="Resume it, or open its recipe again"),
    Binding(
        "e",
        "edit",
        "edit",
        id="runs.edit",
        tooltip="A new run from a copy of its recipe; a waiting run itself",
    ),
    Binding("v", "result", "result", id="runs.result", tooltip="How good its files are; once it has ended"),
    Binding("space", "mark", "mark", id="runs.mark", tooltip="Mark it, to compare it with another"),
    Binding("c", "compare", "compare", id="runs.compare", tooltip="Compare two runs: c on one, c on another"),
    Binding(
        "d", "delete", "delete", id="runs.delete", tooltip="Delete it, or take it out of the queue; asks"
    ),
    Binding("K", "queue('up')", "sooner", id="runs.sooner", tooltip="A waiting run: sooner"),
    Binding("J", "queue('down')", "later", id="runs.later", tooltip="A waiting run: later"),
    Binding("H", "queue('hold')", "hold", id="runs.hold", tooltip="A waiting run: hold, release"),
    Binding("W", "queue('start')", "go on", id="runs.wake", tooltip="Let the queue go on"),
    Binding(
        "F",
        "queue('after-failure')",
        "after a failure",
        id="runs.failure",
        tooltip="Whether the queue goes on or stops when a run of it has failed",
    ),
    Binding("slash", "filter", "filter", id="runs.filter", tooltip="Only runs that hold a word"),
    Binding(
        "escape", "unmark", "unmark", id="runs.unmark", tooltip="Show all runs again; take the marks away"
    ),
    Binding("question_mark,f1", "help", "help", id="runs.help", tooltip="This help"),
    Binding("q", "leave", "quit", id="runs.quit", tooltip="Quit; runs go on"),
]


TYPING = [("enter", "to the list"), ("esc", "show all")]
"""While a filter is typed."""
MANY = 10
"""Runs from which on a filter is worth a place on the key bar."""


def shown(chosen: RunSummary | None, held: bool, marked: int, filters: bool) -> list[tuple[str, str]]:
    """Key and words, the most useful first: what does not fit is left out."""
    end = [("/", "filter")] if filters else []
    end += [("?", "help"), ("q", "quit")]
    if chosen is None:
        return [("esc", "all"), *end] if filters else [("n", "new run"), *end]
    if marked:
        return [("c", "compare"), ("space", "mark"), ("esc", "unmark"), ("enter", "open"), *end]
    if chosen.state == "queued":
        hold = ("H", "release" if held else "hold")
        more = [("n", "new run"), ("F", "after a failure")]
        return [("e", "edit"), ("K", "sooner"), ("J", "later"), hold, ("d", "remove"), *end, *more]
    if chosen.state not in ENDED:
        return [("enter", "open"), ("n", "new run"), ("e", "copy"), ("c", "compare"), *end]
    again = ("r", "again" if chosen.state == "finished" else "resume / again")
    return [
        ("enter", "open"),
        ("n", "new run"),
        again,
        ("e", "copy"),
        ("v", "result"),
        ("c", "compare"),
        *end,
        ("d", "delete"),
    ]
