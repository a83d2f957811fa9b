"""Which state a run goes on from."""

from __future__ import annotations

from pathlib import Path

import pytest

from loratui.events import Event, Planned, StateSaved
from loratui.runs.layout import Run
from loratui.runs.saved_states import newest_saved
from loratui.runs.supervision.eventlog import EventLog


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run("a", tmp_path)


def write(run: Run, *events: Event) -> None:
    log = EventLog(run.events, 0)
    for event in events:
        log.add(event)
    log.close()


def state(run: Run, number: int, whole: bool = True) -> str:
    """A state's folder and the path that is written down of it."""
    folder = run.folder / "out" / f"hero-step{number:08}-state"
    folder.mkdir(parents=True)
    (folder / ("random_states_0.pkl" if whole else "model.safetensors")).touch()
    return f"out/{folder.name}"


def planned(first_step: int) -> Planned:
    return Planned(100, 1, images=10, batches_per_epoch=10, first_step=first_step)


def test_the_latest_that_is_still_there(run: Run) -> None:
    kept = state(run, 8)
    write(run, planned(0), StateSaved("out/gone", 4), StateSaved(kept, 8), StateSaved("out/gone", 12))
    assert newest_saved(run) == (run.folder / kept, 8)


def test_what_a_trainer_saved_when_nobody_wrote_it_down(run: Run) -> None:
    """Its supervisor was killed, and it went on: the state on record is long since removed."""
    write(run, planned(50), StateSaved("out/hero-step00000004-state", 54))
    (run.folder / "out").mkdir()
    assert newest_saved(run) is None
    state(run, 20)
    last = state(run, 24)
    state(run, 28, whole=False)
    (run.folder / "out" / "other-step00000090-state").mkdir()
    assert newest_saved(run) == (run.folder / last, 74)


def test_nothing_was_saved(run: Run) -> None:
    write(run, planned(0))
    state(run, 4)
    assert newest_saved(run) is None
