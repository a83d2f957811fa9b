"""What is asked before captions are changed, and the work that an answer means. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loratui.dataset.mending import tag_edits
from loratui.dataset.mending.caption_plan import CaptionWork
from loratui.dataset.mending.entries import Entry
from loratui.dataset.mending.tag_table import TagCount
from loratui.tui.text import clip, number, plain


@dataclass(frozen=True, slots=True)
class Question:
    """A line of text to be asked for."""

    words: str
    label: str
    text: str
    """What stands in the field at first."""
    hint: str
    work: Callable[[str], CaptionWork]
    """What the typed text means."""


def add(shown: Sequence[Entry], *, front: bool) -> Question:
    """Tags for every caption shown."""
    where, place = ("in front of", "in front") if front else ("at the end of", "at the end")
    return Question(
        f"Add tags {where} {number(len(shown), 'caption')}",
        "Tags",
        "",
        "Several between commas. Captions that have them already stay as they are.",
        lambda text: _edit(tag_edits.add(text, front=front), f"'{text}' added {place}"),
    )


def remove(shown: Sequence[Entry], tag: TagCount | None) -> Question:
    """Tags to be taken out of every caption shown; first proposed is the one under the cursor."""
    return Question(
        f"Remove a tag from {number(len(shown), 'caption')}",
        "Tags",
        tag.tag if tag else "",
        "Several between commas; * and ? stand for anything.",
        lambda text: _edit(tag_edits.remove(text), f"'{text}' removed"),
    )


def rename(tag: TagCount) -> Question:
    """Another name for a tag; first proposed is the common one it is a letter away from."""
    return Question(
        f"Call {clip(plain(tag.tag), 40)} something else in {number(tag.count, 'caption')}",
        "New name",
        tag.meant or tag.tag,
        "Where a caption has the new one already, the old one goes.",
        lambda text: _edit(tag_edits.rename(tag.tag, text), f"'{tag.tag}' renamed to '{text}'"),
    )


def trigger(shown: Sequence[Entry]) -> Question:
    """The trigger word, to the front of every caption shown; first proposed is one they begin with."""
    first = shown[0].tags[0] if shown and shown[0].tags else ""
    return Question(
        f"The trigger word of {number(len(shown), 'caption')}",
        "Trigger word",
        first if all(entry.tags[:1] == (first,) for entry in shown[:3]) else "",
        "It is moved to the front, or put there where it is missing.",
        lambda text: _edit(tag_edits.lead(text), f"the trigger word '{text}' in front"),
    )


def lead(trigger: str) -> CaptionWork:
    """A trigger word in front of every caption, and before the folder's words where there is none."""
    return CaptionWork(
        fill="{folder}", edits=(tag_edits.lead(trigger),), words=(f"the trigger word '{trigger}' in front",)
    )


def fill(shown: Sequence[Entry]) -> Question:
    """A caption for pictures without one."""
    missing = sum(not entry.text for entry in shown)
    return Question(
        f"Captions for {number(missing, 'picture')} without",
        "Caption",
        "{folder}",
        "{name} is the file's name, {folder} the words of its folder.",
        lambda text: CaptionWork(fill=text),
    )


TIDY = CaptionWork(normalise=True, edits=(tag_edits.dedupe,), words=("each tag once",))
"""What needs no question: UTF-8, one line, each tag once."""


def _edit(edit: tag_edits.Edit, words: str) -> CaptionWork:
    return CaptionWork(edits=(edit,), words=(words,))
