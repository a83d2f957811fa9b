"""Whole screens as text, beside what they showed when somebody last looked at them and liked it.

With ``LORATUI_SNAPSHOTS=write`` they are written anew: look at the difference.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from loratui import demo
from loratui.events import Checkpoint, Hint, Sample, StateChanged
from loratui.runs.hardware import gpu, host, machine
from loratui.tui.app import LoratuiApp
from loratui.tui.wizard.screen import WizardScreen
from loratui.tui.wizard.steps import REVIEW
from tests.support.still import settle
from tests.tui.conftest import make_model

FOLDER = Path(__file__).parent / "snapshots"
SIZES = [(80, 24), (100, 30), (140, 45)]
_GIB = 1 << 30


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home whose path is always of the same length, on a machine that is always the same."""
    home = Path(tempfile.mkdtemp(prefix="lora-", dir="/tmp"))
    monkeypatch.setenv("LORATUI_HOME", str(home))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)
    monkeypatch.setattr(gpu, "sample", lambda: gpu.GpuReading((), gpu.NO_GPU))
    monkeypatch.setattr(machine, "free_bytes", lambda folder: 75 * 10**9)
    seen = host.Host(2 * _GIB, 16 * _GIB, False, 70 * _GIB)
    monkeypatch.setattr(host, "sample", lambda folder: seen)
    yield home
    shutil.rmtree(home, ignore_errors=True)


def check(name: str, size: tuple[int, int], text: str, home: Path) -> None:
    """Compare with what is kept, without what differs from day to day."""
    text = text.replace(str(home), "/tmp/lora-........")
    text = re.sub(r"\d{8}-\d{6}", "........-......", text)
    lines = [line.rstrip() for line in text.split("\n")]
    kept = FOLDER / f"{name}-{size[0]}x{size[1]}.txt"
    shown = "\n".join(lines) + "\n"
    if os.environ.get("LORATUI_SNAPSHOTS") == "write":
        FOLDER.mkdir(exist_ok=True)
        kept.write_text(shown, encoding="utf-8")
    assert shown == kept.read_text(encoding="utf-8"), f"{kept.name} shows something else now"


async def shown(pilot: Pilot[None], screen_text: Any) -> str:
    """The screen once nothing is under way, with what the panel has learnt from its files and the machine."""
    await settle(pilot)
    return str(screen_text(pilot.app))


@pytest.mark.parametrize("size", SIZES)
def test_the_wizard_step_by_step(still: Path, drive: Any, screen_text: Any, size: tuple[int, int]) -> None:
    demo.make_pictures()
    make_model(demo.folder() / "model")

    async def act(pilot: Pilot[None]) -> dict[int, str]:
        seen: dict[int, str] = {}
        while REVIEW not in seen:
            text = await shown(pilot, screen_text)
            screen = pilot.app.screen
            assert isinstance(screen, WizardScreen)
            assert screen.step not in seen
            seen[screen.step] = text
            if screen.step < REVIEW:
                await pilot.press("enter")
        return seen

    seen = drive(LoratuiApp(demo.recipe()), act, size)
    assert len(seen) >= REVIEW - 1  # the trigger is not asked for where every caption says it
    for step, text in seen.items():
        check(f"wizard-{step}", size, text, still)


@pytest.mark.parametrize("size", SIZES)
def test_a_run_that_goes_on_and_one_that_failed(
    still: Path, make_run: Any, training: Any, alive: Any, drive: Any, screen_text: Any, size: tuple[int, int]
) -> None:
    middle = [
        Checkpoint("checkpoints/demo-000005.safetensors", 100, 5),
        Sample("samples/a.png", 100, "a cat"),
    ]
    running = make_run(*training(124), *middle)
    alive(running)
    running.output.write_text("".join(f"line {number} of the log\n" for number in range(40)))
    hint = Hint("oom_cuda", "fatal", "torch.OutOfMemoryError: CUDA out of memory.")
    failed = make_run(*training(30), hint, StateChanged("failed", "The GPU ran out of memory."))

    async def act(pilot: Pilot[None]) -> str:
        return await shown(pilot, screen_text)

    check("panel-running", size, drive(LoratuiApp(run_id=running.id), act, size), still)
    check("panel-failed", size, drive(LoratuiApp(run_id=failed.id), act, size), still)
