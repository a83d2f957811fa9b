"""A log's lines without what was put around them on the way here: marks of quotation, the times and levels of
whoever collected them, markdown, a web page's entities, a word processor's quotation marks.

The trainer's own beginnings of lines stay: its readers tell a message from user text by them."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from loratui.events import PREFIX
from loratui.runs.cleaning import LIMIT

_OWN = PREFIX.encode()
_BREAK = re.compile(rb"\r\n|\r|\n")

_LEVEL = rb"(?:TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|CRITICAL|FATAL)"
_DAY = rb"(?:\d{4}[-/.]\d\d[-/.]\d\d|\d\d[-/.]\d\d[-/.]\d\d(?:\d\d)?)"
_CLOCK = rb"\d\d?:\d\d:\d\d(?:[.,]\d{1,9})?"
_ZONE = rb"(?:Z|[+-]\d\d:?\d\d| UTC)?"
_TIME = rb"(?:" + _DAY + rb"[T ,_]+)?" + _CLOCK + _ZONE
# rich's own heads ("2026-01-02 03:04:05 INFO     text"), which the readers know
_NOT_RICH = rb"(?! *" + _LEVEL + rb"\s)"
_RAISED = rb"(?:[A-Za-z_]\w*\.)*\w*(?:Error|Exception|Interrupt|Invalid|Died|Warning)\b"
_OF_TRACEBACK = rb"(?=" + _RAISED + rb"|Traceback \(|  (?:File \"|  |\S))"
_AROUND = re.compile(
    rb"(?:"
    rb"[ \t]*(?:>[ \t]?)+"  # a mail's, a forum's or markdown's quotation
    rb"|\[" + _TIME + rb"\][ \t]?"
    rb"|" + _TIME + rb"[ \t]*[-|:]?[ \t]*\[?" + _LEVEL + rb"\]?[ \t]*[-|:][ \t](?:[\w.]+:[\w.<>]+:\d+ - )?"
    rb"|" + _TIME + rb"(?:[ \t]*[-|][ \t]+|[ \t])" + _NOT_RICH + rb"(?:(?:stderr|stdout) [FP] )?"
    rb"|[ \t]*\[?" + _LEVEL + rb"\]?[ \t]+(?:[-|][ \t]+[\w.]*(?::[\w.<>]+:\d+)?(?:[ \t]*[-|][ \t])?|\|[ \t])"
    rb"|\[" + _LEVEL + rb"\][ \t]?"
    rb"|[\w.]+:[\w.<>]+:\d+ - "  # loguru's place
    rb"|(?:stderr|stdout|STDERR|STDOUT)[:|] ?"
    rb"|(?:ERROR|Error|error|E)[:|] ?" + _OF_TRACEBACK + rb""
    rb"|(?:ERROR|WARNING) {4,5}" + _OF_TRACEBACK + rb""
    rb"|\[(?:stderr|stdout|err|out)\][ \t]?"
    rb"|\[[A-Za-z][\w .-]{2,40}\] (?:[A-Z]{3,10}: )?" + _OF_TRACEBACK + rb""
    rb"|\d+\.\d+s[ \t]+\d+[ \t]"  # Kaggle's seconds and number
    rb"|(?:#\d+ )?\d{1,4}\.\d{2,3} (?=[A-Z'+])"  # BuildKit's seconds
    rb"|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d [\w.-]+ [\w./-]+(?:\[\d+\])?: "  # the journal's
    rb"|\((?:[\w.-]+ )?(?:pid|rank)[= ]\d+(?:, ip=[\d.]+)?\) "
    rb")"
)
# What is left of a colour when the escape byte was lost on the way
_LOST_COLOUR = re.compile(rb"\x1b?\[(?:[0-9]|[1-4][0-9]|9[0-7])(?:;\d{1,3})*m")
_ENTITY = re.compile(
    rb"&(?:gt|lt|amp|quot|apos|nbsp|#39|#x27|#34|#x22|#60|#62);|<br ?/?>|</?(?:p|pre|code|span|div)>"
)
_ESCAPED = re.compile(rb"(?<=\w)\\([_*])(?=\w)")
_PLAIN = {
    "\u2018": b"'",
    "\u2019": b"'",
    "\u201a": b"'",
    "\u201b": b"'",
    "\u201c": b'"',
    "\u201d": b'"',
    "\u201e": b'"',
    "\u2026": b"...",
    "\u00a0": b" ",
    "\u202f": b" ",
    "\u200b": b"",
    "\ufeff": b"",
}
_TYPESET = re.compile(b"|".join(mark.encode() for mark in _PLAIN))
_PLAIN_BYTES = {mark.encode(): plain for mark, plain in _PLAIN.items()}


def unquoted(line: bytes) -> bytes:
    """One line, without its break, as its program printed it, as far as that can be told."""
    if line.startswith(_OWN) or (line.startswith(b"steps:") and b"\\" not in line):
        return line
    if not line.isascii():
        line = _TYPESET.sub(lambda mark: _PLAIN_BYTES[mark[0]], line)
    if b"&" in line or b"<" in line:
        line = _ENTITY.sub(_character, line)
    if b"m" in line and b"[" in line:
        line = _LOST_COLOUR.sub(b"", line)
    while around := _AROUND.match(line):
        line = line[around.end() :]
    if b"`" in line or b"**" in line:
        line = _unmarked(line)
    return _ESCAPED.sub(rb"\1", line) if b"\\" in line else line


def _unmarked(line: bytes) -> bytes:
    """Without markdown's marks of code and of bold around all of it."""
    text = line.strip()
    for mark in (b"```", b"`", b"**"):
        if text.startswith(mark) and text[len(mark) : len(mark) + 1] not in (b"*", b"`", b""):
            inside = text[len(mark) :].removesuffix(mark)
            if mark not in inside or inside.count(b"`") % 2 == 0:
                indent = line[: len(line) - len(line.lstrip())]
                return indent + inside
    if text.endswith(b"```"):
        return line.rstrip().removesuffix(b"```")
    return line


def _character(entity: re.Match[bytes]) -> bytes:
    text = entity[0]
    return b"" if text[:1] == b"<" else html.unescape(text.decode()).replace("\u00a0", " ").encode()


class Unquoted:
    """Takes a log piece by piece. Cut anywhere it gives the same text; a line longer than ``LIMIT`` bytes is
    let through in parts."""

    def __init__(self) -> None:
        self._held = b""
        self._inside = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The pieces completed by these bytes, each with the break it ends in."""
        data, start = self._held + data, 0
        for found in _BREAK.finditer(data):
            if found.end() == len(data) and found[0] == b"\r":
                break  # it may become a "\r\n"
            yield self._line(data[start : found.start()]) + found[0]
            start, self._inside = found.end(), False
        self._held = data[start:]
        if len(self._held) > LIMIT:
            yield self._line(self._held)
            self._held, self._inside = b"", True

    def close(self) -> Iterator[bytes]:
        """What came after the last break."""
        if self._held:
            yield self._line(self._held)
        self._held, self._inside = b"", False

    def _line(self, line: bytes) -> bytes:
        return line if self._inside else unquoted(line)
