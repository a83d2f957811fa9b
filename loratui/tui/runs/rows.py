"""The rows of the list of runs: their order, their columns."""

from __future__ import annotations

from collections.abc import Container, Sequence
from datetime import datetime

from loratui.events import ENDED
from loratui.runs.queueing.queue_file import Queue
from loratui.runs.store import RunSummary
from loratui.tui import text
from loratui.tui.training.words import sign
from loratui.tui.widgets.rows import Row

_STATE = 13
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
    name, model = _widths(width)
    state = f" {'STATE':<{_STATE - 1}}"
    return f"{state}{'NAME':<{name}}  {'MODEL':<{model}}  {'STEP':>13}  {'LOSS':>8}  STARTED"


def row(summary: RunSummary, width: int, queue: Queue, marked: Container[str] = ()) -> Row:
    """One run; a star says that it is marked."""
    name, model = _widths(width)
    steps = f"{summary.step:,}/{summary.total_steps:,}" if summary.total_steps else f"{summary.step:,}"
    state = summary.state.upper()
    if summary.id in queue.order:
        state = f"{'HELD' if summary.id in queue.held else state} {queue.order.index(summary.id) + 1}"
    mark = "*" if summary.id in marked else " "
    return (
        (f"{f'{mark}{sign(summary.state)} {state}':<{_STATE}}", _STYLES.get(summary.state, "")),
        (f"{text.column(text.plain(summary.name), name)}  ", "strong"),
        (f"{text.column(text.plain(summary.model), model)}  ", ""),
        (f"{steps:>13}  {text.loss(summary.loss):>8}  ", ""),
        (started(summary.started, datetime.now().astimezone()), "dim"),
    )


def _widths(width: int) -> tuple[int, int]:
    """Columns for name and model: what the others leave."""
    rest = max(24, width - 2 - _STATE - 2 - 2 - 13 - 2 - 8 - 2 - 12)
    return rest * 3 // 5, rest - rest * 3 // 5


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
