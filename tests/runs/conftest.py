"""Real supervisors over small trainers written by the tests."""

from __future__ import annotations

import os
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from loratui.engines.engine import Command, EngineStatus, Launch
from loratui.problems import Problem
from loratui.recipe import Base, Dataset, EngineName, Output, Recipe, Steps
from loratui.runs import launch, store
from loratui.runs.process import group_members, is_running
from loratui.runs.store import Run, Status

PRELUDE = '''
import json, os, signal, struct, subprocess, sys, time
from pathlib import Path

def say(event, **fields):
    os.write(1, b"@loratui " + json.dumps({"event": event, **fields}).encode() + b"\\n")

def plan(steps):
    say("planned", total_steps=steps, epochs=1, images=steps, batches_per_epoch=steps)

def step(number, loss=0.5):
    say("step", step=number, loss=loss)

def save(value=1.0):
    """A real, small LoRA in Kohya's format."""
    name = "lora_unet_down_blocks_0_attentions_0_proj_in"
    tensors = {f"{name}.lora_down.weight": 4, f"{name}.lora_up.weight": 4, f"{name}.alpha": 1}
    header, at = {}, 0
    for key, count in tensors.items():
        shape = [] if count == 1 else [1, 4] if "down" in key else [4, 1]
        header[key] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + 4 * count]}
        at += 4 * count
    text = json.dumps(header).encode()
    path = Path("checkpoints/hero.safetensors").absolute()
    path.write_bytes(struct.pack("<Q", len(text)) + text + struct.pack(f"<{at // 4}f", *[value] * (at // 4)))
    say("checkpoint", path=str(path), step=1, final=True)

def save_state(number):
    folder = Path(f"checkpoints/hero-{number:06d}-state")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train_state.json").write_text(json.dumps({"current_step": number}))
    say("state", path=str(folder.absolute()), step=number)
'''


@dataclass
class ScriptEngine:
    """An engine whose trainer is a script of the test's own, speaking the builtin trainer's lines."""

    script: Path
    env: Mapping[str, str] = field(default_factory=dict)
    refusals: tuple[Problem, ...] = ()
    name: EngineName = "builtin"
    saves_on_stop: bool = True

    def status(self) -> EngineStatus:
        return EngineStatus(True, "ready")

    def supports(self, recipe: Recipe) -> list[Problem]:
        return list(self.refusals)

    def prepare(
        self, recipe: Recipe, run_folder: Path, resume: Path | None = None, steps_done: int = 0
    ) -> Launch:
        argv = (sys.executable, str(self.script), *([str(resume)] if resume else []))
        return Launch(Command(argv, self.env, run_folder), {"config.toml": "# for the test\n"})


@pytest.fixture
def recipe() -> Recipe:
    return Recipe(
        base=Base(model="/models/base.safetensors", family="sd15"),
        dataset=Dataset(folder="/data/hero"),
        steps=Steps(epochs=1),
        output=Output(name="hero"),
    )


Begin = Callable[..., Run]


@pytest.fixture
def script_engine(tmp_path: Path) -> Callable[..., ScriptEngine]:
    """Makes an engine from the body of a trainer."""

    def make(body: str, **more: object) -> ScriptEngine:
        script = tmp_path / f"trainer{len(list(tmp_path.glob('trainer*.py')))}.py"
        script.write_text(PRELUDE + textwrap.dedent(body))
        return ScriptEngine(script, **more)  # type: ignore[arg-type]

    return make


@pytest.fixture
def begin(home: Path, recipe: Recipe, script_engine: Callable[..., ScriptEngine]) -> Iterator[Begin]:
    """Starts a run of a trainer's body; whatever is left of it is ended after the test."""
    begun: list[Run] = []

    def start(body: str, **more: object) -> Run:
        run = launch.start(recipe, script_engine(body, **more))
        begun.append(run)
        return run

    yield start
    for run in begun:
        status = store.read_status(run)
        if status is None:
            continue
        for identity in (status.supervisor, status.trainer):
            if identity is not None and is_running(identity):
                os.kill(identity.pid, 9)
        for pid in group_members(status.trainer.pid) if status.trainer else []:
            os.kill(pid, 9)


def _until(look: Callable[[], object], timeout: float = 20) -> object:
    deadline = time.monotonic() + timeout
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.02)
    return found


@pytest.fixture
def until() -> Callable[..., object]:
    """Waits for a condition."""
    return _until


@pytest.fixture
def verdict() -> Callable[[Run], Status]:
    """Waits for a run's end and for its supervisor to be gone."""

    def wait(run: Run) -> Status:
        def ended() -> Status | None:
            status = store.read_status(run)
            over = status and status.state in ("finished", "failed", "stopped")
            return status if over and not is_running(status.supervisor) else None  # type: ignore[union-attr, arg-type]

        status = _until(ended)
        assert isinstance(status, Status)
        return status

    return wait
