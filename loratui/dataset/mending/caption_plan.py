"""Edits of captions as a plan for a step: on every picture a filter shows."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from loratui.dataset.checking.finding import number
from loratui.dataset.history import Plan, Source, Written
from loratui.dataset.mending import tag_edits
from loratui.dataset.mending.decoding import decode, one_line
from loratui.dataset.mending.entries import Entries, Entry
from loratui.dataset.mending.tag_edits import Edit
from loratui.dataset.mending.tag_filter import Filter, fits
from loratui.problems import refusal

PLACEHOLDERS = ("{name}", "{folder}", "{trigger}")


@dataclass(frozen=True, slots=True)
class CaptionWork:
    """What is done to a caption, in this order."""

    normalise: bool = False
    """UTF-8 without a mark, one line, commas and blanks in order."""
    fill: str = ""
    """The caption of pictures without one, with ``PLACEHOLDERS``."""
    write: str | None = None
    """Another caption altogether."""
    edits: Sequence[Edit] = ()
    words: Sequence[str] = ()
    """What the edits do, each in a few words."""
    trigger: str = ""
    """For templates."""


@dataclass(frozen=True, slots=True)
class Change:
    """One caption before and after."""

    name: str
    """Of the caption file."""
    before: str | None
    """None: there was no file."""
    after: str


def before_and_after(change: Change) -> tuple[str, str]:
    """Both captions on a line each, for eyes."""
    before = "(no caption)" if change.before is None else _on_one_line(change.before)
    return before, _on_one_line(change.after)


def _on_one_line(text: str) -> str:
    return " / ".join(text.splitlines()) or "(empty)"


@dataclass(frozen=True, slots=True)
class CaptionPlan:
    """A plan, and what of it a person wants to see."""

    plan: Plan
    shown: tuple[Entry, ...]
    """What the filter shows."""
    changes: tuple[Change, ...]
    guessed: tuple[str, ...] = field(default=())
    """Captions that were not UTF-8, read as Windows' Western encoding."""


def shown(entries: Entries, wanted: Filter | None) -> tuple[Entry, ...]:
    """The pictures a filter means; all without one."""
    return entries.all if wanted is None else tuple(entry for entry in entries.all if fits(wanted, entry))


def plan_captions(
    entries: Entries, meant: Collection[Entry], work: CaptionWork, operation: str = "edit"
) -> CaptionPlan:
    """What ``work`` comes to on these pictures. Raises ``UserError`` for a template that cannot be filled."""
    put: dict[str, Source] = {}
    changes: list[Change] = []
    guessed: list[str] = []
    for entry in meant:
        if entry.caption_name in put:
            continue
        data = _bytes(entries, entry)
        decoded = decode(data) if data is not None else None
        before = decoded.text if decoded else None
        after = _worked(entry, before, work)
        if after is None:
            continue
        if after == before and not work.normalise:
            continue
        # A caption of 0 bytes ends sd-scripts; a blank line is read as no words.
        new = after.encode() or b"\n"
        if data == new:
            continue
        if decoded is not None and decoded.encoding == "cp1252":
            guessed.append(entry.caption_name)
        put[entry.caption_name] = Written(new)
        changes.append(Change(entry.caption_name, before, after))
    words = f"in {number(len(put), 'caption')}: {', '.join(_words(work)) or 'nothing'}"
    plan = Plan(entries.base, operation, words, put)
    return CaptionPlan(plan, tuple(meant), tuple(changes), tuple(guessed))


def plan_drop(entries: Entries, meant: Collection[Entry]) -> Plan:
    """Leave pictures out, with captions that are no other picture's."""
    gone = {entry.name for entry in meant}
    needed = {entry.caption_name for entry in entries.all if entry.name not in gone}
    captions = {
        entry.caption_name
        for entry in meant
        if entry.caption is not None and entry.caption_name not in needed
    }
    words = f"{number(len(gone), 'picture')} left out"
    return Plan(entries.base, "leave out", words, drop=frozenset(gone | captions))


def _bytes(entries: Entries, entry: Entry) -> bytes | None:
    if entry.caption is None:
        return None
    try:
        return (entries.base.root / entry.caption_name).read_bytes()
    except OSError as error:
        raise refusal(
            entries.base.root / entry.caption_name,
            f"this caption cannot be read: {error.strerror}.",
            "Give your user the right to read it (chmod u+r), or leave it out with a filter.",
        ) from None


def _worked(entry: Entry, before: str | None, work: CaptionWork) -> str | None:
    """The caption afterwards; None for a picture that has none and gets none."""
    if work.write is not None:
        return work.write
    if before is None or not before.strip():
        filled = _filled(work.fill, entry, work.trigger) if work.fill else None
        if filled is None and not work.edits:
            return before
        line, rest = filled or "", ""
    elif work.normalise:
        line, rest = tag_edits.tidy(one_line(before)), ""
    else:
        # Only \n, \r and \r\n end a line, as the trainer reads it.
        found = re.search(r"\r\n|\r|\n", before)
        line, rest = (before[: found.start()], before[found.start() :]) if found else (before, "")
    for edit in work.edits:
        line = edit(line)
    if not line and not (before or "").strip():
        return before
    return line + rest


def _filled(template: str, entry: Entry, trigger: str) -> str:
    unknown = next((mark for mark in re.findall(r"\{[^{}]*\}", template) if mark not in PLACEHOLDERS), None)
    if unknown is not None:
        raise refusal("template", f"{unknown} stands for nothing.", f"There are {', '.join(PLACEHOLDERS)}.")
    values = {"{name}": entry.stem.replace("_", " "), "{folder}": entry.folder_words, "{trigger}": trigger}
    filled = re.sub(r"\{[^{}]*\}", lambda found: values[found[0]], template)
    return tag_edits.tidy(filled.encode("utf-8", "replace").decode())


def _words(work: CaptionWork) -> list[str]:
    return [
        *(["tidied"] if work.normalise else []),
        *(["captions written for pictures without"] if work.fill else []),
        *(["written anew"] if work.write is not None else []),
        *work.words,
    ]
