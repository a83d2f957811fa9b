"""What lies below a folder that a person calls a dataset, whatever its shape. Names only."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from pathlib import Path
from typing import Literal

from loratui.dataset.layout import is_picture_name, list_folder, parse_repeats
from loratui.dataset.names import suffix_of
from loratui.dataset.scan import LIKELY_PICTURES, Source, scan_sources
from loratui.problems import UserError

VIDEO_SUFFIXES = frozenset({".webm", ".mp4", ".mov", ".mkv", ".avi", ".m4v"})
CAPTION_SUFFIXES = (".txt", ".caption")
_JUNK_NAMES = frozenset({".ds_store", "thumbs.db", "desktop.ini", "ehthumbs.db", "__macosx", ".directory"})
_JUNK_SUFFIXES = frozenset({".part", ".crdownload", ".tmp", ".bak", ".swp", ".aria2"})
_NAME = attrgetter("name")
_DEEPEST = 16
"""Folders below this are not looked into; links to folders are not followed below the numbered ones."""

Kind = Literal["parent", "plain", "leaf", "unnumbered", "config"]
"""A Kohya parent; a plain folder of pictures; a numbered folder given instead of its parent; a folder
of folders of which none is numbered; the folders that a dataset_config names."""


@dataclass(frozen=True, slots=True)
class Group:
    """One folder whose pictures take part."""

    folder: Path
    repeats: int
    class_tokens: str
    is_regularization: bool
    pictures: tuple[Path, ...]
    """Sorted by name."""
    captions: tuple[Path, ...]
    """Every file that could be a caption, of either suffix."""
    extension: str = ""
    """Of captions, where it is known; else it is told from what lies there."""
    dataset: int = 0
    """Which of dataset_config's datasets it belongs to."""
    metadata: bool = False
    """Whether its captions stand in a file of metadata."""


@dataclass(frozen=True, slots=True)
class Tree:
    """Everything a check looks at."""

    root: Path
    kind: Kind
    groups: tuple[Group, ...]
    ignored: tuple[Path, ...]
    """Pictures and films that the trainer passes over for their format or the case of their suffix."""
    unnumbered: tuple[Path, ...]
    """Folders with pictures beside the numbered ones."""
    loose: tuple[Path, ...]
    """Pictures beside the numbered folders."""
    nested: tuple[Path, ...]
    """Folders with pictures inside folders of pictures."""
    empty: tuple[Path, ...]
    """Numbered folders without a picture; the root when there is none anywhere."""
    unreadable: tuple[Path, ...]
    """Folders that cannot be listed."""
    junk: tuple[Path, ...]
    odd: tuple[Path, ...]
    """Named like a picture, and no file: a folder, a pipe, a link to nothing."""

    @property
    def pictures(self) -> tuple[Path, ...]:
        """The pictures to train on; one that several datasets show once."""
        groups = (group for group in self.groups if not group.is_regularization)
        return tuple(dict.fromkeys(path for group in groups for path in group.pictures))

    @property
    def every_picture(self) -> tuple[Path, ...]:
        return tuple(dict.fromkeys(path for group in self.groups for path in group.pictures))


@dataclass(slots=True)
class _Gathered:
    groups: list[Group] = field(default_factory=list)
    ignored: list[Path] = field(default_factory=list)
    unnumbered: list[Path] = field(default_factory=list)
    loose: list[Path] = field(default_factory=list)
    nested: list[Path] = field(default_factory=list)
    empty: list[Path] = field(default_factory=list)
    unreadable: list[Path] = field(default_factory=list)
    junk: list[Path] = field(default_factory=list)
    odd: list[Path] = field(default_factory=list)


def read_tree(root: Path, regularization: Path | None = None) -> Tree:
    """What lies below ``root`` and ``regularization``. Raises ``UserError`` when either cannot be listed."""
    found = _Gathered()
    kind = _read_root(root, False, found)
    if regularization is not None:
        _read_root(regularization, True, found)
    if not any(group.pictures for group in found.groups if not group.is_regularization):
        found.empty.append(root)
    values = {name: tuple(sorted(set(getattr(found, name)))) for name in _FIELDS}
    return Tree(root, kind, tuple(found.groups), **values)


def read_sources(root: Path, datasets: Sequence[Sequence[Source]]) -> Tree:
    """What lies in the folders that ``root``, a dataset_config, names, by its datasets.

    A folder that a dataset names twice counts once, and one that is to be shown 0 times not at all, as in
    sd-scripts (library/train_util.py:2117-2127).
    """
    found = _Gathered()
    for number, sources in enumerate(datasets):
        taken: set[Path] = set()
        for source in sources:
            if source.repeats < 1 or source.key in taken:
                continue
            taken.add(source.key)
            if source.metadata is not None:
                found.groups += _listed(source, number)
                continue
            group = _read_group(
                source.folder, source.repeats, source.class_tokens, source.is_regularization, found
            )
            if group.pictures:
                found.groups.append(replace(group, extension=source.caption_extension, dataset=number))
            elif source.folder not in found.unreadable:
                found.empty.append(source.folder)
    if not any(group.pictures for group in found.groups if not group.is_regularization):
        found.empty.append(root)
    values = {name: tuple(sorted(set(getattr(found, name)))) for name in _FIELDS}
    return Tree(root, "config", tuple(found.groups), **values)


