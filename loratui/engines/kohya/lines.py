"""sd-scripts' two streams cut into what they are made of: progress bars, and messages.

Bars end in no line break, so what is printed next stands behind them on the same row; rich breaks messages
of its logger at the terminal's width, long paths in the middle of a word. Both are undone here. The same
bytes cut at any place give the same parts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

_LONGEST = 1 << 16
"""Bytes kept of one row."""
_LONGEST_MESSAGE = 4_000

_BREAK = re.compile(rb"[\r\n]")
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~]?)")
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_RANK = re.compile(r"^(?:\[(?:rank|default)\d+\]:\s?)+")

# A label belongs to the bar when nothing but the row's start or another bar stands before it
_BAR = re.compile(
    r"(?:(?P<label>[^\s%|\]][^%|\]]{0,200}?):\s*)?\s*(?P<percent>\d{1,3})%\|[^|]*\|"
    r"\s*(?P<done>[\d.]+)(?P<done_unit>[kKMGTP]?)/(?P<total>[\d.]+)(?P<total_unit>[kKMGTP]?)\s*"
    r"\[[^\],]*(?:,[^\],]*)?(?:,\s*(?P<postfix>[^\]]*))?\]"
)
_HEAD = re.compile(
    r"^\s*(?:\[?(?:\d{4}-\d\d-\d\d[ T])?\d\d:\d\d:\d\d\S*\s+)?"
    r"(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL)\s+(?P<rest>.*)$"
)
_SOURCE = re.compile(r"(?:^|\s+)(?P<source>[\w.<>-]+\.py:\d+)\s*$")
_INDENT = 18
"""Spaces before the rest of a broken message, at least: rich leaves room for time and level."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One drawing of a progress bar of tqdm."""

    label: str
    """Empty for most of sd-scripts' bars: what they count, the message before them says."""
    done: int
    total: int
    postfix: str
    of_bytes: bool = False
    """Counts bytes: something is downloaded. ``done`` is then of 100."""


@dataclass(frozen=True, slots=True)
class Text:
    """A message, as far as it has come."""

    text: str
    level: str = ""
    """The logger's word for it; empty for what is printed without a logger."""
    begins: bool = True
    """False for a message given before, now longer."""


Part = Bar | Text


class Parts:
    """Cuts a stream into parts. Bounded memory."""

    def __init__(self) -> None:
        self._row = b""
        self._message: _Message | None = None

    def feed(self, data: bytes) -> Iterator[Part]:
        """The parts completed by these bytes."""
        *rows, rest = _BREAK.split(data)
        for row in rows:
            whole, self._row = (self._row + row)[:_LONGEST], b""
            yield from self._read(whole)
        self._row = (self._row + rest)[:_LONGEST]

    def _read(self, row: bytes) -> Iterator[Part]:
        text = row.decode("utf-8", "replace")
        if "\x1b" in text:
            text = _ESCAPES.sub("", text)
        text = _CONTROLS.sub("", text)
        if "%|" in text:
            at = 0
            for found in _BAR.finditer(text):
                yield from self._text(text[at : found.start()])
                self._message = None
                yield _bar(found)
                at = found.end()
            text = text[at:]
        yield from self._text(text)

    def _text(self, text: str) -> Iterator[Text]:
        if not text or text.isspace():
            return
        text = _RANK.sub("", text)
        head = _HEAD.match(text)
        if head is not None:
            self._message = _Message(head["level"], *_split(head["rest"]))
            yield Text(self._message.text, self._message.level)
        elif self._message is not None and text[:_INDENT].isspace() and len(text) > _INDENT:
            self._message.go_on(text.strip())
            yield Text(self._message.text, self._message.level, begins=False)
        else:
            self._message = None
            yield Text(text.rstrip())


def _bar(found: re.Match[str]) -> Bar:
    of_bytes = bool(found["done_unit"] or found["total_unit"] or "." in found["done"] + found["total"])
    done, total = (int(found["percent"]), 100) if of_bytes else (int(found["done"]), int(found["total"]))
    return Bar(found["label"] or "", done, total, (found["postfix"] or "").strip(), of_bytes)


def _split(rest: str) -> tuple[str, int]:
    """A message's first row, and how many cells wide the column is that it stands in (0 when unknown)."""
    source = _SOURCE.search(rest)
    if source is None:
        return rest.rstrip(), 0
    return rest[: source.start()].rstrip(), _cells(rest[: source.start("source")]) - 1


class _Message:
    """A message of the logger, put together again."""

    def __init__(self, level: str, first: str, width: int) -> None:
        self.level = level
        self.text = first
        self._width = width
        self._last = first

    def go_on(self, row: str) -> None:
        """One more row. A row without a space that fills its column was cut inside a word."""
        source = _SOURCE.search(row)
        row = row[: source.start()] if source else row
        cut = self._width > 0 and " " not in self._last and _cells(self._last) >= self._width
        self.text = f"{self.text}{'' if cut or not self.text else ' '}{row}"[:_LONGEST_MESSAGE]
        self._last = row


def _cells(text: str) -> int:
    """Columns of a terminal."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)
