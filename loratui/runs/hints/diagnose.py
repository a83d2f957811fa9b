"""What a log alone tells of a run: how far it came, how it ended, and why."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal

from loratui.engines.builtin_log import BuiltinReader
from loratui.engines.kohya.log import KohyaReader
from loratui.events import Ended, Event, Hint, Message, Planned, Step
from loratui.recipe import EngineName
from loratui.runs.cleaning import clean
from loratui.runs.hints import matcher as hints
from loratui.runs.hints import rules as hint_rules
from loratui.runs.hints.quoted import Unquoted
from loratui.runs.hints.recordings import Recording, is_recording
from loratui.runs.hints.second_look import LogEnd

Verdict = Literal["finished", "failed", "stopped", "incomplete"]

_ORDER = {"fatal": 0, "quality": 1, "warning": 2, "info": 3}
_NAN = frozenset({"loss_nan", "nan_latents"})
_STEPS_TO_SURVIVE = 20
"""A run that goes on for so many steps after an exception has survived it: other ranks may draw a few."""
_LAST_LINES = 60
# Any trainer's bar of steps, for logs that begin after the totals were printed
_BAR = re.compile(r"[Ss]teps:\s+\d+%\|[^|]*\|\s*(\d+)/(\d+) \[([^\]]*)")
_BAR_LOSS = re.compile(r"\b(?:avr_loss|step_loss|train_loss|loss)[=:] ?([\d.]+(?:e-?\d+)?)\b")
_BAR_TAIL = 4096
_TOTALS = b"total optimization steps"
_TRACEBACK = b"Traceback (most recent call last)"
_CHILD_FAILED = re.compile(rb"returned non-zero exit status|died with <Signals\.|\bChildFailedError\b")


@dataclass(frozen=True, slots=True)
class Finding:
    """A known issue with the words for it."""

    key: str
    severity: hints.Severity
    line: str
    """The log line it was recognised by."""
    cause: str
    fix: str
    change: dict[str, Any]
    """Recipe changes by dotted key: a value, or ``{"times": factor}``; empty where no setting helps."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a log tells. ``step`` counts optimizer steps; ``loss`` is the last one printed (sd-scripts prints
    a mean)."""

    verdict: Verdict
    step: int
    total_steps: int | None
    loss: float | None
    hints: tuple[Finding, ...]
    """The root cause first."""


@dataclass(slots=True)
class _Progress:
    """A fold over the events of one reader."""

    step: int = 0
    total_steps: int | None = None
    loss: float | None = None
    nan_at: int | None = None
    outcome: str = ""
    error: bool = False
    hints: list[Hint] = field(default_factory=list)
    events: int = 0

    def add(self, event: Event, in_order: bool = True) -> None:
        """``in_order`` is False for the second of two streams: what stands in it did not come later."""
        self.events += 1
        match event:
            case Planned(total_steps=total) if not in_order:
                self.total_steps, self.step = total, max(self.step, event.first_step)
            case Planned():
                self.total_steps, self.step = event.total_steps, event.first_step
                self.outcome, self.error, self.nan_at = "", False, None
            case Step():
                self.step = event.step
                self.loss = event.loss if event.loss is not None else event.average_loss
                if not event.finite and self.nan_at is None:
                    self.nan_at = event.step
            case Ended():
                self.outcome, self.step = event.outcome, max(self.step, event.step)
            case Message(level="error"):
                self.error = True
        hint = hints.from_message(event) if isinstance(event, Message) else None
        if hint is not None:
            self.hints.append(hint)


def diagnose(streams: Iterable[Iterable[bytes]], engine: EngineName | None = None) -> Diagnosis:
    """The diagnosis of one log, or of both streams of one run kept in two files.

    Without ``engine`` the text tells: the builtin trainer's events, else sd-scripts' lines. Memory is
    bounded, however long the log.
    """
    log = _Log(engine)
    for number, stream in enumerate(_totals_first(streams)):
        if number:
            log.begin_stream()
        for data in decoded(stream):
            log.feed(data)
    log.close()
    return log.result()


def _totals_first(streams: Iterable[Iterable[bytes]]) -> Iterator[Iterable[bytes]]:
    """sd-scripts prints its totals on standard output, and what its bars count depends on them."""
    begun = []
    for stream in streams:
        rest = iter(stream)
        begun.append((next(rest, b""), rest))
    begun.sort(key=lambda pair: _TOTALS not in pair[0])
    for first, rest in begun:
        yield chain([first], rest)


def decoded(stream: Iterable[bytes]) -> Iterator[bytes]:
    """The same text in UTF-8: what PowerShell redirects into a file is UTF-16 with a byte order mark. Of a
    recorded terminal, what it showed."""
    decoder: codecs.IncrementalDecoder | None = None
    recording: Recording | None = None
    for number, data in enumerate(stream):
        if not number and data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            decoder = codecs.getincrementaldecoder("utf-16")(errors="replace")
        text = decoder.decode(data).encode("utf-8", "replace") if decoder else data
        if not number and is_recording(text):
            recording = Recording()
        yield recording.feed(text) if recording else text
    if recording:
        yield recording.close()


class _Log:
    def __init__(self, engine: EngineName | None) -> None:
        self._engine = engine
        self._readers: dict[EngineName, KohyaReader | BuiltinReader] = {}
        if engine != "kohya":
            self._readers["builtin"] = BuiltinReader()
        if engine != "builtin":
            self._readers["kohya"] = KohyaReader()
        self._progress = {name: _Progress() for name in self._readers}
        self._matcher = hints.HintMatcher()
        self._found: list[tuple[Hint, int]] = []
        """Hints with the step they came after."""
        self._unquoted = Unquoted()
        self._tail = b""
        self._end = LogEnd()
        self._bar_step = 0
        self._lines = 0
        self._traceback_at: int | None = None
        self._child_failed = False
        self._has_plan = False
        self._in_order = True
        """One stream: what stands later came later."""

    @property
    def _last_step(self) -> int:
        """The last step on screen: the reader waits for a bar's second drawing."""
        return max(self._best.step, self._bar_step)

    @property
    def _best(self) -> _Progress:
        builtin = self._progress.get("builtin")
        if builtin is not None and (builtin.events or self._engine == "builtin"):
            return builtin
        return self._progress.get("kohya") or _Progress()

    def begin_stream(self) -> None:
        self.feed(b"\n")
        self._in_order = False

    def feed(self, data: bytes) -> None:
        for piece in self._unquoted.feed(data):
            self._piece(piece)

    def close(self) -> None:
        """The log is over."""
        self.feed(b"\n")
        for piece in self._unquoted.close():
            self._piece(piece)
        self._found += [(hint, self._last_step) for hint in self._matcher.close()]

    def _piece(self, piece: bytes) -> None:
        self._end.keep(piece)
        planned = False
        for name, reader in self._readers.items():
            for event in reader.feed(piece):
                if name == "kohya" and isinstance(event, Message):
                    continue  # the matcher reads the same line, and knows user text from a message
                self._progress[name].add(event, self._in_order)
                planned = planned or (isinstance(event, Planned) and self._is_new_attempt(event, name))
        if planned and self._in_order:
            self._start_again()
        self._note(piece)
        for hint in self._matcher.feed(piece):
            self._found.append((hint, self._last_step))

    def _is_new_attempt(self, planned: Planned, reader: EngineName) -> bool:
        """The first bar of a log that begins late tells of a plan too, and ends no attempt."""
        first, self._has_plan = not self._has_plan, True
        return reader == "builtin" or planned.images > 0 or not first or self._child_failed

    def _note(self, piece: bytes) -> None:
        self._lines += piece.count(b"\n")
        if _TRACEBACK in piece:
            self._traceback_at = self._lines
        if b"status" in piece or b"ied with <" in piece or b"ChildFailed" in piece:
            self._child_failed = self._child_failed or _CHILD_FAILED.search(piece) is not None
        if (at := piece.rfind(b"teps:")) >= 0:
            self._tail = piece[max(0, at - 1) :][:_BAR_TAIL]
            bar = _BAR.match(clean(self._tail))
            self._bar_step = int(bar[1]) if bar else self._bar_step

    def _start_again(self) -> None:
        """A new attempt in the same log: what ended the last one is past."""
        past = [hint.key for hint, _ in self._found if hint.severity == "fatal"]
        self._found = [(hint, step) for hint, step in self._found if hint.severity != "fatal"]
        self._matcher.forget(past)
        self._child_failed, self._traceback_at, self._bar_step = False, None, 0

    def result(self) -> Diagnosis:
        progress = self._best
        found = [hint for hint, step in self._found if not self._survived(hint, step)]
        found += [hint for hint in progress.hints if hint.key not in {other.key for other in found}]
        if progress.nan_at is not None and not any(hint.key in _NAN for hint in found):
            found.append(Hint("loss_nan", "fatal", f"step {progress.nan_at}: the loss is not a number"))
        if not any(map(hints.is_cause, found)) and self._may_have_failed(found):
            said = progress.outcome == "failed" or progress.error or self._child_failed
            found += self._end.hints(found, failed=self._verdict(found) == "failed", told_so=said)
        ordered = _root_cause_first(found)
        step, total, loss = self._numbers()
        findings = tuple(_finding(hint, progress.nan_at) for hint in ordered)
        return Diagnosis(self._verdict(ordered), step, total, loss, findings)

    def _may_have_failed(self, found: list[Hint]) -> bool:
        """A run under way, or a log that ends well, needs no second look."""
        if (verdict := self._verdict(found)) == "incomplete":
            return not self._has_plan
        return verdict == "failed"

    def _survived(self, hint: Hint, step: int) -> bool:
        """An exception that was caught: the run went on after it."""
        if not self._in_order or hint.severity != "fatal" or hint.key in _NAN:
            return False
        return self._best.outcome == "finished" or self._last_step >= step + _STEPS_TO_SURVIVE

    def _verdict(self, found: list[Hint]) -> Verdict:
        progress = self._best
        keys = {hint.key for hint in found}
        if any(hint.severity == "fatal" for hint in found) or progress.nan_at is not None:
            return "failed"
        if progress.outcome == "finished":
            return "finished"
        if progress.outcome == "stopped" or "user_stop" in keys:
            return "stopped"
        traceback = self._traceback_at is not None and self._lines - self._traceback_at <= _LAST_LINES
        if progress.outcome == "failed" or progress.error or self._child_failed or traceback:
            return "failed"
        return "incomplete"

    def _numbers(self) -> tuple[int, int | None, float | None]:
        """Step, total and loss by the reader; by the last bar where the log holds no more."""
        progress = self._best
        bars = _BAR.findall(clean(self._tail)) if not progress.total_steps or not progress.step else []
        if not bars:
            return progress.step, progress.total_steps, progress.loss
        step, total, postfix = bars[-1]
        found = _BAR_LOSS.search(postfix)
        loss = progress.loss if progress.loss is not None or not found else float(found[1])
        return max(progress.step, int(step)), progress.total_steps or int(total), loss


def _root_cause_first(found: list[Hint]) -> list[Hint]:
    """Without those that another one explains; the worst first, then in the order of the log."""
    keys = {hint.key for hint in found}
    explained = {row.key for row in hints.rules() if not keys.isdisjoint(row.unless)}
    general = {row.key for row in hints.rules() if row.is_general}
    if any(hint.severity == "fatal" for hint in found if hint.key not in general | explained):
        explained |= general
    kept = [hint for hint in found if hint.key not in explained]
    return sorted(kept or found, key=lambda hint: _ORDER[hint.severity])


def _finding(hint: Hint, nan_at: int | None) -> Finding:
    words = hints.rule(hint_rules.nan_words(nan_at) if hint.key == "loss_nan" else hint.key)
    if words is None:
        return Finding(hint.key, hint.severity, hint.line, hint.line, "", {})
    return Finding(hint.key, hint.severity, hint.line, words.cause, words.fix, dict(words.change))
