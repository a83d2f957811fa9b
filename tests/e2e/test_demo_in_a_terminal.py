"""The whole way in a real terminal: Enter five times, lose the connection, come back, finished file."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from loratui.lora.checking.verify import problems
from loratui.runs import store
from tests.conftest import Loratui
from tests.support.processes import wait_for
from tests.support.terminal import Terminal

pytestmark = pytest.mark.timeout(280)

ENTER = "\r"
UP = "\x1b[A"
STEP = re.compile(r"step\s+(\d+)/")


def step_on(text: str) -> int:
    found = STEP.search(text)
    return int(found[1]) if found else 0


def test_enter_five_times_then_lose_the_terminal_and_come_back(demo_home: Path, loratui: Loratui) -> None:
    terminal = Terminal("demo", columns=80, rows=24)
    for step in ("Which model", "Where are the pictures", "What shall it", "How long", "Start"):
        terminal.wait_for(step)
        if step == "How long":
            terminal.press(UP)  # balanced: 6 epochs in place of 10
            terminal.wait_for("120 steps exactly")
        terminal.press(ENTER)
    terminal.wait_until(lambda text: step_on(text) >= 20, 120, "step 20")
    assert "noise" in terminal.text
    terminal.kill()

    (run,) = store.all_runs()
    at_kill = store.summary(run)
    assert at_kill.state == "running"
    wait_for(lambda: store.summary(run).step > at_kill.step + 3, what="a further step")

    again = Terminal(columns=120, rows=40)
    again.wait_for(r"RUNNING")
    again.wait_until(lambda text: step_on(text) > at_kill.step, 60, "the chart of the run")
    again.wait_for(r"FINISHED", timeout=150)
    again.press("q")
    assert again.wait_closed() == 0

    summary = store.summary(run)
    assert summary.state == "finished"
    assert Path(summary.final_file).parent == run.folder / "checkpoints"
    assert problems(Path(summary.final_file)) == []
    assert list((run.folder / "samples").glob("*.png"))
    listed = json.loads(loratui("runs", "--json").stdout)["runs"]
    assert [(row["state"], row["step"]) for row in listed] == [("finished", summary.total_steps)]


def test_leaving_with_q_lets_the_run_go_on_and_stop_saves(demo_home: Path, loratui: Loratui) -> None:
    started = json.loads(
        loratui("train", str(write_recipe(demo_home, epochs=400)), "--detach", "--json").stdout
    )
    terminal = Terminal()
    terminal.wait_until(lambda text: step_on(text) >= 2, 90, "the first steps")
    terminal.press("q")
    assert terminal.wait_closed() == 0
    run = store.find(started["run"])
    assert store.summary(run).state == "running"
    stopped = json.loads(loratui("stop", "--json").stdout)
    assert stopped["state"] == "stopped"
    assert list((run.folder / "checkpoints").glob("*-step*.safetensors"))
    assert list((run.folder / "checkpoints").glob("*-step*-state"))


def write_recipe(home: Path, epochs: int) -> Path:
    from loratui import demo
    from loratui.recipe import change, dumps

    path = home / "recipe.toml"
    path.write_text(dumps(change(demo.recipe(), {"steps.epochs": epochs, "samples.every_epochs": 0})))
    return path
