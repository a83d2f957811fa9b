"""The folder layout of Kohya: one parent, and in it folders named ``<repeats>_<words>``."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from loratui.dataset.names import suffix_of
from loratui.problems import UserError, refusal

PICTURE_SUFFIXES = frozenset(
    suffix for lower in (".png", ".jpg", ".jpeg", ".webp", ".bmp") for suffix in (lower, lower.upper())
)
"""What sd-scripts takes for a picture: all lower or all upper case, nothing between
(library/train_util.py:104). AVIF and JPEG XL only count where their plugins are installed."""

VARIANTS = ("empty", "wd", "kosmos")
"""Words of the folders that show each picture three times on purpose: without words, tags, a sentence."""

_LEADING_NUMBER = re.compile(r"^[+-]?\d[\d.]*x?(?=[\s_-]|$)[\s_-]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Subset:
    """One folder of pictures."""

    folder: Path
    repeats: int
    """How often each of its pictures is shown in an epoch, 1 or more."""
    class_tokens: str
    """The words after the number: the caption of pictures that have no caption file."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A parent folder and what in it counts."""

    folder: Path
    subsets: tuple[Subset, ...]
    """In the order in which the file system lists them, which is the trainer's order too."""
    ignored: tuple[Path, ...]
    """Folders without a usable number, and pictures lying beside the folders."""


def parse_repeats(name: str) -> tuple[int, str] | None:
    """``"10_hero cat"`` as ``(10, "hero cat")``; None for a folder that the trainer passes over.

    The rule is Python's ``int`` on what stands before the first underscore, and 1 or more
    (sd-scripts library/config_util.py:605): ``5``, ``05_x``, ``7 _c`` and ``+2_b`` count;
    ``10x``, ``3-dog``, ``1.5_x``, ``0_x`` and ``-2_x`` do not.
    """
    number, _, words = name.partition("_")
    try:
        repeats = int(number)
    except ValueError:
        return None
    return (repeats, words) if repeats >= 1 else None


def is_picture_name(name: str) -> bool:
    """Whether sd-scripts takes a file of this name for a picture."""
    return not name.startswith(".") and suffix_of(name) in PICTURE_SUFFIXES


def list_folder(folder: Path) -> list[os.DirEntry[str]]:
    """The entries of a folder in the file system's own order. Raises ``UserError``."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        raise _error(folder, "there is no such folder.", "Check the path.") from None
    except NotADirectoryError:
        raise _error(
            folder,
            "this is a file, not a folder.",
            "Give the folder that holds folders of pictures like 10_name.",
        ) from None
    except OSError as error:
        raise _error(
            folder,
            f"this folder cannot be read: {error.strerror or 'unknown error'}.",
            "Check its permissions (ls -ld) and give your user the right to read it.",
            "permission",
        ) from None


def read_layout(folder: Path) -> Layout:
    """What the trainer will find in ``folder``. Looks at names only.

    Raises ``UserError``: a missing or unreadable folder, a file, a folder of pictures without any
    numbered folder, a numbered folder given instead of its parent, and a folder with neither.
    """
    subsets: list[Subset] = []
    ignored: list[Path] = []
    pictures: list[Path] = []
    unnumbered: list[str] = []
    for entry in list_folder(folder):
        path = folder / entry.name
        if _is_folder(entry):
            parsed = parse_repeats(entry.name)
            if parsed is not None:
                subsets.append(Subset(path, *parsed))
                continue
            ignored.append(path)
            if not entry.name.startswith("."):
                unnumbered.append(entry.name)
        elif is_picture_name(entry.name):
            pictures.append(path)
    if not subsets:
        raise _without_subsets(folder, len(pictures), sorted(unnumbered))
    return Layout(folder, tuple(subsets), (*ignored, *pictures))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a loop of links
        return False


def _without_subsets(folder: Path, pictures: int, unnumbered: Sequence[str]) -> UserError:
    absolute = Path(os.path.abspath(folder))  # noqa: PTH100  (keeps links, drops "..")
    if pictures and parse_repeats(absolute.name) is not None:
        return _error(
            folder,
            "this is the folder of pictures itself; the trainer wants the folder it lies in.",
            f"Give {absolute.parent} instead.",
        )
    if pictures:
        return _error(
            folder,
            f"{_count(pictures, 'picture')} directly in this folder, but the trainer only looks into"
            " folders named like 10_name (10 = how often each picture is shown in an epoch).",
            f"Make {absolute / suggested_name(absolute.name)} and move the pictures and captions into it.",
        )
    if unnumbered:
        first = unnumbered[0]
        return _error(
            folder,
            "no folder in here starts with a number of repeats and an underscore"
            f" (found: {_some(unnumbered)}).",
            f"Rename {first} to {suggested_name(first)}.",
            "folder_repeats",
        )
    return _error(
        folder,
        "there are no pictures in this folder.",
        f"Put them into {absolute / suggested_name(absolute.name)}.",
    )


def suggested_name(name: str) -> str:
    """A folder name that counts: ``10_`` and the words of ``name``, without a number it began with."""
    words = _LEADING_NUMBER.sub("", name).strip()
    return f"10_{words}" if words else "10_name"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun} lies" if number == 1 else f"{number} {noun}s lie"


def _some(names: Sequence[str], most: int = 3) -> str:
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def _error(folder: Path, message: str, fix: str, cause: str = "no_data") -> UserError:
    return refusal(folder, message, fix, cause)
