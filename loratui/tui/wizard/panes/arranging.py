"""Folders and archives that are not in the trainer's layout yet, and the layout of links made for them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from loratui import places
from loratui.places import expanded
from loratui.problems import Problem, UserError
from loratui.tui.text import clip, number, plain
from loratui.tui.wizard.answers.trouble import as_problem

if TYPE_CHECKING:
    from loratui.dataset.arrange import Arrangement


@dataclass(frozen=True, slots=True)
class Unarranged(Problem):
    """Pictures lie directly in the folder: the trainer would not find them, links can help."""


def unarranged(folder: str) -> Unarranged | None:
    """What stands between a folder or archive and the trainer's layout, where one key can mend it."""
    path = expanded(folder)
    if _is_archive(path):
        return Unarranged(
            "dataset.folder",
            "this is an archive; the trainer wants a folder.",
            "Press ctrl+l: it is unpacked into loratui's own folder and stays as it is.",
        )
    if (parent := _parent_of_leaf(path)) is not None:
        return Unarranged(
            "dataset.folder",
            "this is a numbered folder of pictures itself; the trainer wants the one it lies in.",
            f"Press ctrl+l to take {parent}.",
        )
    arrangement = _arrangement(folder)
    if arrangement is None:
        return None
    return Unarranged(
        "dataset.folder",
        f"{number(arrangement.pictures, 'picture')} {'lies' if arrangement.pictures == 1 else 'lie'} directly"
        " in this folder; the trainer wants them in one named like 10_name (10 = how often each is shown in"
        f" an epoch).{_left_out(path)}",
        "Enter makes one out of links, in loratui's own folder, and leaves yours as it is.",
    )


def _left_out(folder: Path) -> str:
    """What the links would not hold though it is meant as a picture; nobody would say so afterwards."""
    from loratui.dataset import history
    from loratui.dataset.tree import read_tree

    try:
        found = read_tree(history.current(folder))
    except UserError:
        return ""
    if not found.ignored:
        return ""
    names = ", ".join(clip(plain(path.name), 24) for path in found.ignored[:2])
    more = f" and {len(found.ignored) - 2} more" if len(found.ignored) > 2 else ""
    return f" It passes over {names}{more}: ctrl+t, then f, makes PNGs of them first."


def misplaced(folder: str) -> Problem | None:
    """Pictures in folders that the trainer passes over, and the keys that arrange them; None where that is
    not what is wrong."""
    from loratui.dataset import history
    from loratui.dataset.tree import read_tree

    try:
        found = read_tree(history.current(expanded(folder)))
    except UserError:
        return None
    there = (*found.unnumbered, *found.nested)
    if found.pictures or not there:
        return None
    named = clip(plain(str(there[0].relative_to(found.root))), 40)
    more = f" and {number(len(there) - 1, 'more folder')}" if len(there) > 1 else ""
    return Problem(
        "dataset.folder",
        f"the pictures lie in {named}{more}, and the trainer looks only into folders right here, named like"
        " 10_name (10 = how often each is shown in an epoch).",
        "Press ctrl+t, then n: they are arranged so in a copy of links. Or name the folder they lie in.",
    )


def arrange_links(folder: str, words: str) -> str | Problem:
    """Make the layout of links for a plain folder. The folder to train on instead, or what is wrong."""
    from loratui.dataset import arrange, unpack

    path = expanded(folder)
    if (parent := _parent_of_leaf(path)) is not None:
        return str(parent)
    try:
        if _is_archive(path):
            path = unpack.keep(path, places.datasets_folder())
    except UserError as error:
        return as_problem("dataset.folder", error)
    arrangement = _arrangement(str(path), words)
    if arrangement is None and str(path) != str(expanded(folder)):
        return str(path)
    if arrangement is None:
        return Problem("dataset.folder", f"{folder}: no pictures lie directly in it.", "Give another folder.")
    try:
        return str(arrange.make(arrangement))
    except UserError as error:
        return as_problem("dataset.folder", error)


def _is_archive(path: Path) -> bool:
    from loratui.dataset import archives

    return archives.is_archive(path)


def _parent_of_leaf(path: Path) -> Path | None:
    """The folder to train on, when a numbered folder of pictures was given in its place."""
    from loratui.dataset.layout import is_picture_name, list_folder, parse_repeats

    path = path.absolute()
    if parse_repeats(path.name) is None:
        return None
    try:
        holds = any(is_picture_name(entry.name) for entry in list_folder(path))
    except UserError:
        return None
    return path.parent if holds else None


def _arrangement(folder: str, words: str = "") -> Arrangement | None:
    from loratui.dataset import arrange, history

    try:
        return arrange.plan(history.current(expanded(folder)), places.datasets_folder(), words)
    except UserError:
        return None
