"""How often each tag of a set occurs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from loratui.dataset import caption_text
from loratui.dataset.checking import thresholds
from loratui.dataset.mending.entries import Entry


@dataclass(frozen=True, slots=True)
class TagCount:
    """One tag."""

    tag: str
    count: int
    """Captions that hold it."""
    meant: str = ""
    """The common tag it is a letter away from; empty for most."""


def tag_table(entries: Iterable[Entry]) -> tuple[TagCount, ...]:
    """Every tag, the most frequent first; a caption of two pictures counts once."""
    counts: Counter[str] = Counter()
    seen: set[str] = set()
    for entry in entries:
        if entry.caption is not None and entry.caption_name not in seen:
            seen.add(entry.caption_name)
            counts.update(set(entry.tags))
    folded: Counter[str] = Counter()
    for tag, count in counts.items():
        folded[tag.lower()] += count
    wrong = caption_text.typos(folded, thresholds.COMMON_TAG, thresholds.TYPO_LENGTH)
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple(TagCount(tag, count, wrong.get(tag.lower(), "")) for tag, count in ordered)
