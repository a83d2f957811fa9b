"""Findings from names alone: folders the trainer passes over, formats it ignores, names that collide."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from loratui.dataset.checking.finding import Finding, Severity, number, says
from loratui.dataset.layout import suggested_name
from loratui.dataset.names import stem_of
from loratui.dataset.tree import Tree


def folder_findings(tree: Tree) -> list[Finding]:
    """Everything the names say."""
    return [*_folders(tree), *_files(tree)]


def printable(name: str) -> str:
    """A file name in a sentence."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)


def _folders(tree: Tree) -> Iterator[Finding]:
    if tree.kind == "leaf":
        parent = Path(os.path.abspath(tree.root)).parent  # noqa: PTH100  (keeps links)
        yield Finding(
            "folder_is_leaf",
            "error",
            (str(tree.root),),
            "This is a numbered folder of pictures itself; the trainer wants the folder it lies in.",
            f"Give {printable(str(parent))} instead.",
        )
    if tree.unnumbered:
        none = tree.kind == "unnumbered"
        first = tree.unnumbered[0].name
        yield Finding(
            "folder_no_repeats",
            "error" if none else "warning",
            _names(tree.unnumbered),
            f"{number(len(tree.unnumbered), 'folder')} with pictures"
            f" {says(len(tree.unnumbered), 'has', 'have')} no number of repeats in front, so the trainer"
            " passes over " + ("all of the set." if none else "them."),
            f"Rename {printable(first)} to {printable(suggested_name(first))}.",
        )
    if tree.loose:
        yield Finding(
            "folder_no_repeats",
            "warning",
            _names(tree.loose),
            f"{number(len(tree.loose), 'picture')} {says(len(tree.loose), 'lies', 'lie')} beside the numbered"
            " folders, where the trainer does not look.",
            "Move them into one of the numbered folders.",
        )
    if tree.nested:
        yield Finding(
            "folder_nested",
            "warning",
            _names(tree.nested),
            f"{number(len(tree.nested), 'folder')} with pictures {says(len(tree.nested), 'lies', 'lie')}"
            " inside a folder of pictures; the trainer does not look that deep.",
            "Move the pictures and captions up one folder, or make a numbered folder of their own beside it.",
        )
    if tree.empty:
        severity: Severity = "warning" if tree.pictures else "error"
        yield Finding(
            "folder_empty",
            severity,
            _names(tree.empty),
            "There is no picture the trainer takes (png, jpg, jpeg, webp, bmp) in"
            f" {number(len(tree.empty), 'folder')}.",
            "Put pictures in, or remove the folder.",
        )
    if tree.unreadable:
        yield Finding(
            "folder_empty",
            "error",
            _names(tree.unreadable),
            f"{number(len(tree.unreadable), 'folder')} cannot be read, so nothing in there is trained on.",
            "Give your user the right to read it (chmod u+rwx).",
        )


def _files(tree: Tree) -> Iterator[Finding]:
    if tree.odd:
        yield Finding(
            "image_unreadable",
            "error",
            _names(tree.odd),
            f"{number(len(tree.odd), 'thing')} named like a picture"
            f" {says(len(tree.odd), 'is', 'are')} no file (a folder, a pipe or a link to nothing);"
            " the trainer ends with an error on it.",
            "Remove or rename it.",
        )
    if tree.ignored:
        yield Finding(
            "format_ignored",
            "warning",
            _names(tree.ignored),
            f"{number(len(tree.ignored), 'file')} {says(len(tree.ignored), 'has', 'have')} a format or a"
            " mixed-case ending that the trainer passes over (it takes .png .jpg .jpeg .webp .bmp, all"
            " lower or all upper case).",
            "Convert them to PNG, or rename the ending to lower case.",
        )
    if tree.junk:
        yield Finding(
            "junk_files",
            "info",
            _names(tree.junk),
            f"{number(len(tree.junk), 'leftover file')} of other programs"
            f" {says(len(tree.junk), 'lies', 'lie')} between the pictures; the trainer does not need them.",
            "Delete them.",
        )
    twins = _twins(tree)
    if twins:
        yield Finding(
            "name_collision",
            "error",
            _names(twins),
            f"{number(len(twins), 'picture')} differ only in their ending; such pictures share one caption"
            " and one file of cached latents, so one is trained as the other.",
            "Rename all but one of each name, with their captions.",
        )


def _twins(tree: Tree) -> tuple[Path, ...]:
    found: list[Path] = []
    for group in tree.groups:
        stems: dict[str, list[Path]] = {}
        for path in group.pictures:
            stems.setdefault(stem_of(path.name), []).append(path)
        found += [path for paths in stems.values() if len(paths) > 1 for path in paths]
    return tuple(dict.fromkeys(found))


def _names(paths: tuple[Path, ...]) -> tuple[str, ...]:
    return tuple(map(str, paths))
