"""What Enter and the digits lead to: one verdict from what is known. Nothing is shown or done here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from loratui.problems import Problem
from loratui.tui.text import sentence
from loratui.tui.wizard.answers.state import WizardState
from loratui.tui.wizard.panes.arranging import Unarranged
from loratui.tui.wizard.steps import REVIEW, STEPS

_TRIGGER = STEPS.index("Trigger") + 1

Act = Literal["wait", "arrange", "ask again", "refuse", "warn", "go", "return", "start"]
"""``wait`` for what is still looked up; ``arrange`` the pictures, then go on; ``ask again`` what the engine
lacks; ``refuse``: a value must change; ``warn``: a person may go on in spite of it; ``return`` to a step
that is not in order."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What the screens know beside the state."""

    known: bool = True
    """Whether everything that Enter needs has been looked up."""
    doubts: Mapping[int, str] = field(default_factory=dict)
    """What speaks against going on though it is possible, by step, in sentences."""
    asked_again: bool = False
    """Whether the engine was asked once more before its problem is said."""
    awaited: bool = False
    """Whether something of the base model is still to be fetched."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What Enter does."""

    act: Act
    words: str = ""
    """To be said; for ``refuse`` where no field shows the problem."""
    step: int = 0
    """Where ``go`` and ``return`` lead, and what a ``warn`` on Review is about."""
    problem: Problem | None = None
    """What ``refuse`` and ``return`` are about."""


def enter(state: WizardState, step: int, sight: Sight) -> Verdict:
    """The answer to Enter on a step."""
    if not sight.known:
        return Verdict("wait", "One moment: still looking. It goes on by itself.")
    problems = state.problems(step)
    if problems:
        return _against(problems[0], step, sight)
    if step < REVIEW:
        if doubt := sight.doubts.get(step):
            return Verdict("warn", f"{doubt} ctrl+y goes on all the same.")
        return Verdict("go", step=_following(state, step))
    wrong = state.first_problem()
    if wrong is not None:
        problem = state.problems(wrong)[0]
        return Verdict("return", sentence(problem), wrong, problem)
    for doubtful, doubt in sorted(sight.doubts.items()):  # found after a person went on
        words = f"Step {doubtful}: {doubt} {doubtful} goes there, ctrl+y starts anyway."
        return Verdict("warn", words, doubtful)
    return Verdict("start")


def _against(problem: Problem, step: int, sight: Sight) -> Verdict:
    if isinstance(problem, Unarranged):
        return Verdict("arrange")
    if problem.key.startswith("launch.") and not sight.asked_again:
        return Verdict("ask again")  # what was missing may have been set up meanwhile
    if doubt := sight.doubts.get(step):
        words = doubt  # it names the keys that mend it
    elif step == REVIEW and sight.awaited:
        words = "The base model is not on this disk yet: d fetches it, and you can start then."
    else:
        words = sentence(problem)
        if problem.key == "train_data_dir":
            words += " Or ctrl+t, then f, leaves it out of a copy."
    return Verdict("refuse", words, problem=problem)


def jump(state: WizardState, step: int, to: int, seen: int, sight: Sight) -> str:
    """What stands in the way of going to a step by its digit; empty for nothing. ``seen`` is the furthest
    reached."""
    wrong = state.first_problem(before=to)
    if wrong is not None or to > seen + 1:
        return f"First finish step {wrong or seen}."
    doubt = sight.doubts.get(step) if to > step else ""
    return f"{doubt} ctrl+y goes on all the same." if doubt else ""


def _following(state: WizardState, step: int) -> int:
    """The next step whose question is still open: a trigger word that every caption says is none."""
    return step + 2 if step + 1 == _TRIGGER and state.trigger_is_said else step + 1
