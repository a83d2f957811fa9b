"""What the builtin trainer says of itself: prefixed lines of JSON."""

from __future__ import annotations

from collections.abc import Iterator

from loratui.events import PREFIX, Event, decode_event

_LONGEST_LINE = 1 << 20


class BuiltinReader:
    """Reads the events that the builtin trainer prints as prefixed JSON lines."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events completed by these bytes; lines that are not events are plain log."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            self._rest = b""
        prefix = PREFIX.encode()
        for line in lines:
            at = line.find(prefix)
            if at < 0:
                continue
            try:
                yield decode_event(line[at + len(prefix) :])
            except ValueError:
                continue
