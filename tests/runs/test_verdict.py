"""The verdict looks further than the exit code."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loratui.runs.supervision.verdict import Facts, decide, ending_signal

GOOD = Facts(exit_code=0, step=10, total_steps=10, final_file="/x.safetensors")


def test_a_finished_run() -> None:
    assert decide(GOOD) == ("finished", "All 10 steps are done and the LoRA file is whole.")
    assert decide(replace(GOOD, stop_asked=True))[0] == "finished"
    assert decide(replace(GOOD, total_steps=None))[0] == "finished"


def test_a_machine_that_only_helped() -> None:
    helped = replace(GOOD, step=0, final_file="", written_elsewhere=True)
    state, reason = decide(helped)
    assert state == "finished"
    assert "machine 0" in reason
    assert decide(replace(helped, exit_code=1))[0] == "failed"
    assert decide(replace(helped, finite=False))[0] == "failed"


def test_a_finished_run_whose_lora_does_nothing() -> None:
    state, reason = decide(replace(GOOD, no_effect="all its 3 modules hold a half of zeros, strength 0"))
    assert state == "finished"
    assert "does nothing: all its 3 modules" in reason
    assert "learning rates" in reason


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (replace(GOOD, exit_code=1), "exit code 1"),
        (replace(GOOD, exit_code=1, hint="The disk is full. Free some."), "The disk is full. Free some."),
        (replace(GOOD, exit_code=1, error="No model."), "No model."),
        (replace(GOOD, exit_code=-9), "out of memory (system RAM)"),
        (replace(GOOD, exit_code=137), "out of memory (system RAM)"),
        (replace(GOOD, exit_code=1, out_of_memory=True), "out of memory (system RAM)"),
        (replace(GOOD, exit_code=-11), "SIGSEGV"),
        (replace(GOOD, exit_code=-15), "outside loratui"),
        (replace(GOOD, finite=False), "NaN"),
        (replace(GOOD, finite=False), "learning rate ten times lower"),
        (replace(GOOD, finite=False, hint="fp16 overflows."), "the LoRA is dead. fp16 overflows."),
        (replace(GOOD, final_file=""), "without writing a LoRA"),
        (replace(GOOD, file_problem="it is cut short."), "it is cut short."),
        (replace(GOOD, step=4), "step 4 of 10"),
        (replace(GOOD, exit_code=3, stop_asked=True), "exit code 3"),
    ],
)
def test_a_failed_run(facts: Facts, words: str) -> None:
    state, reason = decide(facts)
    assert state == "failed"
    assert words in reason


@pytest.mark.parametrize("code", [0, -15, -9, 143, 137])
def test_a_stopped_run(code: int) -> None:
    facts = replace(GOOD, exit_code=code, stop_asked=True, step=4, final_file="", state_saved=True)
    assert decide(facts) == (
        "stopped",
        "Stopped as asked, at step 4 of 10. Resume goes on from the last saved state.",
    )


@given(st.integers(-200, 255), st.booleans(), st.booleans())
def test_any_exit_code_gets_a_sentence(code: int, stop_asked: bool, finite: bool) -> None:
    state, reason = decide(replace(GOOD, exit_code=code, stop_asked=stop_asked, finite=finite))
    assert reason.endswith(".")
    assert (state == "finished") == (code == 0 and finite)
    assert ending_signal(code) >= 0


@pytest.mark.parametrize(
    ("code", "number"),
    [(-1, 1), (-9, 9), (0, 0), (1, 0), (128, 0), (129, 1), (192, 64), (193, 0), (255, 0)],
)
def test_the_signal_that_ended_it_as_python_and_as_a_shell_tell_it(code: int, number: int) -> None:
    assert ending_signal(code) == number
