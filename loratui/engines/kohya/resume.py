"""Going on with a run in sd-scripts, so that the steps add up.

sd-scripts keeps no total over several starts. With ``skip_until_initial_step`` it passes over the data
already seen, but counts its steps, and names its files, from the middle of an epoch; it ends with an epoch,
not with the planned step; and with gradient accumulation it mixes up batches and steps
(train_network.py:1241-1276, 1336-1345). ``initial_step`` can be chosen so that the total comes out right all
the same. The rules below were met in real runs.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

LEDGER = "resume.json"
"""The file in a run's folder that says how many steps were done before the latest attempt."""


@dataclass(frozen=True, slots=True)
class Course:
    """What sd-scripts does after a start in the middle."""

    steps: int
    """Optimizer steps it trains."""
    counter: int
    """Where its own count of steps begins; below 0 with gradient accumulation. Its files are named by it."""
    skipped_epochs: int


def course(total: int, batches: int, accumulation: int, initial_step: int) -> Course:
    """What follows from ``initial_step`` with ``skip_until_initial_step``.

    ``total`` is max_train_steps, ``batches`` those of an epoch in one process.
    """
    per_epoch = math.ceil(batches / accumulation)
    epochs = math.ceil(total / per_epoch)
    skipped = initial_step * accumulation // per_epoch
    counter = initial_step * accumulation - skipped * batches
    if skipped >= epochs:
        return Course(0, counter, skipped)
    first = math.ceil((batches - max(0, counter)) / accumulation)
    steps = first + (epochs - skipped - 1) * per_epoch
    return Course(max(0, min(total - counter, steps)), counter, skipped)


def initial_step(done: int, total: int, batches: int, accumulation: int) -> int:
    """The ``initial_step`` to give when ``done`` of ``total`` steps are behind: the one whose course comes
    nearest to the rest, never short of it where that can be, and passes over least data unseen."""
    per_epoch = math.ceil(batches / accumulation)
    epoch = done // per_epoch
    first = epoch * per_epoch // accumulation
    last = min(total - 1, (epoch + 2) * per_epoch // accumulation + 1)
    candidates = {0, min(done, total - 1), *range(max(0, first), last + 1)}

    def badness(candidate: int) -> tuple[bool, int, int]:
        missing = total - done - course(total, batches, accumulation, candidate).steps
        return missing > 0, abs(missing), abs(candidate - done)

    best: int = min(sorted(candidates), key=badness)
    return best


@dataclass(frozen=True, slots=True)
class Ledger:
    """What is known of earlier attempts when an attempt begins."""

    steps_done: int = 0
    counter: int = 0
    """Where sd-scripts' own count begins in this attempt."""

    def dumps(self) -> str:
        """The text of the file ``LEDGER``."""
        return json.dumps({"steps_done": self.steps_done, "counter": self.counter}) + "\n"


def read_ledger(run_folder: Path | None) -> Ledger:
    """As ``prepare`` wrote it down for the latest attempt; zeros for a first one."""
    try:
        found = json.loads((run_folder / LEDGER).read_text(encoding="utf-8")) if run_folder else {}
        return Ledger(int(found["steps_done"]), int(found["counter"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Ledger()
