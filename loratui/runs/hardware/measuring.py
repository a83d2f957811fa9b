"""What a run shows of this machine: peak memory and seconds a step, kept for the next estimate.

Heavy to import: the supervisor does so when its run has ended.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from statistics import median

from loratui import places, recipe
from loratui.advice.measured import FILE_NAME, Measurement, remember, setting_of
from loratui.advice.memory import estimate
from loratui.engines.checking.checks import identified
from loratui.events import Checkpoint, Phase, Planned, Record, Sample, StateSaved, Step
from loratui.problems import UserError
from loratui.recipe import Recipe
from loratui.runs.follow import RecordReader
from loratui.runs.hardware.meter import FEWEST_STEPS, Meter
from loratui.runs.layout import Run

_WARM_UP = 5
"""Steps at the start that compile, allocate and fill caches."""
_WINDOW = 1.0
"""Seconds: records are stamped in batches, so single steps are not timed."""
_PAUSES = (Checkpoint, StateSaved, Sample, Phase, Planned)


def keep(run: Run, meter: Meter) -> Measurement | None:
    """Remember an attempt that has ended, where it has trained long enough to tell. Never raises: the run has
    its verdict, and a measurement is no reason for another."""
    try:
        decided = identified(recipe.loads(run.recipe.read_text(encoding="utf-8"), str(run.recipe)))
        found = measured(decided, RecordReader(run.events).poll(), meter)
        if found is not None:
            remember(places.home() / FILE_NAME, found)
    except (OSError, ValueError, UserError):
        return None
    except Exception:  # a fault of ours: told in the log, and no more
        traceback.print_exc()
        return None
    return found


def measured(decided: Recipe, records: Iterable[Record], meter: Meter) -> Measurement | None:
    """What the last attempt among ``records`` tells; None below ``FEWEST_STEPS`` or without a family."""
    family = decided.base.family
    attempt: list[Record] = []
    for record in records:
        attempt = [record] if isinstance(record.event, Planned) else [*attempt, record]
    steps = sum(isinstance(record.event, Step) for record in attempt)
    if family is None or steps < FEWEST_STEPS:
        return None
    try:
        modelled = estimate(decided, family).estimate_gib
    except KeyError:
        modelled = None
    return Measurement(
        gpu=meter.gpu,
        setting=setting_of(decided, family),
        peak_gib=meter.peak_gib,
        modelled_gib=modelled,
        seconds_per_step=seconds_per_step(attempt),
        steps=steps,
    )


def seconds_per_step(records: Iterable[Record]) -> float | None:
    """The median over windows of a second or more, after the warm-up, in which nothing else went on."""
    windows: list[float] = []
    start: tuple[float, int] | None = None
    seen = 0
    for record in records:
        if isinstance(record.event, _PAUSES):
            start = None
        elif isinstance(record.event, Step):
            seen += 1
            at = (record.t_mono, record.event.step)
            if seen <= _WARM_UP:
                continue
            if start is None:
                start = at
            elif at[0] - start[0] >= _WINDOW and at[1] > start[1]:
                windows.append((at[0] - start[0]) / (at[1] - start[1]))
                start = at
    return median(windows) if windows else None
