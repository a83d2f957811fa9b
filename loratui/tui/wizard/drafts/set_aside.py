"""Drafts that another recipe was opened over: the newest comes back when that one is started or given up."""

from __future__ import annotations

import contextlib
from pathlib import Path

from loratui import places
from loratui.runs.files import PRIVATE_FOLDER, replace_file, sync_folder

_MOST = 9
"""Older ones go: nobody remembers ten unfinished runs."""


def put(recipe: Path, place: Path) -> bool:
    """Lay a draft aside, out of what lies at these two paths. False where there is none. Raises
    ``OSError``."""
    if not recipe.exists():
        return False
    to = _next()
    with contextlib.suppress(FileNotFoundError):
        place.rename(to.with_suffix(".json"))
    recipe.rename(to)
    sync_folder(_folder())
    return True


def write(recipe: bytes, place: bytes) -> None:
    """Lay a draft aside that was never written. Raises ``OSError``."""
    to = _next()
    replace_file(to.with_suffix(".json"), place)
    replace_file(to, recipe)


def bring_back(recipe: Path, place: Path) -> None:
    """The newest of them to these two paths, where nothing lies there. Raises ``OSError``."""
    kept = _kept()
    if not kept or recipe.exists():
        return
    with contextlib.suppress(FileNotFoundError):
        (_folder() / f"{kept[-1]}.json").rename(place)
    (_folder() / f"{kept[-1]}.toml").rename(recipe)


def _folder() -> Path:
    return places.home() / "drafts"


def _next() -> Path:
    """The recipe's path for one more, with room made for it."""
    _folder().mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    kept = _kept()
    for old in kept[: max(0, len(kept) + 1 - _MOST)]:
        _forget(old)
    return _folder() / f"{kept[-1] + 1 if kept else 1}.toml"


def _kept() -> list[int]:
    """Their numbers, the oldest first."""
    try:
        return sorted(int(one.stem) for one in _folder().glob("*.toml") if one.stem.isdecimal())
    except OSError:
        return []


def _forget(number: int) -> None:
    for suffix in ("toml", "json"):
        with contextlib.suppress(OSError):
            (_folder() / f"{number}.{suffix}").unlink(missing_ok=True)
