"""What a program printed, as plain lines: cut anywhere, in bounded memory, with nothing left that could
move a cursor or change a colour."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

LIMIT = 16_384
"""Bytes kept of one line; the rest of a longer one is dropped."""

_BREAK = re.compile(rb"\r\n|\r|\n")
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)"  # OSC and other strings: titles, hyperlinks
    r"|\x1b[ -/]*[0-~]?"  # two- and three-byte escapes
)
# C0, DEL, C1, and the marks that reorder text (UAX 9)
_CONTROLS = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class Segment(NamedTuple):
    """Text between two line breaks."""

    text: str
    replaceable: bool
    """It ended in a carriage return alone: on a terminal the next segment is drawn over it."""


def clean(raw: bytes) -> str:
    """One line without its break: UTF-8 where it is, escape sequences and control bytes gone, tabs as one
    space."""
    text = raw.decode("utf-8", errors="replace").replace("\t", " ")
    if "\x1b" in text:
        text = _ESCAPES.sub("", text)
    return _CONTROLS.sub("", text)


def clean_line(text: str) -> str:
    """Text from outside on one line, with nothing in it that a terminal would obey."""
    return clean(text.replace("\n", " ").encode("utf-8", errors="replace"))


class Segments:
    """Cuts a stream at LF, CR LF and CR. However the bytes are fed, the segments are the same."""

    def __init__(self) -> None:
        self._held = b""
        self._after_return = False

    def feed(self, data: bytes) -> Iterator[Segment]:
        """The segments completed by these bytes."""
        if self._after_return:
            data = b"\r" + data
        self._after_return = data.endswith(b"\r")
        end = len(data) - 1 if self._after_return else len(data)  # "\r" may still become "\r\n"
        start = 0
        for found in _BREAK.finditer(data, 0, end):
            yield self._segment(data[start : min(found.start(), start + LIMIT)], found[0] == b"\r")
            start = found.end()
        self._held = (self._held + data[start : min(end, start + LIMIT)])[:LIMIT]

    def _segment(self, raw: bytes, replaceable: bool) -> Segment:
        raw, self._held = (self._held + raw)[:LIMIT], b""
        return Segment(clean(raw), replaceable)

    @property
    def rest(self) -> str:
        """What came after the last break."""
        return clean(self._held)


class Lines:
    """Lines as a terminal would leave them: of what was drawn over itself, the last."""

    def __init__(self) -> None:
        self._segments = Segments()
        self._current = ""

    def feed(self, data: bytes) -> list[str]:
        """The lines completed by these bytes."""
        lines = []
        for segment in self._segments.feed(data):
            self._current = segment.text or self._current
            if not segment.replaceable:
                lines.append(self._current)
                self._current = ""
        return lines

    @property
    def current(self) -> str:
        """The line still being written: a progress bar, most often."""
        return self._segments.rest or self._current
