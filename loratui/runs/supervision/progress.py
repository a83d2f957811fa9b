"""What the supervisor knows of a run, and how it writes it down: events, hints, status."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator
from typing import Any

import msgspec

from loratui.engines.builtin_log import BuiltinReader
from loratui.engines.engine import LogReader, Watcher
from loratui.events import (
    Checkpoint,
    Ended,
    Event,
    Hint,
    Measured,
    Message,
    Planned,
    RunState,
    StateChanged,
    StateSaved,
    Step,
)
from loratui.runs.files import file_size, read_range
from loratui.runs.follow import RecordReader
from loratui.runs.hints import matcher as hints
from loratui.runs.layout import Run, Status, read_run_file, reserve_status, write_status
from loratui.runs.supervision.eventlog import EventLog
from loratui.runs.supervision.pulse import Pulse

HEARTBEAT = 5.0
"""Seconds between two writes of status.json when nothing changes."""
_STATUS_PACE = 1.0
_LOOK_PACE = 1.0
"""Seconds between two looks at a trainer's files."""
_CHUNK = 1 << 18
_CHUNKS_PER_TURN = 2
_STOP_HINTS = frozenset({"sig_term", "user_stop"})


_INTERRUPTED = "user_stop"
"""Nothing that is wrong, and yet what ended the trainer."""


