"""What ended sd-scripts: the exception in its traceback, not accelerate's repetition of it, and errors of
its logger."""

from __future__ import annotations

import re
from collections.abc import Iterator

from loratui.engines.kohya.lines import Text
from loratui.events import Message

_TRACEBACK = re.compile(r"Traceback \(most recent call last\):")
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(?:: |:?$)")
_UNSAID = re.compile(
    r"subprocess\.CalledProcessError\b|KeyboardInterrupt\b|SystemExit\b|torch\.distributed\.elastic"
)
"""accelerate's echo of a child that failed, and ends that someone asked for."""
_LENGTH = 500


class Failures:
    """A fold over messages."""

    def __init__(self) -> None:
        self.began = False
        """Whether the last message began a traceback."""
        self._inside = False
        self._error = ""

    def read(self, part: Text) -> Iterator[Message]:
        """The failures known to be whole with this message."""
        if part.begins:
            yield from self.close()
        self.began = _TRACEBACK.match(part.text) is not None
        if self.began:
            self._inside = True
        elif self._inside and not part.text[:1].isspace():
            self._inside = False
            if _EXCEPTION.match(part.text) and not _UNSAID.match(part.text):
                yield Message("error", part.text[:_LENGTH])
        elif part.level in ("ERROR", "CRITICAL"):
            self._error = part.text

    def close(self) -> Iterator[Message]:
        """An error of the logger, once nothing more of it comes."""
        error, self._error = self._error, ""
        if error and not error.startswith("No data found"):
            yield Message("error", error[:_LENGTH])
