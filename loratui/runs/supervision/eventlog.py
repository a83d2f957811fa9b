"""events.jsonl as its only writer sees it: stamped, whole lines, and never lost to a full disk."""

from __future__ import annotations

import os
import time
from collections import deque
from pathlib import Path

from loratui.events import Event, Record, encode
from loratui.runs.files import open_for_append

KEPT_LINES = 50_000
"""Lines kept in memory at most while the disk takes none; the oldest go first."""


class EventLog:
    """Appends records. What cannot be written now is kept and tried again with the next ``flush``."""

    def __init__(self, path: Path, next_seq: int = 0) -> None:
        """Open, and close a last line torn by a crash. Raises ``OSError``."""
        self._descriptor = open_for_append(path)
        self._pending: deque[bytes] = deque()
        self._next_seq = next_seq
        size = os.fstat(self._descriptor).st_size
        if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
            self._pending.append(b"\n")

    def add(self, event: Event) -> Record:
        """Stamp an event and queue it for the next ``flush``."""
        record = Record(self._next_seq, time.time(), time.monotonic(), event)  # type: ignore[arg-type]
        self._next_seq += 1
        self._pending.append(encode(record) + b"\n")
        if len(self._pending) > KEPT_LINES:
            del self._pending[1]  # the first may be half written
        return record

    def flush(self) -> OSError | None:
        """Append what is queued in one write. Returns why not all of it could be written."""
        if not self._pending:
            return None
        batch = b"".join(self._pending)
        try:
            written = os.write(self._descriptor, batch)
        except OSError as error:
            return error
        while written:
            line = self._pending[0]
            if len(line) > written:
                self._pending[0] = line[written:]
                return OSError(28, "No space left on device")
            written -= len(line)
            self._pending.popleft()
        return None

    def close(self) -> None:
        """Flush to the disk and close; what could not be written is given up."""
        self.flush()
        try:
            os.fsync(self._descriptor)
        except OSError:
            pass
        finally:
            os.close(self._descriptor)
