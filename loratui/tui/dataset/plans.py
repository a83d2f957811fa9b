"""Formats and pixels, folders and names."""

from __future__ import annotations

from textual.binding import Binding

from loratui.dataset import history
from loratui.dataset.mending.convert import REASONS, plan_conversion
from loratui.dataset.mending.tidy_names import plan_arrange
from loratui.tui.dataset.plan import PlanScreen, Proposed
from loratui.tui.text import number

_BACKGROUNDS = ("white", "black", "#808080")


class ConvertScreen(PlanScreen):
    """Formats and pixels."""

    NAME = "formats and pixels"
    HELP_TEXT = (
        "What the trainer passes over, refuses or sees otherwise than you do. A JPEG stays a JPEG, everything"
        " else becomes a PNG. What cannot be opened is left out of the step; it stays in your folder."
    )
    BINDINGS = [
        Binding("c", "colour", "background", id="plan.colour", tooltip="The colour under transparent parts"),
        Binding("p", "png", "as PNG", id="plan.png", tooltip="A JPEG becomes a PNG as well: without loss"),
    ]
    KEYS = (("enter", "do it"), ("c", "background"), ("p", "PNG / JPEG"), ("u", "undo"))
    _background = 0
    _as_png = False

    def look(self) -> Proposed:
        colour = _BACKGROUNDS[self._background]
        base = history.begin(self.folder)
        found = plan_conversion(
            base,
            background=colour,
            form="png" if self._as_png else None,
            on_progress=self.told,
            cancelled=self.gone,
        )
        lines = []
        for one in found.conversions:
            why = ", ".join(REASONS[reason] for reason in one.reasons)
            lines.append((one.name, one.target, f"{why} on {colour}" if "alpha" in one.reasons else why))
        left = ", ".join(found.left_alone[:3])
        stays = f"Cannot be opened here, stays: {left}" if left else ""
        cost = f"{found.cost} (p)" if found.cost else ""
        return Proposed(found.plan, tuple(lines), "   ".join(filter(None, (cost, stays))))

    def action_png(self) -> None:
        self._as_png = not self._as_png
        self.look_again("A JPEG becomes a PNG as well." if self._as_png else "A JPEG stays a JPEG.")

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
        orphans = number(len(found.orphans), "caption")
        left = f"Of no picture: {orphans}, kept; o leaves them out." if stays else ""
        return Proposed(found.plan, tuple(lines), left)

    def action_orphans(self) -> None:
        self._drops_orphans = not self._drops_orphans
        self.look_again()
