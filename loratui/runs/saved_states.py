"""The states of a run that can be gone on from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from loratui.events import Planned, StateSaved
from loratui.runs.follow import RecordReader
from loratui.runs.layout import Run

_BY_STEP = re.compile(r"(.+-step)(\d+)-state")
_WHOLE = ("random_states_0.pkl", "lora.safetensors")
"""What accelerate writes last (save_accelerator_state), and what a state of the builtin trainer holds, which
is put in place whole."""


class SavedState(NamedTuple):
    """A state folder, and the step it was saved after, counted over all attempts."""

    path: Path
    step: int


def newest_saved(run: Run) -> SavedState | None:
    """The latest state this run saved that is still there with something in it."""
    latest: SavedState | None = None
    events = [record.event for record in RecordReader(run.events).poll()]
    for event in reversed(events):
        if isinstance(event, StateSaved):
            saved = SavedState(run.folder / event.path, event.step)
            if _is_there(saved.path):
                return saved
            latest = latest or saved
        elif isinstance(event, Planned) and latest and (unrecorded := _after(latest)):
            return unrecorded
    return None


def _is_there(state: Path) -> bool:
    return state.is_dir() and any(state.iterdir())


def _after(recorded: SavedState) -> SavedState | None:
    """One that a trainer left alone by its supervisor has saved since, in the place of the one recorded.
    Within an attempt names count on as steps do."""
    name = _BY_STEP.fullmatch(recorded.path.name)
    if name is None or not recorded.path.parent.is_dir():
        return None
    found = []
    for path in recorded.path.parent.iterdir():
        other = _BY_STEP.fullmatch(path.name)
        ahead = int(other[2]) - int(name[2]) if other and other[1] == name[1] else 0
        if ahead > 0 and any((path / file).is_file() for file in _WHOLE):
            found.append(SavedState(path, recorded.step + ahead))
    return max(found, key=lambda state: state.step, default=None)
