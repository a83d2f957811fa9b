"""Folders and names: the layout the trainer looks into, one caption for each picture, no leftovers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from loratui.dataset.arrange import REPEATS
from loratui.dataset.checking.finding import number
from loratui.dataset.history import Base, Kept, Plan, Source
from loratui.dataset.layout import is_picture_name, parse_repeats, suggested_name
from loratui.dataset.names import split_suffix, stem_of, suffix_of
from loratui.dataset.scan import LIKELY_PICTURES
from loratui.dataset.tree import CAPTION_SUFFIXES, read_tree


@dataclass(frozen=True, slots=True)
class ArrangePlan:
    """A plan, and what of it a person wants to see."""

    plan: Plan
    moved: Mapping[str, str]
    """Old name to new."""
    orphans: tuple[str, ...]
    """Captions of no picture, which stay unless they are to go."""


def plan_arrange(
    base: Base, words: str = "", repeats: int = REPEATS, *, drop_orphans: bool = False
) -> ArrangePlan:
    """Every picture into a folder the trainer looks into: loose ones into ``<repeats>_<words>``, folders
    without a number get one, folders inside numbered ones become their neighbours; pictures that share a
    stem, and with it a caption, get names of their own; leftovers of other programs go.

    Raises ``UserError`` when the folder cannot be listed.
    """
    known = base.listing.files
    tree = read_tree(base.root)
    root = len(str(base.root))
    junk = {name for path in tree.junk if (name := str(path)[root:].lstrip("/")) in known}
    own = f"{repeats}_{words.strip() or _words(base.source.name)}"
    moved: dict[str, str] = {}
    for name in known:
        if name not in junk:
            folder, _, file = name.rpartition("/")
            moved[name] = f"{_folder(folder, own, repeats)}/{file}" if _counts(name) or folder else name
    _apart(moved)
    copies = _own_captions(moved)
    orphans = _orphans(moved)
    gone = set(orphans) if drop_orphans else set()
    put: dict[str, Source] = {new: Kept(old) for old, new in moved.items() if new != old and old not in gone}
    put |= copies
    drop = junk | gone | {old for old, new in moved.items() if new != old}
    parts = [
        (sum(new != old for old, new in moved.items()), "file", "moved or renamed"),
        (len(junk), "leftover file", "of other programs left out"),
        (len(gone), "caption", "of no picture left out"),
    ]
    what = ", ".join(f"{number(count, noun)} {verb}" for count, noun, verb in parts if count)
    changed = {old: new for old, new in moved.items() if new != old}
    return ArrangePlan(Plan(base, "arrange", what or "nothing", put, frozenset(drop)), changed, orphans)


def _words(name: str) -> str:
    return suggested_name(name).partition("_")[2]


def _counts(name: str) -> bool:
    """Whether a file beside the numbered folders belongs into one."""
    suffix = suffix_of(name)
    return suffix.lower() in LIKELY_PICTURES or suffix.lower() in CAPTION_SUFFIXES


def _folder(folder: str, own: str, repeats: int) -> str:
    if not folder:
        return own
    first, *deeper = folder.split("/")
    parsed = parse_repeats(first)
    head = first if parsed is not None else f"{repeats}_{_words(first)}"
    return "_".join([head, *deeper])[:200] if deeper else head


def _apart(moved: dict[str, str]) -> None:
    """Give every picture a stem of its own, and every file a name of its own."""
    stems: dict[str, str] = {}
    taken: set[str] = set()
    captions = {old: new for old, new in moved.items() if not is_picture_name(old.rpartition("/")[2])}
    for old, new in sorted(moved.items()):
        if old in captions:
            continue
        stem, suffix = split_suffix(new)
        count = 1
        fresh = stem
        while fresh in stems or fresh + suffix in taken:
            count += 1
            fresh = f"{stem}_{count}"
        stems[fresh] = old
        taken.add(fresh + suffix)
        moved[old] = fresh + suffix
    by_old: dict[str, str] = {}
    for old in sorted(stems.values()):
        by_old.setdefault(stem_of(old), stem_of(moved[old]))
    for old, new in sorted(captions.items()):
        stem, suffix = split_suffix(old)
        # A caption follows its picture, the first of those that share it.
        target = by_old[stem] + suffix if stem in by_old else new
        base, ending = split_suffix(target)
        count = 1
        while target in taken:
            count += 1
            target = f"{base}_{count}{ending}"
        taken.add(target)
        moved[old] = target


def _own_captions(moved: Mapping[str, str]) -> dict[str, Source]:
    """Pictures that shared a caption each get a copy of it."""
    found: dict[str, Source] = {}
    taken = set(moved.values())
    for old, new in moved.items():
        if not is_picture_name(old.rpartition("/")[2]):
            continue
        for suffix in CAPTION_SUFFIXES:
            caption = stem_of(old) + suffix
            wanted = stem_of(new) + suffix
            if caption in moved and wanted not in taken:
                found[wanted] = Kept(caption)
    return found


def _orphans(moved: Mapping[str, str]) -> tuple[str, ...]:
    stems = {stem_of(old) for old in moved if suffix_of(old).lower() in LIKELY_PICTURES}
    return tuple(old for old in moved if suffix_of(old) in CAPTION_SUFFIXES and stem_of(old) not in stems)
