"""Which files make up a set, wherever they lie below its folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from loratui.dataset.layout import list_folder
from loratui.dataset.names import suffix_of
from loratui.problems import UserError

_DEEPEST = 16
_CACHES = (".npz",)
"""Latents and text encoder outputs of sd-scripts. It writes them in place, and they go stale when their
picture changes, so a step never carries them."""

Reason = Literal["hidden", "cache", "no file", "unreadable"]


class Stamp(NamedTuple):
    """What tells that a file is still the same."""

    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a set."""

    root: Path
    files: Mapping[str, Stamp]
    """By name relative to ``root``, with ``/`` between, sorted. A link to a file counts as the file."""
    left_out: Mapping[str, Reason]
    """What lies there and is no part of it."""

    def path(self, name: str) -> Path:
        """Where a file lies."""
        return self.root / name


def list_set(root: Path) -> Listing:
    """Everything below a folder. Links to folders are followed directly below it (as the check does), not
    deeper. Raises ``UserError`` when the folder cannot be listed."""
    files: dict[str, Stamp] = {}
    left_out: dict[str, Reason] = {}
    _walk(root, "", 0, files, left_out)
    return Listing(root, dict(sorted(files.items())), dict(sorted(left_out.items())))


def _walk(
    folder: Path, prefix: str, depth: int, files: dict[str, Stamp], left_out: dict[str, Reason]
) -> None:
    try:
        entries = list_folder(folder)
    except UserError:
        if not prefix:
            raise
        left_out[prefix.rstrip("/")] = "unreadable"
        return
    for entry in entries:
        name = prefix + entry.name
        try:
            if entry.name.startswith(".") or entry.name == "__MACOSX":
                left_out[name] = "hidden"
            elif entry.is_dir(follow_symlinks=depth == 0) and depth < _DEEPEST:
                _walk(folder / entry.name, name + "/", depth + 1, files, left_out)
            elif not entry.is_file():
                left_out[name] = "no file"
            elif suffix_of(entry.name) in _CACHES:
                left_out[name] = "cache"
            else:
                found = entry.stat()
                files[name] = Stamp(found.st_size, found.st_mtime_ns)
        except OSError:  # a loop of links, or gone meanwhile
            left_out[name] = "no file"
