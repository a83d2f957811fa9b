"""The steps of a dataset, read from their folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from loratui.dataset.history import record as records
from loratui.dataset.history.record import Record
from loratui.dataset.history.where import MARKER, Whereabouts, gone, locate, pointed
from loratui.dataset.layout import is_picture_name, list_folder, parse_repeats
from loratui.problems import UserError, refusal


@dataclass(frozen=True, slots=True)
class Step:
    """One state of a dataset."""

    number: int
    """0 is the person's own folder."""
    folder: Path
    record: Record | None
    """None for step 0."""

    @property
    def parent(self) -> int:
        """The step it was built upon."""
        return self.record.ancestors[-1] if self.record and self.record.ancestors else 0

    @property
    def words(self) -> str:
        """What it did."""
        return self.record.words if self.record else "your folder, as it is"


@dataclass(frozen=True, slots=True)
class History:
    """All states of a dataset."""

    where: Whereabouts
    steps: tuple[Step, ...]
    """By number, step 0 first. Steps that a person deleted are missing."""
    number: int
    """The step that counts."""

    @property
    def source(self) -> Path:
        """The person's folder."""
        return self.where.source

    @property
    def current(self) -> Step:
        """The step that counts. Raises ``UserError`` when it was deleted."""
        for step in self.steps:
            if step.number == self.number:
                if step.number == 0:
                    list_folder(step.folder)
                return step
        raise gone(self.source, pointed(self.where.steps) or self.where.steps)

    def step(self, number: int) -> Step | None:
        """A step by its number."""
        return next((step for step in self.steps if step.number == number), None)

    @property
    def before(self) -> Step:
        """Where undo goes: the nearest step below the current one that is still there."""
        now = self.step(self.number)
        if now is not None and now.record is not None:
            below = [number for number in (*now.record.ancestors, 0) if self.step(number)]
            # Ancestors are in order, and 0 was put last.
            number = max(below)
        else:
            number = max((step.number for step in self.steps if step.number < self.number), default=0)
        found = self.step(number)
        assert found is not None  # step 0 is always listed
        return found

    @property
    def after(self) -> Step | None:
        """Where redo goes: the newest step built upon the current one."""
        built = [step for step in self.steps if step.number and step.parent == self.number]
        return built[-1] if built else None


def find(path: Path) -> History:
    """The history of a person's folder, or of a folder of steps, or of one step. Without any step it only
    has step 0. Makes nothing.

    Raises ``UserError`` when there is neither such a folder nor a history of one, and for a numbered folder
    of pictures, whose parent is meant.
    """
    where = locate(path)
    steps = [Step(0, where.source, None)]
    if (where.steps / MARKER).is_file():
        for entry in list_folder(where.steps):
            if entry.name.startswith(".") or entry.is_symlink() or not entry.is_dir():
                continue
            record = records.read(where.steps / entry.name)
            if record is not None:
                steps.append(Step(record.number, where.steps / entry.name, record))
    else:
        entries = list_folder(where.source)
        if parse_repeats(where.source.name) is not None and any(
            is_picture_name(entry.name) for entry in entries
        ):
            raise _leaf(where.source)
    named = pointed(where.steps)
    return History(where, tuple(sorted(steps, key=lambda step: step.number)), _number(named))


def _number(step: Path | None) -> int:
    if step is None:
        return 0
    record = records.read(step)
    if record is not None:
        return record.number
    head = step.name.partition("_")[0]
    return int(head) if head.isdecimal() else 0


def _leaf(folder: Path) -> UserError:
    return refusal(
        folder,
        "this is a numbered folder of pictures itself; the dataset is the folder it lies in.",
        f"Give {folder.parent} instead.",
    )
