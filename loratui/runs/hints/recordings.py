"""Recorded terminals as logs: lines of ``[seconds, stream, text]``, as asciinema writes them (asciicast v2,
where the stream is "o") and other recorders (where it may be "out" or "err")."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

_LINE = re.compile(rb'\s*\[\s*\d+(?:\.\d+)?\s*,\s*"(?:o|out|err|stdout|stderr)"\s*,\s*"')
_HEAD = re.compile(rb'\s*\{\s*"version"\s*:\s*2\s*,.*"(?:width|height)"')
_LONGEST = 1 << 22


def is_recording(data: bytes) -> bool:
    """Whether a log that begins so is a recording."""
    first = data.partition(b"\n")[0]
    return bool(_LINE.match(first) or _HEAD.match(first))


class Recording:
    """Takes the text out of a recording. What was typed, and lines that do not parse, are left out."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """The text in the lines completed by these bytes."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[:_LONGEST]
        return b"".join(self._texts(lines))

    def close(self) -> bytes:
        """The text in a last line without a break."""
        return b"".join(self._texts([self._rest]))

    def _texts(self, lines: list[bytes]) -> Iterator[bytes]:
        for line in lines:
            if not _LINE.match(line):
                continue
            try:
                text = json.loads(line)[2]
            except (ValueError, IndexError):
                continue
            if isinstance(text, str):
                yield text.encode("utf-8", "replace")
