"""The steps of a set; any of them can be made to count."""

from __future__ import annotations

from textual.binding import Binding

from loratui.dataset import history
from loratui.dataset.history import Changes, History, Step
from loratui.tui.dataset.screen import MendScreen
from loratui.tui.text import clip, clip_path, number, plain
from loratui.tui.widgets.rows import Row


class StepsScreen(MendScreen[tuple[History, Changes]]):
    """A row for each step, the person's own folder first."""

    NAME = "steps"
    HELP_TEXT = (
        "Your own folder is step 0 and stays as it is. Each operation made a whole dataset beside it: its "
        "pictures are hard links, which take no room, its captions are copies. The step with the arrow "
        "counts: it is what the check and training look at. To be rid of steps, delete their folders."
    )
    BINDINGS = [
        Binding("enter", "choose", "let it count", id="steps.choose", tooltip="Let this step count"),
        Binding("r", "redo", "redo", id="steps.redo", tooltip="Go forward again"),
        Binding("f", "refresh", "refresh", id="steps.refresh", tooltip="Take in changes of your folder"),
    ]
    KEYS = (("enter", "let it count"), ("u", "undo"), ("r", "redo"), ("f", "refresh"))

    def look(self) -> tuple[History, Changes]:
        found = history.find(self.folder)
        since = history.changes(history.begin(self.folder)) if found.step(found.number) else Changes()
        return found, since

    def set_name(self) -> str:
        return plain(self.found[0].source.name) if self.found else plain(self.folder.name)

    def show_found(self, width: int) -> None:
        if self.found is None:
            return
        found, since = self.found
        words = f"Changed in your folder since: {since}. f takes it in." if since else ""
        self.show_head(clip(plain(words), width - 2))
        rows = [_row(step, step.number == found.number, width) for step in found.steps]
        numbers = [step.number for step in found.steps]
        self.rows.show_rows(rows, numbers.index(found.number) if found.number in numbers else None)
        self.show_about()

    def about(self) -> str:
        step = self._step()
        if step is None:
            return ""
        words = clip_path(step.folder, self.size.width - 2)
        if step.record is not None:
            when = step.record.made[:16].replace("T", " ")
            after = "your folder" if step.parent == 0 else f"step {step.parent}"
            words += f"\nmade {when} UTC from {after}; {number(step.record.files, 'file')},"
            words += f" {len(step.record.dropped):,} left out"
        return words

    def _step(self) -> Step | None:
        cursor = self.rows.cursor
        return self.found[0].steps[cursor] if self.found and 0 <= cursor < len(self.found[0].steps) else None

    def action_choose(self) -> None:
        step = self._step()
        if step is None or self.found is None or step.number == self.found[0].number:
            return
        if self.attempt(lambda: history.undo(self.folder, step.number)) is not None:
            self.moved(f"Step {step.number} counts now.")

    def action_redo(self) -> None:
        if self.attempt(lambda: history.redo(self.folder)) is not None:
            self.moved("Gone forward.")

    def action_refresh(self) -> None:
        refreshed = self.attempt(lambda: history.refresh(history.begin(self.folder)))
        if refreshed is None:
            return
        kept = [f"kept as it is in the step, though you changed it too: {name}" for name in refreshed.both]
        new = [f"new  {name}" for name in sorted(refreshed.plan.put)]
        out = [f"out  {name}" for name in sorted(refreshed.plan.drop)]
        self.propose(refreshed.plan, [*kept, *new, *out][:200])


def _row(step: Step, counts: bool, width: int) -> Row:
    return (
        ("-> " if counts else "   ", "good"),
        (f"{step.number:>3}  ", "strong"),
        (clip(plain(step.words), width - 12), "" if counts else "dim"),
    )
