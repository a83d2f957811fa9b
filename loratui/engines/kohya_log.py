"""What sd-scripts prints, as events.

Its progress bars share rows with log lines, so text is split on both ``\\r`` and ``\\n`` and patterns
are searched anywhere in a piece. Lines are bilingual; only the English half is read. The bar prints a
mean (``avr_loss``), never a step's own loss, and draws each step twice: first with the previous
step's postfix, then with its own (train_network.py:1500-1520).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from loratui.events import Checkpoint, Ended, Epoch, Event, Message, Phase, PhaseName, Planned, Step

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])")
_BAR = re.compile(
    r"steps:\s+\d+%\|[^|]*\|\s*(?P<step>\d+)/(?P<total>\d+)\s*\[[^\],]*,[^\],]*(?:, (?P<postfix>[^\]]*))?\]"
)
_LOSS = re.compile(r"avr_loss=([-+\w.]+)")
_TOTALS = {
    "images": re.compile(r"num train images \* repeats\b.*: (\d+)"),
    "batches_per_epoch": re.compile(r"num batches per epoch\b.*: (\d+)"),
    "epochs": re.compile(r"num epochs\b.*: (\d+)"),
    "total_steps": re.compile(r"total optimization steps\b.*: (\d+)"),
}
_EPOCH = re.compile(r"^epoch (\d+)/(\d+)\s*$")
_SAVING = re.compile(r"^saving checkpoint: (.+)$")
_SAVED = re.compile(r"\bmodel saved\.")
_NO_DATA = re.compile(r"\bNo data found\. Please verify")
_PHASES: tuple[tuple[re.Pattern[str], PhaseName], ...] = (
    (re.compile(r"\bprepare images\."), "dataset"),
    (re.compile(r"\bloading model for process "), "model"),
    (re.compile(r"\bcaching latents with caching strategy"), "caching"),
    (re.compile(r"^import network module: "), "network"),
    (re.compile(r"^running training\b"), "training"),
    (re.compile(r"\bgenerating sample images at step\b"), "sampling"),
)
_LONGEST_PIECE = 1 << 16


class KohyaReader:
    """A fold over both of sd-scripts' streams as they interleave."""

    def __init__(self) -> None:
        self._rest = b""
        self._totals: dict[str, int] = {}
        self._step = 0
        self._pending: Step | None = None
        self._emitted = 0
        self._epoch: int | None = None
        self._last_file = ""

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events completed by these bytes."""
        *pieces, self._rest = re.split(rb"[\r\n]", self._rest + data)
        self._rest = self._rest[-_LONGEST_PIECE:]
        for piece in pieces:
            text = _ESCAPES.sub("", piece.decode("utf-8", "replace"))
            if text.strip():
                yield from self._read(text)

    def _read(self, text: str) -> Iterator[Event]:
        for bar in _BAR.finditer(text):
            yield from self._read_bar(int(bar["step"]), bar["postfix"] or "")
        for name, pattern in _TOTALS.items():
            if found := pattern.search(text):
                self._totals[name] = int(found[1])
                if name == "total_steps":
                    yield Planned(**{key: self._totals.get(key, 0) for key in _TOTALS})
        for pattern, phase in _PHASES:
            if pattern.search(text):
                yield Phase(phase)
        if found := _EPOCH.search(text):
            self._epoch = int(found[1])
            yield Epoch(self._epoch, int(found[2]))
        elif found := _SAVING.search(text):
            self._last_file = found[1].strip()
            yield Checkpoint(self._last_file, self._step, self._epoch)
        elif _NO_DATA.search(text):
            yield Message("error", "sd-scripts found no pictures and ended without training.", "no_data")
        if _SAVED.search(text):
            yield from self._flush()
            yield Checkpoint(self._last_file, self._step, self._epoch, final=True)
            yield Ended("finished", self._step, self._last_file)

    def _read_bar(self, step: int, postfix: str) -> Iterator[Event]:
        """One redraw. The second of a step has its own loss; when bars are drawn seldom there is only
        one, and the next step shows that no better will come."""
        found = _LOSS.search(postfix)
        loss = float(found[1]) if found else None
        if self._pending and self._pending.step != step:
            yield from self._flush()
        if loss is None or step == self._emitted:
            return
        finite = math.isfinite(loss)
        drawn_before = self._pending is not None
        self._step = step
        self._pending = Step(step, average_loss=loss if finite else None, epoch=self._epoch, finite=finite)
        if drawn_before or step == 1:
            yield from self._flush()

    def _flush(self) -> Iterator[Event]:
        if self._pending is not None:
            self._emitted = self._pending.step
            yield self._pending
            self._pending = None
