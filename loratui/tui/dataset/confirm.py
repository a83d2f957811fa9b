"""Shows what a step would do, and asks."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import ModalScreen

from loratui.dataset.history import Plan, Written
from loratui.tui.text import clip_path, number, plain
from loratui.tui.widgets.keybar import KeyBar
from loratui.tui.widgets.line import Line

_SHOWN = 200


class ConfirmScreen(ModalScreen[bool]):
    """True to make the step."""

    BINDINGS = [
        Binding("enter,y", "close(True)", "make it", id="confirm.yes", tooltip="Make the step"),
        Binding("escape,q,n,ctrl+c", "close(False)", "back", id="confirm.no", tooltip="Change nothing"),
    ]

    def __init__(self, plan: Plan, lines: list[str]) -> None:
        super().__init__()
        self._plan = plan
        self._lines = lines

    def compose(self) -> ComposeResult:
        words = plain(self._plan.words)
        yield Line(f"{words[:1].upper()}{words[1:]}", classes="question")
        yield Line(summary(self._plan), classes="facts")
        with VerticalScroll(id="text"):
            yield Line("\n".join(map(plain, self._lines or _names(self._plan))), id="text-body")
        yield KeyBar(("enter", "make the step"), ("esc", "change nothing"), ("up/down", "scroll"))

    def on_mount(self) -> None:
        self.query_one("#text").focus()

    def action_close(self, yes: bool) -> None:
        self.dismiss(yes)


def summary(plan: Plan) -> str:
    """What a plan comes to, in two lines."""
    files = plan.base.listing.files
    captions = sum(isinstance(source, Written) for source in plan.put.values())
    others = len(plan.put) - captions
    parts = [
        f"{number(captions, 'caption')} written" if captions else "",
        f"{number(others, 'file')} made or moved" if others else "",
        f"{number(len(plan.drop), 'file')} left out" if plan.drop else "",
    ]
    what = ", ".join(part for part in parts if part)
    return (
        f"{what}; {len(plan.files()):,} files in the step, {len(files):,} before.\n"
        f"A new step beside {clip_path(plan.base.source, 40)}, which stays as it is."
    )


def _names(plan: Plan) -> list[str]:
    lines = [f"out  {name}" for name in sorted(plan.drop - plan.put.keys())]
    lines += [f"new  {name}" for name in sorted(plan.put)]
    more = len(lines) - _SHOWN
    return lines[:_SHOWN] + ([f"and {more:,} more"] if more > 0 else [])
