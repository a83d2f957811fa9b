"""How a run ended, from everything that is known. Exit codes alone lie: sd-scripts exits 0 when it finds no
picture, and when every weight is NaN."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

_STOP_SIGNALS = frozenset({signal.SIGTERM, signal.SIGKILL})

_NO_EFFECT_FIX = "Check that the learning rates are above 0 and train again."

_SIGNALS = {
    signal.SIGKILL: "was killed, most likely because the machine ran out of memory (system RAM)",
    signal.SIGTERM: "was told to end (SIGTERM) by something outside loratui (the pod, a scheduler, somebody)",
    signal.SIGINT: "was interrupted (SIGINT) by something outside loratui",
    signal.SIGHUP: "was cut off with its session (SIGHUP)",
    signal.SIGSEGV: "crashed in native code (SIGSEGV): a broken binary package, or faulty memory",
    signal.SIGABRT: "aborted in native code (SIGABRT): a broken binary package, or a driver fault",
    signal.SIGBUS: "crashed (SIGBUS): shared memory or the disk ran out, or a file in use was cut short",
    signal.SIGILL: "crashed (SIGILL): a package was built for another processor",
    signal.SIGFPE: "crashed in native code (SIGFPE): a broken binary package",
    signal.SIGXCPU: "used up the CPU time that this shell or job allows (SIGXCPU)",
    signal.SIGXFSZ: "wrote a file larger than this shell or job allows (SIGXFSZ)",
}

SAID: Mapping[int, str] = {
    signal.SIGTERM: "sig_term",
    signal.SIGHUP: "sig_term",
    signal.SIGINT: "user_stop",
    signal.SIGKILL: "oom_ram",
}
"""Hints whose cause the words above name already: it would only be said again."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known when a trainer has ended."""

    exit_code: int
    """Negative for the signal that ended it."""
    stop_asked: bool = False
    grace_ran_out: bool = False
    step: int = 0
    total_steps: int | None = None
    finite: bool = True
    final_file: str = ""
    file_problem: str = ""
    """What is wrong with the final file."""
    no_effect: str = ""
    """Why the final file, sound as it is, changes nothing."""
    state_saved: bool = False
    hint: str = ""
    """Cause and fix of the first fatal hint."""
    error: str = ""
    """The trainer's last error message."""
    written_elsewhere: bool = False
    """This machine helped: another one writes the LoRA file, and knows how far the run came."""
    out_of_memory: bool = False
    """The kernel says it killed a process here for want of RAM."""


def decide(facts: Facts) -> tuple[Literal["finished", "stopped", "failed"], str]:
    """The final state and its reason in plain words."""
    failure = _failure(facts)
    if not failure and facts.written_elsewhere:
        return "finished", "This machine's part is done. The LoRA file is on machine 0, whose run judges it."
    if not failure:
        done = f"All {facts.step} steps are done and the LoRA file is whole"
        if facts.no_effect:
            return "finished", f"{done}, but it does nothing: {facts.no_effect}. {_NO_EFFECT_FIX}"
        return "finished", f"{done}."
    if facts.stop_asked and (facts.exit_code == 0 or ending_signal(facts.exit_code) in _STOP_SIGNALS):
        return "stopped", _stopped(facts)
    return "failed", failure


def ending_signal(exit_code: int) -> int:
    """The signal that ended a process, also as a shell or launcher reports it (128 + n); 0 for none."""
    if exit_code < 0:
        return -exit_code
    return exit_code - 128 if 128 < exit_code < 128 + signal.NSIG else 0


def _stopped(facts: Facts) -> str:
    text = f"Stopped as asked, {_where(facts)}."
    if facts.grace_ran_out:
        text += " The trainer did not end by itself and was killed."
    if facts.state_saved:
        text += " Resume goes on from the last saved state."
    return text


def _failure(facts: Facts) -> str:
    """Why this is not a finished run; empty when it is one."""
    why = f" {facts.hint or facts.error}".rstrip()
    if facts.exit_code:
        return f"The trainer {_ending(facts)} {_where(facts)}.{why}"
    if not facts.finite:
        default = " Start again with a learning rate ten times lower, or with bf16."
        return f"The loss is not a number (NaN), so the LoRA is dead.{why or default}"
    if facts.written_elsewhere:
        return ""
    if not facts.final_file:
        return f"The trainer ended {_where(facts)} without writing a LoRA.{why}"
    if facts.file_problem:
        return f"The LoRA file {facts.final_file} is not good: {facts.file_problem}{why}"
    if facts.total_steps is not None and facts.step < facts.total_steps:
        return f"The trainer ended early, {_where(facts)}.{why}"
    return ""


def _ending(facts: Facts) -> str:
    number = ending_signal(facts.exit_code)
    if facts.out_of_memory:
        return "was killed: the machine ran out of memory (system RAM)"
    if not number:
        return f"failed (exit code {facts.exit_code})"
    try:
        return _SIGNALS.get(signal.Signals(number), f"was ended by {signal.Signals(number).name}")
    except ValueError:
        return f"was ended by signal {number}"


def _where(facts: Facts) -> str:
    if not facts.step:
        return "before its first step"
    of = "" if facts.total_steps is None else f" of {facts.total_steps}"
    return f"at step {facts.step}{of}"