def _listed(source: Source, number: int) -> Iterator[Group]:
    """The pictures that a file of metadata names, by their folders; their captions stand in it."""
    folders: dict[Path, list[Path]] = {}
    for picture in scan_sources(source.key, [source]).pictures:
        folders.setdefault(picture.path.parent, []).append(picture.path)
    for folder, paths in folders.items():
        yield Group(folder, source.repeats, "", False, tuple(paths), (), dataset=number, metadata=True)


_FIELDS = ("ignored", "unnumbered", "loose", "nested", "empty", "unreadable", "junk", "odd")


def _read_root(root: Path, is_regularization: bool, found: _Gathered) -> Kind:
    entries = list_folder(root)
    folders = sorted(root / entry.name for entry in entries if _is_folder(entry) and not _is_hidden(entry))
    numbered = [folder for folder in folders if parse_repeats(folder.name) is not None]
    loose, _ = _read_files(root, entries, _Gathered())
    if numbered:
        _read_files(root, entries, found)
        found.loose += loose
        for folder in numbered:
            repeats, words = parse_repeats(folder.name) or (1, "")
            group = _read_group(folder, repeats, words, is_regularization, found)
            if group.pictures:
                found.groups.append(group)
            elif folder not in found.unreadable:
                found.empty.append(folder)
        found.unnumbered += [folder for folder in folders if folder not in numbered and _holds(folder, found)]
        return "parent"
    if loose or not folders:
        leaf = parse_repeats(Path(os.path.abspath(root)).name)  # noqa: PTH100  (keeps links)
        group = _read_group(root, *(leaf or (1, "")), is_regularization, found)
        found.groups.append(group)
        return "leaf" if leaf is not None else "plain"
    _read_files(root, entries, found)
    for folder in folders:
        group = _read_group(folder, 1, "", is_regularization, found)
        if group.pictures:
            found.unnumbered.append(folder)
            found.groups.append(group)
    return "unnumbered"


def _read_group(folder: Path, repeats: int, words: str, is_reg: bool, found: _Gathered) -> Group:
    try:
        entries = list_folder(folder)
    except UserError:
        found.unreadable.append(folder)
        return Group(folder, repeats, words, is_reg, (), ())
    pictures, captions = _read_files(folder, entries, found)
    for entry in entries:
        below = folder / entry.name
        named_like_one = is_picture_name(entry.name)
        if _is_folder(entry) and not _is_hidden(entry) and not named_like_one and _holds(below, found):
            found.nested.append(below)
    return Group(
        folder, repeats, words, is_reg, tuple(sorted(pictures, key=_NAME)), tuple(sorted(captions, key=_NAME))
    )


def _read_files(
    folder: Path, entries: list[os.DirEntry[str]], found: _Gathered
) -> tuple[list[Path], list[Path]]:
    pictures: list[Path] = []
    captions: list[Path] = []
    for entry in entries:
        path, suffix = folder / entry.name, suffix_of(entry.name)
        lower = entry.name.lower()
        if lower in _JUNK_NAMES or lower.startswith("._") or suffix.lower() in _JUNK_SUFFIXES:
            found.junk.append(path)
        elif is_picture_name(entry.name):
            (pictures if _is_file(entry) else found.odd).append(path)
        elif _is_hidden(entry) or not _is_file(entry):
            continue
        elif suffix.lower() in LIKELY_PICTURES or suffix.lower() in VIDEO_SUFFIXES:
            found.ignored.append(path)
        elif suffix in CAPTION_SUFFIXES:
            captions.append(path)
    return pictures, captions


def _holds(folder: Path, found: _Gathered) -> bool:
    """Whether any picture lies in or below a folder."""
    return any(is_picture_name(name) for name in _names_below(folder, found))


def _names_below(folder: Path, found: _Gathered, depth: int = 0) -> Iterator[str]:
    try:
        entries = list_folder(folder)
    except UserError:
        found.unreadable.append(folder)
        return
    for entry in entries:
        if _is_file(entry):
            yield entry.name
        elif depth < _DEEPEST and _is_folder(entry, links=False):
            yield from _names_below(folder / entry.name, found, depth + 1)


def _is_hidden(entry: os.DirEntry[str]) -> bool:
    return entry.name.startswith(".") or entry.name == "__MACOSX"


def _is_folder(entry: os.DirEntry[str], *, links: bool = True) -> bool:
    try:
        return entry.is_dir(follow_symlinks=links)
    except OSError:  # a loop of links
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False
