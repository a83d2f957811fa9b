"""How many steps a log of sd-scripts is about: its block of totals, and where in them it begins."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from loratui.engines.kohya.resume import course
from loratui.events import Event, Message, Planned

# Bilingual lines; only the English half is read
_TOTALS = {
    "images": re.compile(r"\s*num train images \* repeats\b.*: (\d+)"),
    "batches_per_epoch": re.compile(r"\s*num batches per epoch\b.*: (\d+)"),
    "epochs": re.compile(r"\s*num epochs\b.*: (\d+)"),
    "accumulation": re.compile(r"\s*gradient accumulation steps\b.* = (\d+)"),
    "total_steps": re.compile(r"\s*total optimization steps\b.*: (\d+)"),
}
_SKIPPING = re.compile(r"skipping (\d+) steps /")
_GIVEN = re.compile(r"steps from the state is ignored because initial_step is specified")
_RESUMING = re.compile(r"resume training from (?:local|huggingface) state")
_STATE = re.compile(r"load train state from .*['\"]current_step['\"]: (\d+)")


@dataclass(slots=True)
class Plan:
    """The totals of one attempt, as far as they are known."""

    done_before: int | None = None
    """Steps of earlier attempts, where that is known better than the log does."""
    totals: dict[str, int] = field(default_factory=dict)
    first_step: int = 0
    counter: int = 0
    """Where sd-scripts' own count of steps begins."""
    bar_total: int | None = None
    _initial: int | None = None
    _given: bool = False
    _resuming: bool = False
    _state_step: int = 0

    @property
    def total(self) -> int | None:
        """max_train_steps as printed."""
        return self.totals.get("total_steps")

    @property
    def steps_per_epoch(self) -> int | None:
        batches = self.totals.get("batches_per_epoch")
        return None if batches is None else -(-batches // max(1, self.totals.get("accumulation", 1)))

    def read(self, text: str) -> Iterator[Event]:
        """Take in a message."""
        for name, pattern in _TOTALS.items():
            if found := pattern.match(text):
                self.totals[name] = int(found[1])
                if name == "total_steps" and (self.bar_total is not None or not self._resuming):
                    yield from self._planned()
                return
        if found := _SKIPPING.match(text):
            self._initial = int(found[1])
        elif _RESUMING.match(text):
            self._resuming = True
        elif _GIVEN.match(text):
            self._given = True
        elif found := _STATE.match(text):
            self._state_step = int(found[1])

    def begin(self, bar_total: int) -> Iterator[Event]:
        """The bar of steps is drawn for the first time. ``bar_total`` is what it counts to."""
        self.bar_total = bar_total
        if self._resuming or self._initial or self.total is None:
            yield from self._planned()
        elif self.total != bar_total:
            yield Message(
                "warning", f"sd-scripts printed {self.total} steps, and its bar counts {bar_total}."
            )

    def _planned(self) -> Iterator[Event]:
        total = self.bar_total if self.total is None else self.total
        if total is None:
            return
        comes_to = total
        if self._initial and self.bar_total is not None:
            comes_to = self._skipping(self._initial, total)
        elif self._resuming and self.bar_total is not None:
            comes_to = self._restarting(total)
        yield Planned(
            comes_to,
            self.totals.get("epochs", 0),
            self.totals.get("images", 0),
            self.totals.get("batches_per_epoch", 0),
            self.first_step,
        )
        if self.total is not None and comes_to != self.total and self.bar_total is not None:
            yield Message("warning", f"It was planned for {self.total} steps, and comes to {comes_to}.")

    def _skipping(self, initial: int, total: int) -> int:
        """What a start with skip_until_initial_step comes to, all attempts taken together."""
        batches, accumulation = self.totals.get("batches_per_epoch"), self.totals.get("accumulation", 1)
        if not batches or self.total is None:  # a log without its standard output
            self.first_step = initial if self.done_before is None else self.done_before
            return self.first_step + (self.bar_total or 0)
        found = course(total, batches, accumulation, initial)
        self.counter = found.counter
        self.first_step = initial
        if self._given and accumulation > 1:
            per_epoch = -(-batches // accumulation)
            self.first_step = found.skipped_epochs * per_epoch + max(0, found.counter) // accumulation
        if self.done_before is not None:
            self.first_step = self.done_before
        return self.first_step + found.steps

    def _restarting(self, total: int) -> int:
        """Without skip_until_initial_step the count starts again, though not in the first epoch."""
        per_epoch, accumulation = self.steps_per_epoch, self.totals.get("accumulation", 1)
        epochs = self.totals.get("epochs")
        if not per_epoch or not epochs:
            return total
        batches = self.totals["batches_per_epoch"]
        skipped = self._state_step // -(-batches // accumulation)
        return min(total, max(0, epochs - skipped) * per_epoch)
