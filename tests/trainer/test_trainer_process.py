"""The trainer as a real process: its lines, its exit codes, its signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from loratui import events
from loratui.events import PREFIX, AnyEvent, decode_event


def start(config: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "loratui.trainer", "--config_file", str(config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def lines(process: subprocess.Popen[str]) -> Iterator[AnyEvent]:
    """The events as they come; every line of standard output must be one."""
    assert process.stdout is not None
    for line in process.stdout:
        assert line.startswith(PREFIX), line
        yield decode_event(line.removeprefix(PREFIX))


def test_sigterm_saves_and_ends_well(write_config: Any, tmp_path: Path) -> None:
    process = start(write_config(max_train_steps=100_000))
    told = []
    for event in lines(process):
        told.append(event)
        if isinstance(event, events.Step) and event.step == 2:
            process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    last = told[-1]
    assert isinstance(last, events.Ended)
    assert last.outcome == "stopped"
    assert last.step >= 2
    out = tmp_path / "out"
    assert {path.name for path in out.iterdir()} == {
        f"tiny-step{last.step:08d}.safetensors",
        f"tiny-step{last.step:08d}-state",
    }


def test_sigint_while_libraries_load_ends_at_once(write_config: Any, tmp_path: Path) -> None:
    process = start(write_config())
    told = []
    for event in lines(process):
        told.append(event)
        if isinstance(event, events.Phase) and event.name == "libraries":
            process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    assert told[-1] == events.Ended("stopped", 0, by_signal=signal.SIGINT)
    assert not (tmp_path / "out").exists()


def test_a_loss_that_is_no_number_ends_the_run(write_config: Any, tmp_path: Path) -> None:
    process = start(write_config(learning_rate=1e30, max_train_steps=50, save_every_n_epochs=1))
    told = list(lines(process))
    assert process.wait(30) == 1
    steps = [event for event in told if isinstance(event, events.Step)]
    assert steps[0].finite
    assert not steps[-1].finite
    assert steps[-1].loss is None
    assert len(steps) < 50
    message = [event for event in told if isinstance(event, events.Message)][-1]
    assert (message.level, message.key) == ("error", "loss_nan")
    assert "learning rate" in message.text
    assert isinstance(told[-1], events.Ended)
    assert told[-1].outcome == "failed"
    assert not (tmp_path / "out" / "tiny.safetensors").exists()


def test_a_refused_config_says_so_without_loading_anything(write_config: Any) -> None:
    process = start(write_config(learning_rte=1))
    told = list(lines(process))
    assert process.wait(30) == 2
    assert [event.name for event in told if isinstance(event, events.Phase)] == ["starting"]
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()


def test_nothing_is_imported_that_a_training_does_not_use(write_config: Any) -> None:
    code = """
import sys
from loratui.trainer.__main__ import main
assert main(sys.argv[1:]) == 0
heavy = ("diffusers", "transformers", "torch._dynamo", "torch._inductor", "sympy", "bitsandbytes", "peft")
print([name for name in heavy if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, "--config_file", str(write_config(save_state=True))],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip().splitlines()[-1] == "[]"
