"""A run's files as they grow, read from an offset. Writes nothing, signals nobody."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from loratui.events import ENDED, PREFIX, Record, decode_records
from loratui.runs.cleaning import Lines
from loratui.runs.files import file_size, read_range
from loratui.runs.layout import Run, read_status
from loratui.runs.liveness import is_alive, state
from loratui.runs.view import RunFold, RunView

_CHUNK = 1 << 20
CLIP = 1_000
"""Characters shown of one log line."""
FIRST_BYTES = 1 << 16
POLL_BYTES = 1 << 18


class RecordReader:
    """The records appended to an events.jsonl since the last call."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def poll(self) -> list[Record]:
        """Whole lines only: what follows the last line break waits for the next call."""
        records: list[Record] = []
        while True:
            data = read_range(self._path, self._offset, _CHUNK)
            end = data.rfind(b"\n") + 1
            if end == 0:
                if len(data) == _CHUNK:  # no event is that long: whatever it is, pass over it
                    self._offset += len(data)
                    continue
                return records
            self._offset += end
            records += decode_records(data[:end].split(b"\n"))


class RunFollower:
    """One run, seen live."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._reader = RecordReader(run.events)
        self._fold = RunFold()

    def poll(self) -> RunView:
        """The run as it is now. A run that should be alive and has no supervisor is shown as lost."""
        view = self._read()
        if view.state in ENDED:
            return view
        status = read_status(self.run)
        if status is not None and status.state == "queued":
            return replace(view, state="queued")
        if is_alive(self.run, status):
            return view
        view = self._read()  # its last word may have come between the two looks
        if view.state in ENDED:
            return view
        current, reason = state(self.run)
        return replace(view, state=current, reason=reason)

    def _read(self) -> RunView:
        self._fold.feed(self._reader.poll())
        return self._fold.view()


class LogTail:
    """The end of a log, as plain lines, while it grows.

    ``first`` is how many bytes of an existing log are shown, None for all of it. ``skip`` passes
    over what comes faster than ``POLL_BYTES`` a poll; without it a poll returns the next piece, and
    the reader falls behind instead.
    """

    def __init__(self, path: Path, first: int | None = FIRST_BYTES, skip: bool = True) -> None:
        self._path = path
        self._skip = skip
        self._lines = Lines()
        self._offset = 0
        self._passed_over = 0
        size = file_size(path)
        if first is not None and size > first:
            self._go_to(size - first)

    @property
    def current(self) -> str:
        """The line still being written, a progress bar most often; empty when there is none."""
        return _shown(self._lines.current) or ""

    def poll(self) -> list[str]:
        """The lines completed since the last call. Event lines of the builtin trainer are left out."""
        size = file_size(self._path)
        if size < self._offset:  # somebody emptied the file
            self._offset, self._lines = 0, Lines()
        if self._skip and size - self._offset > POLL_BYTES:
            self._go_to(size - POLL_BYTES)
        data = read_range(self._path, self._offset, POLL_BYTES)
        self._offset += len(data)
        shown = []
        if self._passed_over:
            start = data.find(b"\n") + 1
            shown.append(f"… {_amount(self._passed_over + start)} of log skipped")
            data, self._passed_over = data[start:], 0
        shown += [text for line in self._lines.feed(data) if (text := _shown(line)) is not None]
        return shown

    def _go_to(self, offset: int) -> None:
        self._passed_over += offset - self._offset
        self._offset, self._lines = offset, Lines()


def _shown(line: str) -> str | None:
    """A line as shown; None for one that only carries an event. A progress bar may stand before an event on
    one line, since it ends in no break."""
    before, found, _ = line.partition(PREFIX + "{")
    if found and not before.strip():
        return None
    return before if len(before) <= CLIP else before[: CLIP - 1] + "…"


def _amount(count: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
