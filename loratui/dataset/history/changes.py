"""What a person changed in their own folder since its history last read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from loratui.dataset.history.listing import Stamp, list_set
from loratui.dataset.history.plan import Base, Made, Plan, Source
from loratui.dataset.history.record import read_origin
from loratui.dataset.history.where import Whereabouts
from loratui.problems import UserError, refusal

_FIRST_LOOK = 64


@dataclass(frozen=True, slots=True)
class Changes:
    """Names of files of the person's folder."""

    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.gone)

    def __str__(self) -> str:
        parts = [(self.new, "new"), (self.changed, "changed"), (self.gone, "gone")]
        return ", ".join(f"{len(names):,} {word} (like {names[0]})" for names, word in parts if names)


def changes(base: Base) -> Changes:
    """What was changed in the person's folder since; nothing when the folder itself counts, or is gone."""
    if base.history.number == 0:
        return Changes()
    try:
        now = list_set(base.source).files
    except UserError:
        return Changes()
    then = base.origin
    return Changes(
        tuple(name for name in now if name not in then),
        tuple(name for name in now if name in then and now[name] != then[name]),
        tuple(name for name in then if name not in now),
    )


@dataclass(frozen=True, slots=True)
class Refreshed:
    """A plan that takes in what was changed, and what it leaves alone."""

    plan: Plan
    both: tuple[str, ...]
    """Changed in the person's folder and by the history as well: the history's are kept."""


def refresh(base: Base) -> Refreshed:
    """Take what was changed in the person's folder into the set. Files that operations changed or left out
    stay as the operations left them."""
    since = changes(base)
    now = list_set(base.source)
    untouched = {name for name, stamp in base.origin.items() if base.listing.files.get(name) == stamp}
    put: dict[str, Source] = {}
    both: list[str] = []
    for name in since.new:
        if name in base.listing.files:
            both.append(name)
        else:
            put[name] = _carried(now.root / name)
    for name in since.changed:
        # A hard link changed in place is the same file: there is nothing to fetch.
        if base.listing.files.get(name) == now.files[name]:
            continue
        if name in untouched:
            put[name] = _carried(now.root / name)
        else:
            both.append(name)
    drop = frozenset(name for name in since.gone if name in untouched)
    both += [name for name in since.gone if name in base.listing.files and name not in untouched]
    words = f"taken from your folder: {since}" if since else "nothing was changed in your folder"
    plan = Plan(Base(base.history, base.listing, now.files), "refresh", words, put, drop)
    return Refreshed(plan, tuple(both))


def _carried(path: Path) -> Made:
    from loratui.dataset.history.build import carry

    return Made(lambda target: carry(path, target))


def require_same(where: Whereabouts, step: Path) -> None:
    """Raise ``UserError`` when nothing of the person's folder is as its history knew it: then another folder
    was put in its place."""
    origin = read_origin(step)
    if not origin or _any_left(where.source, dict(islice(origin.items(), _FIRST_LOOK))):
        return
    if not _any_left(where.source, origin):
        raise refusal(
            where.source,
            f"{where.steps.name} is the history of a folder that lay here before: none of its files is in"
            " this one.",
            f"Move {where.steps} away, or give it another name, to begin anew.",
        )


def _any_left(source: Path, origin: Mapping[str, Stamp]) -> bool:
    for name, stamp in origin.items():
        try:
            found = (source / name).stat()
        except OSError:
            continue
        if Stamp(found.st_size, found.st_mtime_ns) == stamp:
            return True
    return False
