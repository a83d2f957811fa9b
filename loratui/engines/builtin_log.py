"""What the builtin trainer says of itself: prefixed lines of JSON."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from loratui.engines import builtin_words
from loratui.events import PREFIX, Event, Message, decode_event

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
                yield _named(decode_event(line[at + len(prefix) :]))
            except ValueError:
                continue


def _named(event: Event) -> Event:
    """An error that names no known issue gets the one that its words stand for."""
    if not isinstance(event, Message) or event.level != "error" or event.key:
        return event
    return msgspec.structs.replace(event, key=builtin_words.key_of(event.text))
