"""Verdict, step, total and loss from a log alone."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loratui.events import PREFIX, Ended, Event, Planned, Step, encode
from loratui.runs.hints import matcher as hints
from loratui.runs.hints import rules as hint_rules
from loratui.runs.hints.diagnose import Diagnosis, diagnose

PLAN = "  total optimization steps / x: 40\n"
OOM = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB\n"
ECHO = "subprocess.CalledProcessError: Command '['x']' returned non-zero exit status 1.\n"


def bar(step: int, loss: str = "0.12", total: int = 40) -> str:
    drawn = f"steps:  12%|█▎    | {step}/{total} [02:10<15:56,  1.09s/it, avr_loss={loss}]"
    return f"{drawn}\r{drawn}\r"


def of(*texts: str) -> Diagnosis:
    return diagnose([text.encode()] for text in texts)


def builtin(*events: Event) -> str:
    return "".join(f"{PREFIX}{encode(event).decode()}\n" for event in events)


@pytest.mark.parametrize(
    ("log", "verdict", "step", "total", "loss"),
    [
        (PLAN + bar(1) + bar(40) + "\nmodel saved.\n", "finished", 40, 40, 0.12),
        (PLAN + bar(1) + bar(7), "incomplete", 7, 40, 0.12),
        (
            PLAN + bar(1) + bar(7) + "\nTraceback (most recent call last):\nKeyboardInterrupt\n",
            "stopped",
            7,
            40,
            0.12,
        ),
        (PLAN + bar(1) + bar(7) + OOM + ECHO, "failed", 7, 40, 0.12),
        (
            PLAN + bar(1) + bar(7) + "\nTraceback (most recent call last):\nMyError: odd\n",
            "failed",
            7,
            40,
            0.12,
        ),
        (PLAN + bar(1) + bar(2, "nan") + "\nmodel saved.\n", "failed", 2, 40, None),
        ("No data found. Please verify arguments\n", "failed", 0, None, None),
        (
            "Steps:  12%|#   | 120/1000 [02:10<15:56,  1.09s/it, lr=0.01, step_loss=0.3]\n",
            "incomplete",
            120,
            1000,
            0.3,
        ),
        ("", "incomplete", 0, None, None),
        (builtin(Planned(9, 1, 9, 9), Step(9, loss=0.5), Ended("finished", 9, "x")), "finished", 9, 9, 0.5),
        (builtin(Planned(9, 1, 9, 9), Step(4, loss=0.5), Ended("stopped", 4)), "stopped", 4, 9, 0.5),
        (builtin(Planned(9, 1, 9, 9), Step(4, finite=False), Ended("finished", 9)), "failed", 9, 9, None),
    ],
)
def test_a_log(log: str, verdict: str, step: int, total: int | None, loss: float | None) -> None:
    found = of(log)
    assert (found.verdict, found.step, found.total_steps, found.loss) == (verdict, step, total, loss)


def test_the_streams_in_two_files() -> None:
    found = of(PLAN + "model saved.\n", bar(1) + bar(40))
    assert (found.verdict, found.step) == ("finished", 40)
    assert of(PLAN, bar(7) + OOM).hints[0].key == "oom_cuda"


def test_a_new_attempt_in_the_same_log_is_judged_alone() -> None:
    log = PLAN + bar(1) + bar(7) + OOM + PLAN + bar(1) + bar(40) + "\nmodel saved.\n"
    assert (of(log).verdict, of(log).hints) == ("finished", ())
    again = of(log + PLAN + bar(3) + OOM)
    assert (again.verdict, [hint.key for hint in again.hints]) == ("failed", ["oom_cuda"])


def test_what_a_run_survived_is_no_failure() -> None:
    assert of(PLAN + bar(1) + "\n" + OOM + bar(2) + bar(39)).verdict == "incomplete"
    assert of(PLAN + bar(1) + "\n" + OOM + bar(2)).verdict == "failed"


def test_nan_from_the_first_step_is_not_the_rate() -> None:
    (first,) = of(PLAN + bar(1, "nan")).hints
    (later,) = of(PLAN + bar(1) + bar(9, "nan")).hints
    assert first.key == later.key == "loss_nan"
    assert "kohya.no_half_vae" in first.change
    assert "optimizer.unet_rate" in later.change


def test_utf16_of_powershell() -> None:
    assert [hint.key for hint in diagnose([[OOM.encode("utf-16")]]).hints] == ["oom_cuda"]


@given(st.lists(st.integers(1, 60), min_size=1, max_size=8))
def test_cut_anywhere_is_the_same(sizes: list[int]) -> None:
    data = (PLAN + bar(1) + bar(7) + "\n" + OOM + ECHO).encode()
    pieces, at, index = [], 0, 0
    while at < len(data):
        size = sizes[index % len(sizes)]
        pieces.append(data[at : at + size])
        at, index = at + size, index + 1
    assert diagnose([pieces]) == diagnose([[data]])


def test_a_hang_is_told_from_a_slow_step() -> None:
    steps = [10.0] * 9
    assert hint_rules.no_progress(199, steps, "training") is None
    hint = hint_rules.no_progress(201, steps, "training")
    assert hint is not None and hints.rule(hint.key) is not None
    assert hint_rules.no_progress(201, steps, "saving") is None
    assert hint_rules.no_progress(201, steps[:2], "training") is None
    assert hint_rules.no_progress(60, [0.1] * 9, "training") is None


def test_rules_on_the_machine() -> None:
    assert hint_rules.disk_low(1 << 30, 0) is None
    assert hint_rules.disk_low(1_000, 0) is not None
    assert hint_rules.disk_low(300 << 20, 100 << 20) is None
    assert hint_rules.oom_kill(1, 1) is None
    assert hint_rules.gpu_throttled(["idle", "sw power cap"]) is None
    assert hint_rules.gpu_shared(9, 100) is None
    for hint in (
        hint_rules.disk_low(299 << 20, 100 << 20),
        hint_rules.oom_kill(0, 1),
        hint_rules.gpu_throttled(["SW thermal slowdown"]),
        hint_rules.gpu_shared(10, 100),
    ):
        assert hint is not None
        row = hints.rule(hint.key)
        assert row is not None and row.severity == hint.severity


def test_a_recorded_terminal_is_read_by_what_it_showed() -> None:
    """As asciinema writes it, with what was typed in between; cut anywhere."""
    lines = ['{"version": 2, "width": 80, "height": 24}', '[0.5, "i", "model saved."]']
    lines += [json.dumps([at / 10, "o", text]) for at, text in enumerate((PLAN, bar(1), bar(40)))]
    cast = "\n".join([*lines, '[9, "o", "\\nmodel saved.\\r\\n"]']).encode()
    whole = diagnose([[cast]])
    assert (whole.verdict, whole.step, whole.total_steps, whole.loss) == ("finished", 40, 40, 0.12)
    assert diagnose([[cast[at : at + 200] for at in range(0, len(cast), 200)]]) == whole


@pytest.mark.parametrize(
    ("number", "key"),
    [(11, "sig_segv"), (5, "sig_segv"), (1, "sig_term"), (10, "sig_term"), (24, "resource_limit")],
)
def test_a_signal_alone_tells_something(number: int, key: str) -> None:
    hint = hint_rules.ended_by(number)
    assert hint is not None
    assert (hint.key, hint.severity) == (key, "fatal")


@pytest.mark.parametrize("number", [0, 9, 99])
def test_a_signal_that_alone_tells_nothing(number: int) -> None:
    assert hint_rules.ended_by(number) is None


def test_an_interrupted_trainer_has_nothing_wrong_with_it() -> None:
    hint = hint_rules.ended_by(2)
    assert hint is not None
    assert (hint.key, hint.severity) == ("user_stop", "info")
