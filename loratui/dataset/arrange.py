"""Kohya's folder layout for a plain folder of pictures, made of links: the folder itself stays as it is."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from loratui.dataset.layout import is_picture_name, list_folder, parse_repeats
from loratui.problems import refusal

REPEATS = 1
"""How often each picture is shown in an epoch. Repeats are for weighing folders against each other, and
against regularization pictures; how long to train is said in epochs, which any number of pictures fits."""

CAPTION_SUFFIXES = (".txt", ".caption")


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Links that would be made."""

    source: Path
    folder: Path
    """The parent to train on."""
    subset: Path
    """The numbered folder in it that holds the links."""
    names: tuple[str, ...]
    """Files of the source that take part."""
    pictures: int


def plan(source: Path, datasets: Path, words: str = "") -> Arrangement | None:
    """How pictures lying directly in ``source`` would be arranged below ``datasets``; None when none lie
    there, or when the folder is a numbered one whose parent is meant.

    Raises ``UserError`` when the folder cannot be read.
    """
    source = source.absolute()
    if parse_repeats(source.name) is not None:
        return None
    entries = {entry.name for entry in list_folder(source)}
    pictures = sorted(name for name in entries if is_picture_name(name))
    if not pictures:
        return None
    captions = {Path(name).stem + suffix for name in pictures for suffix in CAPTION_SUFFIXES} & entries
    words = _safe(words) or _safe(source.name) or "pictures"
    folder = datasets / mark(source, words)
    subset = folder / f"{REPEATS}_{words}"
    return Arrangement(source, folder, subset, (*pictures, *sorted(captions)), len(pictures))


def make(arrangement: Arrangement) -> Path:
    """Make the links that are missing, and return the folder to train on. What else lies there stays, but for
    links to what has left the source.

    Raises ``UserError`` when they cannot be made.
    """
    try:
        arrangement.subset.mkdir(parents=True, exist_ok=True)
        for link in list(arrangement.subset.iterdir()):
            if link.is_symlink() and not link.exists() and link.readlink().parent == arrangement.source:
                link.unlink()
        for name in arrangement.names:
            link = arrangement.subset / name
            if not link.is_symlink() and not link.exists():
                link.symlink_to(arrangement.source / name)
    except OSError as error:
        raise refusal(
            arrangement.subset,
            f"the links cannot be made: {error.strerror}.",
            "Make a folder like 10_name yourself and move the pictures and captions into it.",
        ) from None
    return arrangement.folder


def mark(source: Path, words: str = "") -> str:
    """A folder name that stands for one folder of this machine and no other; with ``words``, for it under
    these words, since a folder with two of them would hold every picture twice."""
    what = os.fsencode(source) + (b"\0" + os.fsencode(words) if words else b"")
    number = hashlib.sha256(what).hexdigest()[:8]
    return f"{_safe(source.name) or 'pictures'}-{number}"


def _safe(words: str) -> str:
    """Words as part of a folder name that reads the same everywhere."""
    return re.sub(r"[^\w .-]+", "_", words).strip("_ .")[:60]
