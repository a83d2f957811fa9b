"""How a supervisor comes to its verdict once the trainer has ended: exit code, files, loss, requests."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import msgspec

from loratui import recipe
from loratui.engines.engine import Command
from loratui.engines.kohya import launch as kohya_launch
from loratui.events import Hint
from loratui.problems import Problem, UserError
from loratui.runs.hints import matcher as hints
from loratui.runs.hints import rules as hint_rules
from loratui.runs.supervision.effect import nothing_in
from loratui.runs.supervision.progress import Progress
from loratui.runs.supervision.stopping import Stop
from loratui.runs.supervision.verdict import SAID, Facts, decide, ending_signal

Inspection = Callable[[Path], list[Problem]]


def conclude(
    progress: Progress, command: Command, inspect: Inspection, stop: Stop, out_of_memory: Hint | None
) -> None:
    """The verdict, as the last event and status. ``inspect`` tells what is wrong with a LoRA file;
    ``out_of_memory`` is what the kernel says of a kill."""
    status = progress.status
    code = status.exit_code or 0
    if progress.says_stopped and not stop.asked and not code:
        # It saved and left in good order, but nobody here had asked for that.
        code = -(progress.stopped_by or signal.SIGTERM)
    final = (command.cwd / status.final_file) if status.final_file else None
    killed = out_of_memory is not None and not stop.asked and code != 0
    if killed or (ending_signal(code) == signal.SIGKILL and not stop.asked):
        progress.add(out_of_memory or Hint("oom_ram", "fatal", "the trainer was killed (SIGKILL)"))
    elif not stop.asked and not progress.fatal_hint and (hint := hint_rules.ended_by(ending_signal(code))):
        progress.add(hint)
    file_problem = _file_problem(final, inspect)
    facts = Facts(
        exit_code=-signal.SIGTERM if stop.asked and progress.ended_by_stop else code,
        stop_asked=stop.asked,
        grace_ran_out=stop.ran_out,
        step=status.step,
        total_steps=status.total_steps,
        finite=progress.finite,
        final_file=str(final or ""),
        file_problem=file_problem,
        no_effect=nothing_in(final) if final and not file_problem else "",
        state_saved=progress.state_saved,
        hint=_what_to_do(progress, signal.SIGKILL if killed else ending_signal(code)),
        error=progress.last_error,
        written_elsewhere=kohya_launch.writes_elsewhere(command),
        out_of_memory=killed,
    )
    state, reason = decide(facts)
    if state == "finished" and not facts.written_elsewhere:
        if facts.no_effect:
            progress.add(Hint(hint_rules.NO_EFFECT, "quality", facts.no_effect))
        _hint_on_numbers(progress)
    progress.status = msgspec.structs.replace(progress.status, final_file=facts.final_file)
    progress.set_state(state, reason)


def _what_to_do(progress: Progress, number: int) -> str:
    """Cause and fix of the trouble; the fix alone where the signal's own words name the cause."""
    row = hints.rule(progress.fatal_key) if SAID.get(number) == progress.fatal_key else None
    return row.fix if row else progress.fatal_hint


def _file_problem(path: Path | None, inspect: Inspection) -> str:
    if path is None:
        return ""
    if not path.is_file():
        return "it is not there."
    try:
        return " ".join(str(problem) for problem in inspect(path)[:1])
    except (OSError, ValueError, UserError) as error:
        return str(error)


def _hint_on_numbers(progress: Progress) -> None:
    try:
        decided = recipe.loads(progress.run.recipe.read_text(encoding="utf-8"))
    except (OSError, ValueError, UserError):
        return
    hint = hint_rules.without_effect(decided, progress.status.step, progress.rates)
    if hint is not None:
        progress.add(hint)


def inspect_file(path: Path) -> list[Problem]:
    """What is wrong with a LoRA file."""
    from loratui.lora.checking import verify

    return verify.problems(path)
