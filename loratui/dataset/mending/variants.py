"""Three captions for each picture: nothing, tags, a sentence, each in a numbered folder of its own.

A caption file of 0 bytes ends sd-scripts; one that holds an empty line gives the empty caption, which trains
the unconditional part (library/train_util.py:1964-1968, 2081). The builtin engine reads it the same way.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from loratui.dataset import caption_text
from loratui.dataset.checking.finding import number
from loratui.dataset.history import Kept, Plan, Source, Written
from loratui.dataset.layout import VARIANTS
from loratui.dataset.mending.entries import Entries, Entry
from loratui.dataset.names import suffix_of
from loratui.problems import refusal

EMPTY = b"\n"
"""The empty caption, in the form that both engines take."""

REPEATS = 10
"""What is usual for the three folders (the layout's own name is 10_empty, 10_wd, 10_kosmos)."""


def plan_variants(entries: Entries, repeats: int = REPEATS, sample: int | None = None, seed: int = 1) -> Plan:
    """The layout out of what counts now: ``10_empty 10_wd 10_kosmos``, each with every picture, or with
    ``sample`` of them drawn by ``seed``. Captions there are go where they fit: tags to ``wd``, sentences to
    ``kosmos``. Nothing else is carried over.

    Raises ``UserError`` when the set has this layout already, or no picture.
    """
    source = entries.base.source
    if any(entry.folder_words in VARIANTS and entry.folder for entry in entries.all):
        raise refusal(
            source,
            "the current step has the three folders already.",
            f"loratui dataset undo {source} goes back to the one before.",
        )
    chosen = _sampled(entries.all, sample, seed)
    if not chosen:
        raise refusal(source, "there is no picture to make variants of.", "Give a folder with pictures.")
    put: dict[str, Source] = {}
    words = [0, 0]
    for entry, stem in _named(chosen):
        suffix = suffix_of(entry.name)
        for variant in VARIANTS:
            put[f"{repeats}_{variant}/{stem}{suffix}"] = Kept(entry.name)
        put[f"{repeats}_empty/{stem}{entries.extension}"] = Written(EMPTY)
        if not entry.text:
            continue
        is_sentence = caption_text.style(entry.text) == "sentence"
        words[is_sentence] += 1
        put[f"{repeats}_{VARIANTS[1 + is_sentence]}/{stem}{entries.extension}"] = Written(
            entry.text.encode("utf-8", "surrogateescape") + b"\n"
        )
    drop = frozenset(name for name in entries.base.listing.files if name not in put)
    drawn = f", drawn from {len(entries.all):,} with seed {seed}" if len(chosen) < len(entries.all) else ""
    told = (
        f"{number(len(chosen), 'picture')}{drawn}, each with an empty caption, tags and a sentence"
        f" ({words[0]:,} with tags and {words[1]:,} with a sentence so far)"
    )
    return Plan(entries.base, "variants", told, put, drop)


def _sampled(entries: Sequence[Entry], sample: int | None, seed: int) -> list[Entry]:
    if sample is None or sample >= len(entries):
        return list(entries)
    chosen = set(random.Random(seed).sample(range(len(entries)), sample))
    return [entry for at, entry in enumerate(entries) if at in chosen]


def _named(entries: Sequence[Entry]) -> list[tuple[Entry, str]]:
    """Each with a stem that no other has: pictures of several folders come together in one."""
    taken: set[str] = set()
    named = []
    for entry in entries:
        stem, count = entry.stem, 1
        while stem in taken:
            count += 1
            stem = f"{entry.stem}-{count}"
        taken.add(stem)
        named.append((entry, stem))
    return named