class Progress:
    """Folds the trainer's output into events.jsonl and status.json. Nothing here ends a run: what cannot be
    written or read is reported and tried again."""

    def __init__(
        self,
        run: Run,
        status: Status,
        reader: LogReader,
        output_offset: int,
        watcher: Watcher | None = None,
    ) -> None:
        """Raises ``OSError`` when events.jsonl cannot be opened."""
        self.run = run
        self.status = status
        self.finite = True
        self.state_saved: bool
        """In this attempt or an earlier one."""
        self.last_error = ""
        self.fatal_hint = ""
        self.fatal_key = ""
        self._is_general = False
        """The fatal hint says where something failed, and another would say more."""
        self.rates: dict[str, float] = {}
        self.pulse = Pulse(run.folder)
        self.stop_asked = False
        self.ended_by_stop = False
        """The log itself says that a stop signal ended the trainer."""
        self.says_stopped = False
        """The builtin trainer's last word is that it was stopped."""
        self.stopped_by = 0
        """By this signal, where it says so."""
        self._reader: LogReader | None = reader
        self._watcher = watcher
        about = read_run_file(run)
        self._counted = about.total_steps if about else None
        self._looked_at = 0.0
        self._offset = output_offset
        self._written_at = 0.0
        self._dirty = True
        self._disk_error = ""
        next_seq, self._hinted, self.state_saved = _so_far(run)
        self._log = EventLog(run.events, next_seq)
        self._matcher = _matcher(self._hinted)
        reserve_status(run)

    def set_state(self, state: RunState, reason: str = "") -> None:
        """A new state of the whole run, written at once."""
        self.status = msgspec.structs.replace(self.status, state=state, reason=reason)
        self._log.add(StateChanged(state, reason))
        self.save(at_once=True)

    def add(self, event: Event) -> None:
        """Take in one event and queue it for events.jsonl."""
        self.pulse.note(event)
        if isinstance(event, Hint):
            if (
                event.key in self._hinted
                or self._is_explained(event)
                or (self.stop_asked and event.key in _STOP_HINTS)
            ):
                self.ended_by_stop |= event.key in _STOP_HINTS
                return
            self._hinted.add(event.key)
            self._note_hint(event)
        if isinstance(event, Planned) and self._counted not in (None, event.total_steps):
            self._log.add(_other_count(self._counted, event.total_steps))
        if isinstance(event, Step | Planned) and self.status.state == "starting":
            self.set_state("running")
        self._log.add(event)
        self._note(event)
        if self._watcher is not None:
            self._watcher.note(event)
        if isinstance(event, Step) and not event.finite:
            self.finite = False
            self.add(Hint("loss_nan", "fatal", f"step {event.step}: the loss is not a number"))
        hint = hints.from_message(event) if isinstance(event, Message) else None
        if hint is not None:
            self.add(hint)

    def _note(self, event: Event) -> None:
        changed: dict[str, Any] = {}
        self.says_stopped |= isinstance(event, Ended) and event.outcome == "stopped"
        match event:
            case Step():
                loss = event.loss if event.loss is not None else event.average_loss
                changed = {"step": event.step, "loss": loss}
                self.rates = event.rates or self.rates
            case Measured():
                self.rates = event.rates or self.rates
            case Planned():
                changed = {"step": event.first_step, "total_steps": event.total_steps}
            case Checkpoint(final=True):
                changed = {"final_file": event.path}
            case Ended():
                self.stopped_by = event.by_signal
                changed = {"final_file": event.final_file} if event.final_file else {}
            case StateSaved():
                self.state_saved = True
            case Message(level="error"):
                self.last_error = event.text
        if changed:
            self.status = msgspec.structs.replace(self.status, **changed)
            self._dirty = True

    def _is_explained(self, hint: Hint) -> bool:
        row = hints.rule(hint.key)
        if row is None:
            return False
        return not self._hinted.isdisjoint(row.unless) or (
            row.is_general and bool(self.fatal_hint) and not self._is_general
        )

    def _note_hint(self, hint: Hint) -> None:
        row = hints.rule_for(hint)
        is_general = row is not None and row.is_general
        if _ends(hint) and (
            not self.fatal_hint or (self._is_general and not is_general) or self._explains(hint)
        ):
            own = isinstance(self._reader, BuiltinReader) and self.last_error.startswith(hint.line[:-1])
            # The builtin trainer's own sentence names file, value and the way out
            self.fatal_hint = self.last_error if own else f"{row.cause} {row.fix}" if row else hint.line
            self._is_general, self.fatal_key = is_general, hint.key

    def _explains(self, hint: Hint) -> bool:
        """Whether this is the cause of what was taken for the cause so far."""
        row = hints.rule(self.fatal_key)
        return row is not None and hint.key in row.unless

    def read_output(self) -> bool:
        """Take in what the trainer has printed since. Returns whether there may be more to take."""
        if file_size(self.run.output) < self._offset:  # somebody emptied it, to make room
            self._offset = 0
            self._take(b"\n")
        for _ in range(_CHUNKS_PER_TURN):
            data = read_range(self.run.output, self._offset, _CHUNK)
            self._offset += len(data)
            self._take(data)
            if len(data) < _CHUNK:
                return False
        return True

    def look_around(self, at_once: bool = False) -> None:
        """Take in what the trainer has left in files, once a second. A fault in it costs these events, never
        the run."""
        now = time.monotonic()
        if self._watcher is None or (now - self._looked_at < _LOOK_PACE and not at_once):
            return
        self._looked_at = now
        try:
            for event in list(self._watcher.poll()):
                self.add(event)
        except Exception:
            traceback.print_exc()
            self._watcher = None

    def read_rest(self) -> None:
        """Take in all that is left, the last unfinished line with it."""
        while self.read_output():
            self._log.flush()
        self._take(b"\n")
        if self._matcher is not None:
            for hint in self._matcher.close():
                self.add(hint)

    def _take(self, data: bytes) -> None:
        if not data:
            return
        for event in self._guarded(data):
            self.add(event)

    def _guarded(self, data: bytes) -> Iterator[Event]:
        """Events and hints of these bytes. A fault in a reader costs its events, never the run."""
        try:
            if self._reader is not None:
                yield from self._reader.feed(data)
        except Exception:
            traceback.print_exc()
            self._reader = None
            yield Message(
                "warning", "loratui can no longer read this log (see supervisor.log); training goes on."
            )
        try:
            if self._matcher is not None:
                yield from self._matcher.feed(data)
        except Exception:
            traceback.print_exc()
            self._matcher = None

    def save(self, at_once: bool = False) -> None:
        """Append queued events; write status.json when it changed, and as a heartbeat."""
        error = self._log.flush()
        text = f"The run's folder cannot be written ({error.strerror}); free some space." if error else ""
        if text != self._disk_error:
            self._disk_error, self._dirty, at_once = text, True, True
        age = time.monotonic() - self._written_at
        if at_once or age >= HEARTBEAT or (self._dirty and age >= _STATUS_PACE):
            self._written_at = time.monotonic()
            reason = " ".join(part for part in (self.status.reason, self._disk_error) if part)
            try:
                write_status(self.run, msgspec.structs.replace(self.status, reason=reason))
                self._dirty = False
            except OSError:
                self._dirty = True

    def close(self) -> None:
        """The last write. On a full disk, for up to two seconds."""
        deadline = time.monotonic() + 2.0
        self.save(at_once=True)
        while (self._dirty or self._disk_error) and time.monotonic() < deadline:
            time.sleep(0.2)
            self.save(at_once=True)
        self._log.close()


def _other_count(counted: int | None, total: int) -> Message:
    return Message(
        "warning", f"loratui counted {counted} steps before the start, and the trainer says {total}."
    )


def _ends(hint: Hint) -> bool:
    """Whether it is what ended the trainer."""
    return hint.severity == "fatal" or hint.key == _INTERRUPTED


def _so_far(run: Run) -> tuple[int, set[str], bool]:
    """The next sequence number, the hints given in earlier attempts, and whether these saved a state. One
    that ended its attempt is given again when it ends another."""
    next_seq, hinted, saved = 0, set(), False
    for record in RecordReader(run.events).poll():
        next_seq = record.seq + 1
        if isinstance(record.event, Hint) and not _ends(record.event):
            hinted.add(record.event.key)
        saved |= isinstance(record.event, StateSaved)
    return next_seq, hinted, saved


def _matcher(seen: set[str]) -> hints.HintMatcher | None:
    """A damaged table of hints costs the hints, never the run."""
    try:
        return hints.HintMatcher(seen=seen)
    except Exception:
        traceback.print_exc()
        return None
