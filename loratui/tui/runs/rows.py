"""The rows of the list of runs: their order, their columns."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import datetime

from loratui.events import ENDED
from loratui.runs.queueing.queue_file import Queue
from loratui.runs.store import RunSummary
from loratui.tui import text
from loratui.tui.training.words import sign
from loratui.tui.widgets.rows import Row

_STATE = 13
_LOSS = 8
_BOTH, _NAME = 20, 12
"""Cells below which name and model have no room beside each other, and that a name has at least."""
_STYLES = {
    "running": "good",
    "finished": "",
    "stopping": "warn",
    "stopped": "warn",
    "failed": "bad",
    "lost": "bad",
}


def in_order(summaries: Sequence[RunSummary], queue: Queue) -> list[RunSummary]:
    """What trains first, then what waits by its turn, then what is over; the newest first."""
    places = {run_id: place for place, run_id in enumerate(queue.order)}

    def rank(row: RunSummary) -> tuple[int, int]:
        if row.state == "queued":
            return 1, places.get(row.id, len(places))
        return (2 if row.state in ENDED else 0), 0

    return sorted(summaries, key=rank)


def head(width: int) -> str:
    """The titles of the columns."""
    has = _columns(width)
    model = f"{'MODEL':<{has.model}}  " if has.model else ""
    loss = f"{'LOSS':>{has.loss}}  " if has.loss else ""
    return f" {'STATE':<{_STATE - 1}}{'NAME':<{has.name}}  {model}{'STEP':>13}  {loss}STARTED"


def row(summary: RunSummary, width: int, queue: Queue, marked: Container[str] = ()) -> Row:
    """One run; a star says that it is marked."""
    has = _columns(width)
    steps = f"{summary.step:,}/{summary.total_steps:,}" if summary.total_steps else f"{summary.step:,}"
    state = summary.state.upper()
    if summary.id in queue.order:
        state = f"{'HELD' if summary.id in queue.held else state} {queue.order.index(summary.id) + 1}"
    mark = "*" if summary.id in marked else " "
    loss = f"{text.loss(summary.loss):>{has.loss}}  " if has.loss else ""
    return (
        (f"{f'{mark}{sign(summary.state)} {state}':<{_STATE}}", _STYLES.get(summary.state, "")),
        (f"{text.column(text.plain(summary.name), has.name)}  ", "strong"),
        (f"{text.column(text.plain(summary.model), has.model)}  " if has.model else "", ""),
        (f"{steps:>13}  {loss}", ""),
        (started(summary.started, datetime.now().astimezone()), "dim"),
    )


@dataclass(frozen=True, slots=True)
class _Columns:
    """Cells of the columns that give way; 0 for one that is left out."""

    name: int
    model: int
    loss: int


def _columns(width: int) -> _Columns:
    """What is left for name and model; a narrow terminal shows the name alone, one of a telephone no loss."""
    rest = width - 2 - _STATE - 2 - 2 - 13 - 2 - _LOSS - 2 - 12
    if rest >= _BOTH:
        return _Columns(rest * 3 // 5, rest - rest * 3 // 5, _LOSS)
    if rest + 2 >= _NAME:
        return _Columns(rest + 2, 0, _LOSS)
    return _Columns(max(_NAME, rest + 2 + _LOSS + 2), 0, 0)


def started(iso: str, now: datetime) -> str:
    """``today 01:52``, ``yesterday``, ``18 Nov``, in local time."""
    try:
        at = datetime.fromisoformat(iso).astimezone()
    except ValueError:
        return "-"
    days = (now.date() - at.date()).days
    if days <= 0:
        return f"today {at:%H:%M}"
    return "yesterday" if days == 1 else f"{at.day} {at:%b}" if at.year == now.year else f"{at:%Y-%m-%d}"
