"""Following a run in plain lines."""

from __future__ import annotations

import math
import time
from typing import Any

from loratui.cli.output import say
from loratui.events import ENDED, Hint
from loratui.runs.follow import RunFollower
from loratui.runs.hints.matcher import rule_for
from loratui.runs.store import Run
from loratui.runs.view import RunView

_POLL_SECONDS = 0.25
_LINE_SECONDS = 2.0


def follow(run: Run) -> RunView:
    """Print what happens until the run ends, and return how it ended. Ctrl+C leaves; the run goes on."""
    follower = RunFollower(run)
    narrator = _Narrator(run)
    try:
        while True:
            view = follower.poll()
            narrator.tell(view)
            if view.state in ENDED:
                return view
            time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        say(f"You left; the run goes on. Watch it again: loratui attach {run.id}")
        raise


class _Narrator:
    """Says each new thing once, and steps every few seconds."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._phase = ""
        self._step = 0
        self._spoke_at = -math.inf
        self._files = 0
        self._hints = 0
        self._messages = 0

    def tell(self, view: RunView) -> None:
        phase = " ".join(part for part in (view.phase.name, view.phase.detail) if part)
        if phase != self._phase:
            self._phase = phase
            say(phase)
        unseen = min(view.messages_seen - self._messages, len(view.messages))
        for message in view.messages[len(view.messages) - unseen :]:
            say(f"{message.level}: {message.text}")
        self._messages = view.messages_seen
        ended = view.state in ENDED
        if view.step != self._step and (ended or time.monotonic() - self._spoke_at >= _LINE_SECONDS):
            self._step, self._spoke_at = view.step, time.monotonic()
            say(step_line(view))
        for checkpoint in view.checkpoints[self._files :]:
            say(f"saved {checkpoint.path}")
        self._files = len(view.checkpoints)
        for hint in view.hints[self._hints :]:
            say(hint_line(hint))
        self._hints = len(view.hints)
        if ended:
            say(f"{view.state}{f': {view.reason}' if view.reason else ''}")
            if view.fatal_hints:
                say(f"What can be done about it: loratui fix {self._run.id}")


def hint_line(hint: Hint) -> str:
    """A known issue in one line: cause and fix."""
    row = rule_for(hint)
    return f"known issue {hint.key}: {row.cause} Try: {row.fix}" if row else f"known issue {hint.key}"


def step_line(view: RunView) -> str:
    """Where the run stands, in one line."""
    parts = [f"step {view.step:,}" + (f"/{view.total_steps:,}" if view.total_steps else "")]
    if view.loss is not None:
        parts.append(f"loss {view.loss:.4g}")
    elif not view.finite:
        parts.append("loss nan")
    if view.seconds_per_step:
        parts.append(f"{view.seconds_per_step:.2f} s/step")
    if view.images_per_second:
        parts.append(f"{view.images_per_second:.3g} images/s")
    if view.seconds_left is not None and view.state not in ENDED:
        parts.append(f"{duration(view.seconds_left)} left")
    return "  ".join(parts)


def duration(seconds: float) -> str:
    """Seconds as people say them: ``45 s``, ``12 min``, ``3 h 05 min``."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"


def result(run: Run, view: RunView) -> dict[str, Any]:
    """The keys of ``train --json`` and its kin."""
    return {
        "run": run.id,
        "folder": str(run.folder),
        "verdict": view.state,
        "reason": view.reason,
        "step": view.step,
        "total_steps": view.total_steps,
        "final_file": view.final_file or None,
        "first_loss": view.losses.first_mean(),
        "last_loss": view.losses.last_mean(),
        "seconds_per_step": view.seconds_per_step,
        "images_per_second": view.images_per_second,
        "hints": [hint.key for hint in view.hints],
    }
