"""Captions as text: read once, cut into tags, and told apart by style."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal

from loratui.dataset.checking.thresholds import SENTENCE_WORDS

Style = Literal["tags", "sentence", ""]

MOST_BYTES = 1 << 20
"""What is read of one caption; a longer file is none."""


_USUAL_BYTES = 4096
"""Asking for much at once costs more than reading it."""
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class Caption:
    """What one caption file holds."""

    path: Path
    text: str
    """The first line without blanks around it, which is all the trainer reads
    (sd-scripts library/train_util.py:1968)."""
    state: Literal["", "empty", "blank", "not_utf8", "marked", "unreadable"] = ""
    """``blank``: bytes, but no words in the first line; ``marked``: begins with a byte order mark."""
    lines: int = 1
    """Lines with words in them."""

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """What stands between commas."""
        return tuple(tag for part in self.text.split(",") if (tag := part.strip()))

    @cached_property
    def style(self) -> Style:
        """Tags between commas, a sentence, or too short to say."""
        return style(self.text)


def read(path: Path) -> Caption:
    """Read a caption file. Never raises."""
    try:
        with path.open("rb", buffering=0) as file:
            data = file.read(_USUAL_BYTES)
            if len(data) == _USUAL_BYTES:
                data += file.read(MOST_BYTES - _USUAL_BYTES)
    except OSError:
        return Caption(path, "", "unreadable", 0)
    if not data:
        return Caption(path, "", "empty", 0)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        if not (len(data) == MOST_BYTES and error.start > MOST_BYTES - 4):
            return Caption(path, "", "not_utf8", 0)
        text = data.decode("utf-8", "ignore")
    marked = text.startswith("\ufeff")
    # Only \n, \r and \r\n end a line here; str.splitlines knows more.
    lines = _LINE_END.split(text.removeprefix("\ufeff"))
    first = lines[0].strip()
    state: Literal["marked", "blank", ""] = "marked" if marked else "" if first else "blank"
    return Caption(path, first, state, sum(bool(line.strip()) for line in lines))


def style(text: str) -> Style:
    """Tags between commas, a sentence, or too short to say."""
    words = len(text.split())
    commas = text.count(",")
    if words >= SENTENCE_WORDS and commas * SENTENCE_WORDS <= words:
        return "sentence"
    return "tags" if commas else ""


def holds(text: str, trigger: str) -> bool:
    """Whether a trigger stands in a text as a word or words of its own, in any case."""
    return _whole(trigger.strip()).search(text) is not None


@lru_cache(64)
def _whole(words: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(words)}(?!\w)", re.IGNORECASE)


def typos(counts: Mapping[str, int], common: int, shortest: int) -> dict[str, str]:
    """Tags seen once that are one edit (a letter more, less, other, or two swapped) from a tag seen
    ``common`` times or more, with that tag. Numbers in tags mean something and are never typos."""
    frequent = {tag for tag, count in counts.items() if count >= common and len(tag) >= shortest}
    near: dict[str, set[str]] = {}
    for tag in frequent:
        for cut in _deletions(tag):
            near.setdefault(cut, set()).add(tag)
    found: dict[str, str] = {}
    for tag, count in counts.items():
        if count != 1 or len(tag) < shortest or tag in frequent:
            continue
        candidates = {other for cut in _deletions(tag) for other in near.get(cut, ())}
        meant = [other for other in candidates if _digits(other) == _digits(tag) and _one_edit(tag, other)]
        if meant:
            found[tag] = max(meant, key=lambda other: (counts[other], other))
    return found


def _deletions(word: str) -> Iterable[str]:
    return {word, *(word[:at] + word[at + 1 :] for at in range(len(word)))}


def _digits(word: str) -> str:
    return "".join(filter(str.isdigit, word))


def _one_edit(one: str, other: str) -> bool:
    if len(one) > len(other):
        one, other = other, one
    at = next((at for at, letter in enumerate(one) if letter != other[at]), len(one))
    if len(one) < len(other):
        return one[at:] == other[at + 1 :]
    swapped = other[at : at + 2][::-1] + other[at + 2 :]
    return one[at + 1 :] == other[at + 1 :] or one[at:] == swapped
