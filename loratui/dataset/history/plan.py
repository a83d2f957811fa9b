"""What an operation would do to a set, before it does it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from loratui.dataset.history.listing import Listing, Stamp, list_set
from loratui.dataset.history.log import History, find
from loratui.dataset.history.record import read_origin
from loratui.problems import refusal


@dataclass(frozen=True, slots=True)
class Base:
    """The state of a set that a plan starts from."""

    history: History
    listing: Listing
    origin: Mapping[str, Stamp]
    """The person's folder when this history last read it."""

    @property
    def root(self) -> Path:
        """Where the files lie."""
        return self.listing.root

    @property
    def source(self) -> Path:
        """The person's folder, by which messages and commands name the set."""
        return self.history.source


@dataclass(frozen=True, slots=True)
class Kept:
    """A file of the base."""

    name: str


@dataclass(frozen=True, slots=True)
class Written:
    """Bytes: a caption, most often."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Made:
    """Something that is worked out when the step is made. ``make`` writes a new file at the path it is
    given; it runs in a thread beside others. It may raise ``UserError`` or ``OSError``: then nothing of
    the step remains."""

    make: Callable[[Path], object]


Source = Kept | Written | Made


@dataclass(frozen=True, slots=True)
class Plan:
    """A step that could be made. Files of the base that it does not speak of are carried over."""

    base: Base
    operation: str
    """A short word or two, which become part of the step's folder name."""
    words: str
    """What it does, in a sentence without a full stop."""
    put: Mapping[str, Source] = field(default_factory=dict)
    """New files, and files with other content, by name."""
    drop: frozenset[str] = frozenset()
    """Files of the base that the step does not have."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.put and not self.drop

    def files(self) -> dict[str, Source]:
        """The files of the step. Raises ``UserError`` for a name that leads out of it."""
        kept = {name: Kept(name) for name in self.base.listing.files if name not in self.drop}
        for name in self.put:
            if not _is_inside(name):
                raise refusal(
                    self.base.source, f"{name!r} is no name for a file of a set.", "Choose another."
                )
        return dict(sorted((kept | dict(self.put)).items()))


def begin(path: Path) -> Base:
    """The state that counts for what a person named.

    Raises ``UserError``: no such folder, a numbered folder whose parent is meant, a step that does not
    count, a history of another folder.
    """
    from loratui.dataset.history.changes import require_same

    history = find(path)
    step = history.current
    pinned = history.where.pinned
    if pinned is not None and pinned != step.folder:
        raise refusal(
            path,
            f"this step does not count; {step.folder.name} does.",
            f"To go on from here: loratui dataset undo {history.source} --to {pinned.name.partition('_')[0]}",
        )
    listing = list_set(step.folder)
    if step.number == 0:
        return Base(history, listing, listing.files)
    if history.source.is_dir():
        require_same(history.where, step.folder)
    return Base(history, listing, read_origin(step.folder))


def follow(base: Base) -> Base:
    """The same set as it is now."""
    return begin(base.source if base.source.is_dir() else base.history.where.steps)


def _is_inside(name: str) -> bool:
    parts = name.split("/")
    return all(part not in ("", ".", "..") and not part.startswith(".") for part in parts) and (
        "\0" not in name and all(len(os.fsencode(part)) <= 255 for part in parts)
    )
