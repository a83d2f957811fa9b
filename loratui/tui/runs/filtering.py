"""``/`` in the list of runs: only those that hold what was typed."""

from __future__ import annotations

from collections.abc import Sequence

from textual.binding import Binding

from loratui.runs.queueing.queue_file import Queue
from loratui.runs.store import RunSummary
from loratui.tui import text
from loratui.tui.widgets.field import Entry


class FilterEntry(Entry):
    """Where it is typed. Enter and the arrows lead back to the list, esc shows all again."""

    BINDINGS = [
        Binding("down,up", "screen.filtered", "list", show=False),
        Binding("escape", "screen.unmark", "all", show=False),
    ]

    DEFAULT_CSS = """
    FilterEntry { display: none; }
    """

    def __init__(self) -> None:
        super().__init__("", placeholder="name, state, family or folder; esc shows all", id="runs-filter")


def matching(summaries: Sequence[RunSummary], typed: str, queue: Queue) -> list[RunSummary]:
    """The runs that hold every word typed, in any case, somewhere in their name, state, family, base model,
    engine or folder."""
    words = typed.casefold().split()
    if not words:
        return list(summaries)
    return [row for row in summaries if all(word in _about(row, queue) for word in words)]


def _about(row: RunSummary, queue: Queue) -> str:
    held = "held" if row.id in queue.held else ""
    parts = (row.name, row.state, held, row.family, row.model, row.engine, str(row.folder))
    return "\n".join(parts).casefold()


def title(typed: str, shown: int, of: int) -> str:
    """What is left out, beside the title."""
    return f"{shown:,} of {of:,} with {text.clip(text.plain(typed), 30)!r}: esc shows all" if typed else ""
