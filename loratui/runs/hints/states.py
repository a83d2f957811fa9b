"""What a person did about a run's hints: kept with the run, in hints.json."""

from __future__ import annotations

import time
from typing import Literal

import msgspec

from loratui.problems import Problem, UserError
from loratui.runs.files import replace_file
from loratui.runs.layout import Run

HintState = Literal["new", "applied", "dismissed"]


class Decision(msgspec.Struct, frozen=True):
    """One row of hints.json."""

    state: Literal["applied", "dismissed"]
    at: float
    """Wall clock, seconds since 1970. A hint met again later is new again."""
    run: str = ""
    """The run that was started with the fix."""
    did: tuple[str, ...] = ()
    """The changes made, or the command run, in words."""


def decisions(run: Run) -> dict[str, Decision]:
    """By hint key; empty when nothing was decided, or when it cannot be read."""
    try:
        return msgspec.json.decode((run.folder / "hints.json").read_bytes(), type=dict[str, Decision])
    except (OSError, ValueError):
        return {}


def decide(
    run: Run,
    key: str,
    state: Literal["applied", "dismissed"],
    *,
    by: str = "",
    did: tuple[str, ...] = (),
    at: float | None = None,
) -> None:
    """Note what was done about a hint, now or at a wall clock time. Raises ``UserError`` when it cannot be
    written."""
    now = {**decisions(run), key: Decision(state, time.time() if at is None else at, by, did)}
    try:
        replace_file(run.folder / "hints.json", msgspec.json.format(msgspec.json.encode(now)))
    except OSError as error:
        raise UserError(
            str(run.folder), Problem("", f"it cannot be noted there: {error.strerror}.", "Free some space.")
        ) from None


def state_of(key: str, met_at: float, decided: dict[str, Decision]) -> HintState:
    """Where a hint stands that was last met at ``met_at`` (wall clock)."""
    decision = decided.get(key)
    return decision.state if decision is not None and decision.at >= met_at else "new"
