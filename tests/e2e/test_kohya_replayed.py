"""The whole kohya engine without sd-scripts: launch, reading, killing the group, resuming, verdict. The real
``accelerate launch`` starts a program that replays recorded runs of sd-scripts with their timing."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TypeVar

import pytest
from PIL import Image

from loratui.engines.kohya.engine import KohyaEngine
from loratui.events import ENDED, Checkpoint, Event, Message, Planned, StateSaved, Step
from loratui.problems import UserError
from loratui.recipe import Base, Dataset, Output, Recipe, Steps, Training, change
from loratui.runs import launch, store
from loratui.runs.follow import RecordReader
from loratui.runs.layout import Run, Status, read_status
from loratui.runs.lock import is_held
from loratui.runs.process import group_members
from tests.support import loras, transcripts
from tests.support.processes import wait_for

Kind = TypeVar("Kind", bound=Event)
RECORDED = {"LORATUI_REPLAY": "wide_epochs", "LORATUI_REPLAY_RESUMED": "wide_resumed"}
"""12 steps in three epochs; the second goes on after the first epoch, with a bar that counts from 0 again."""


@pytest.fixture
def recipe(demo_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """A recipe of the recorded run: 4 pictures shown twice, batches of two, three epochs."""
    checkout = tmp_path / "sd-scripts"
    (checkout / "venv/bin").mkdir(parents=True)
    python = checkout / "venv/bin/python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    shutil.copyfile(
        Path(__file__).parent.parent / "support/replayed_sd_scripts.py", checkout / "train_network.py"
    )
    monkeypatch.setenv("LORATUI_KOHYA", str(checkout))
    for variable, name in RECORDED.items():
        monkeypatch.setenv(variable, str(transcripts.FOLDER / f"{name}.jsonl"))
    made = loras.write_arrays(tmp_path / "made.safetensors", loras.kohya(loras.SD15))
    monkeypatch.setenv("LORATUI_REPLAY_LORA", str(made))
    monkeypatch.setenv("LORATUI_REPLAY_SPEED", "40")
    pictures = tmp_path / "data/2_ohwx"
    pictures.mkdir(parents=True)
    for number in range(4):
        Image.new("RGB", (64, 64), (60 * number, 90, 30)).save(pictures / f"{number}.png")
    model = next((demo_home / "demo").glob("*/model_index.json")).parent
    return Recipe(
        base=Base(model=str(model), family="sd15"),
        dataset=Dataset(folder=str(pictures.parent)),
        steps=Steps(epochs=3, batch_size=2),
        training=Training(resolution=(64, 64), bucket_min=64, bucket_max=128),
        output=Output(name="hero"),
        launch=change(Recipe(), {"launch.engine": "kohya"}).launch,
    )


def ended(run: Run) -> Status:
    def look() -> Status | None:
        status = read_status(run)
        return status if status and status.state in ENDED and not is_held(run.lock) else None

    status = wait_for(look, 90, "the end of the run")
    assert status is not None
    return status


def of(run: Run, kind: type[Kind]) -> list[Kind]:
    return [record.event for record in RecordReader(run.events).poll() if isinstance(record.event, kind)]


def test_stopped_resumed_and_finished(recipe: Recipe) -> None:
    run = launch.start(recipe, KohyaEngine())
    wait_for(lambda: of(run, StateSaved), 90, "a state")
    status = read_status(run)
    assert status is not None and status.trainer is not None
    group = status.trainer.pid
    assert len(group_members(group)) == 2  # accelerate's launcher, and the trainer it started
    launch.request_stop(run)
    status = ended(run)
    assert status.state == "stopped"
    assert group_members(group) == []
    assert 4 <= status.step < 12
    (state,) = of(run, StateSaved)[:1]
    assert state.step == 4

    launch.resume(run, KohyaEngine())
    status = ended(run)
    assert (status.state, status.step, status.total_steps) == ("finished", 12, 12), status.reason
    assert Path(status.final_file).name == "hero.safetensors"
    plans = of(run, Planned)
    assert [(plan.first_step, plan.total_steps) for plan in plans] == [
        (0, 12),
        (4, 12),
    ]
    steps = [step.step for step in of(run, Step)]
    assert steps[-8:] == [5, 6, 7, 8, 9, 10, 11, 12]
    names = [Path(file.path).name for file in of(run, Checkpoint)]
    assert names[0] == "hero-000001.safetensors"
    assert names[-1] == "hero.safetensors"
    assert [message for message in of(run, Message) if message.level == "error"] == []


def test_a_count_that_differs_and_a_loss_of_nan(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 0 and a file; but the loss is NaN, and there are 8 steps where loratui counted 12."""
    monkeypatch.setenv("LORATUI_REPLAY", str(transcripts.FOLDER / "nan.jsonl"))
    run = launch.start(recipe, KohyaEngine())
    status = ended(run)
    assert status.exit_code == 0
    assert status.state == "failed"
    assert "NaN" in status.reason
    texts = [message.text for message in of(run, Message)]
    assert any("12" in text and "8" in text and "counted" in text for text in texts), texts


def test_a_bad_recipe_is_refused_before_anything_starts(recipe: Recipe) -> None:
    for changes, words in (
        ({"kohya.learning_rte": 5.0}, "learning_rate"),
        ({"kohya.min_snr_gamma": "five"}, "number"),
        ({"dataset.folder": str(Path(recipe.dataset.folder) / "2_ohwx")}, "instead"),
        ({"base.model": "/no/such.safetensors"}, "no such"),
    ):
        with pytest.raises(UserError, match=words):
            launch.start(change(recipe, changes), KohyaEngine())
    assert store.all_runs() == []
