"""Formats and pixels, folders and names: what would be done to each file, and one key to do it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding

from loratui.dataset import history
from loratui.dataset.history import Plan
from loratui.dataset.mending.convert import REASONS, plan_conversion
from loratui.dataset.mending.tidy_names import plan_arrange
from loratui.tui.dataset.screen import MendScreen, step_words
from loratui.tui.text import clip, clip_path, plain
from loratui.tui.widgets.keybar import KeyBar
from loratui.tui.widgets.line import Line
from loratui.tui.widgets.rows import Row, RowList

_BACKGROUNDS = ("white", "black", "#808080")


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
    KEYS: ClassVar[tuple[tuple[str, str], ...]] = (("enter", "do it"), ("u", "undo"))

    def compose(self) -> ComposeResult:
        yield Line(id="title")
        yield Line(id="mend-head")
        yield RowList(id="mend-rows")
        yield Line(id="mend-about")
        yield Line(id="message")
        yield KeyBar(*self.KEYS, ("?", "help"), ("esc", "back"))

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(RowList).focus()

    def show(self) -> None:
        width = self.size.width
        if not width or not self.is_attached:
            return
        self.query_one("#title", Line).show(f"loratui   {self.NAME}   {step_words(self.folder)}")
        if self.found is None:
            return
        words = plain(self.found.plan.words) if self.found.lines else "Nothing here wants mending."
        self.query_one("#mend-head", Line).show(clip(words[:1].upper() + words[1:], width - 2))
        self.query_one(RowList).show_rows([_row(*line, width) for line in self.found.lines])
        self._show_about()

    def _show_about(self) -> None:
        if self.found is None:
            return
        cursor = self.query_one(RowList).cursor
        lines = self.found.lines
        words = ""
        if 0 <= cursor < len(lines):
            name, target, why = lines[cursor]
            words = plain(name) + (f" becomes {plain(target)}" if target and target != name else "")
            words += f": {why}" if why else ""
        about = f"{clip(words, 2 * self.size.width)}\n{clip(plain(self.found.left), self.size.width - 2)}"
        self.query_one("#mend-about", Line).show(about.strip("\n"))

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        event.stop()
        self._show_about()

    def action_apply(self) -> None:
        if self.found is not None:
            self.propose(self.found.plan)


class ConvertScreen(PlanScreen):
    """Formats and pixels."""

    NAME = "formats and pixels"
    HELP_TEXT = (
        "What the trainer passes over, refuses or sees otherwise than you do. A JPEG stays a JPEG, everything"
        " else becomes a PNG. What cannot be opened is left out of the step; it stays in your folder."
    )
    BINDINGS = [
        Binding("c", "colour", "background", id="plan.colour", tooltip="The colour under transparent parts"),
    ]
    KEYS = (("enter", "do it"), ("c", "background"), ("u", "undo"))
    _background = 0

    def look(self) -> Proposed:
        colour = _BACKGROUNDS[self._background]
        base = history.begin(self.folder)
        found = plan_conversion(base, background=colour, on_progress=self.told, cancelled=self.gone)
        lines = []
        for one in found.conversions:
            why = ", ".join(REASONS[reason] for reason in one.reasons)
            lines.append((one.name, one.target, f"{why} on {colour}" if "alpha" in one.reasons else why))
        left = ", ".join(found.left_alone[:3])
        return Proposed(found.plan, tuple(lines), f"Cannot be opened here, stays: {left}" if left else "")

    def action_colour(self) -> None:
        self._background = (self._background + 1) % len(_BACKGROUNDS)
        self.look_again(f"Transparent parts on {_BACKGROUNDS[self._background]}.")


class ArrangeScreen(PlanScreen):
    """Folders and names."""

    NAME = "folders and names"
    HELP_TEXT = (
        "The trainer looks into folders named like 10_name and no deeper. Pictures that share a stem share a"
        " caption, so each gets a name of its own. Leftovers of other programs go."
    )
    BINDINGS = [
        Binding(
            "o", "orphans", "captions of no picture", id="plan.orphans", tooltip="Leave out or keep them"
        ),
    ]
    KEYS = (("enter", "do it"), ("o", "captions of no picture"), ("u", "undo"))
    _drops_orphans = False

    def look(self) -> Proposed:
        found = plan_arrange(history.begin(self.folder), drop_orphans=self._drops_orphans)
        lines = [(old, new, "") for old, new in found.moved.items()]
        lines += [(name, "", "left out") for name in sorted(found.plan.drop - found.moved.keys())]
        stays = found.orphans and not self._drops_orphans
        left = f"{len(found.orphans):,} captions of no picture stay; o leaves them out." if stays else ""
        return Proposed(found.plan, tuple(lines), left)

    def action_orphans(self) -> None:
        self._drops_orphans = not self._drops_orphans
        self.look_again()


def _row(name: str, target: str, why: str, width: int) -> Row:
    half = max(12, (width - 8) // (2 if not why else 3))
    new = clip_path(target, half) if target and target != name else ("out" if not target else "")
    return (
        (f"{clip_path(name, half):<{half}} ", ""),
        (f"{'->' if new else '  '} {new:<{half}} ", "warn" if not target else "good"),
        (clip(why, max(8, width - 2 * half - 8)), "dim"),
    )
