"""Two runs of the list, marked to be compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.app import App

from loratui.problems import UserError
from loratui.runs.store import RunSummary
from loratui.tui.text import plain


def marked_words(marked: Sequence[str], summaries: Sequence[RunSummary], at: str) -> str:
    """What is marked, and what comes next."""
    names = {row.id: plain(row.name) for row in summaries}
    words = " and ".join(f"* {names[run_id]} ({run_id})" for run_id in marked)
    if len(marked) == 2:
        return f"{words}\nc compares them; esc takes the marks away."
    here = "Go to another run: c" if at in marked else "c"
    return f"{words}\n{here} compares the two; esc takes the mark away."


def compare(app: App[None], marked: Sequence[str], refuse: Callable[[UserError], None]) -> None:
    """Open the comparison of two runs."""
    from loratui.runs.reporting.comparison import PairWatch
    from loratui.tui.compare.screen import CompareScreen

    try:
        found = PairWatch(*marked)
    except UserError as error:
        refuse(error)
        return
    app.push_screen(CompareScreen(found))
