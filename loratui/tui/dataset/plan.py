"""What would be done to each file, and one key to do it."""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding

from loratui.dataset.history import Plan
from loratui.tui.dataset.screen import MendScreen
from loratui.tui.text import clip, clip_path, column, plain
from loratui.tui.widgets.rows import Row


@dataclass(frozen=True, slots=True)
class Proposed:
    """A plan, and a line for each file: its name, its new one or none, and why."""

    plan: Plan
    lines: tuple[tuple[str, str, str], ...]
    left: str
    """What stays as it is though it is wrong."""


class PlanScreen(MendScreen[Proposed]):
    """A row for each file that would change."""

    BINDINGS = [
        Binding("enter", "apply", "do it", id="plan.apply", tooltip="Preview in numbers, then make the step"),
    ]

    def show_found(self, width: int) -> None:
        if self.found is None:
            return
        words = plain(self.found.plan.words) if self.found.lines else "Nothing here wants mending."
        self.show_head(clip(words[:1].upper() + words[1:], width - 2))
        self.rows.show_rows([_row(*line, width) for line in self.found.lines])
        self.show_about()

    def about(self) -> str:
        if self.found is None:
            return ""
        cursor = self.rows.cursor
        lines = self.found.lines
        words = ""
        if 0 <= cursor < len(lines):
            name, target, why = lines[cursor]
            words = plain(name) + (f" becomes {plain(target)}" if target and target != name else "")
            words += f": {why}" if why else ""
        width = self.size.width
        return f"{clip(words, 2 * width)}\n{clip(plain(self.found.left), width - 2)}".strip("\n")

    def action_apply(self) -> None:
        if self.found is not None:
            self.propose(self.found.plan)


def _row(name: str, target: str, why: str, width: int) -> Row:
    half = max(12, (width - 8) // (2 if not why else 3))
    new = clip_path(target, half) if target and target != name else ("out" if not target else "")
    return (
        (f"{column(clip_path(name, half), half)} ", ""),
        (f"{'->' if new else '  '} {column(new, half)} ", "warn" if not target else "good"),
        (clip(why, max(8, width - 2 * half - 8)), "dim"),
    )
