"""States by time, and what a person asks a running training for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loratui import events
from loratui.problems import refusal
from loratui.trainer.control import Asked
from loratui.trainer.reporting.report import Reporter
from loratui.trainer.saving.keeping import Keeping
from loratui.trainer.schedule import Plan
from loratui.trainer.settings.config_file import load_config
from loratui.trainer.settings.options import Options


class Kept:
    """A ``Keeping`` that writes empty folders, by a clock of its own: ten seconds a step."""

    def __init__(self, write_config: Any, folder: Path, seconds: float, **changes: Any) -> None:
        self.told: list[events.Event] = []
        self.drawn: list[int | None] = []
        self.full = False
        self.now = 0.0
        self.folder = folder
        config = load_config(write_config(output_dir=str(folder), **changes))
        self.keeping = Keeping(
            config,
            Plan(50, 1, 100, 2),
            Reporter(self.told.append),
            self.save_lora,
            self.save_state,
            self.drawn.append,
            Asked(folder / "asked"),
            seconds,
            lambda: self.now,
        )

    def save_lora(self, stem: str, epoch: int) -> Path:
        (self.folder / f"{stem}.safetensors").touch()
        return self.folder / f"{stem}.safetensors"

    def save_state(self, stem: str, epoch: int) -> Path:
        if self.full:
            raise refusal(self.folder, "the disk is full.", "Make room.")
        (self.folder / f"{stem}-state").mkdir()
        return self.folder / f"{stem}-state"

    def steps(self, first: int, last: int) -> list[str]:
        for step in range(first, last + 1):
            self.now += 10.0
            self.keeping.after_step(step, 1)
        return sorted(path.name for path in self.folder.iterdir())


def test_only_the_newest_state_saved_by_time_stays(write_config: Any, tmp_path: Path) -> None:
    kept = Kept(write_config, tmp_path / "out", 60.0)
    (tmp_path / "out").mkdir()
    assert kept.steps(1, 5) == []
    assert kept.steps(6, 6) == ["tiny-step00000006-state"]
    assert kept.steps(7, 11) == ["tiny-step00000006-state"]
    assert kept.steps(12, 12) == ["tiny-step00000012-state"]
    kept.full = True
    assert kept.steps(13, 20) == ["tiny-step00000012-state"]
    [message] = [event for event in kept.told if isinstance(event, events.Message)]
    assert (message.level, "disk is full" in message.text) == ("warning", True)


def test_a_state_by_plan_takes_the_place_of_one_by_time(write_config: Any, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    kept = Kept(write_config, tmp_path / "out", 30.0, save_every_n_steps=5, save_state=True)
    assert kept.steps(1, 4) == ["tiny-step00000003-state"]
    assert kept.steps(5, 7) == ["tiny-step00000005-state", "tiny-step00000005.safetensors"]
    assert "tiny-step00000008-state" in kept.steps(8, 8)
    # At step 10 one is due by plan, at step 11 by time: only the first of them counts.
    assert "tiny-step00000011-state" not in kept.steps(9, 11)


def test_without_minutes_no_state_is_saved_by_time(write_config: Any, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert Kept(write_config, tmp_path / "out", 0.0).steps(1, 50) == []


@pytest.mark.parametrize(
    ("changes", "gone"),
    [
        ({"save_last_n_steps": 20}, {10}),
        ({"save_last_n_steps": 20, "save_last_n_steps_state": 10}, {10, 20}),
        ({}, set()),
    ],
)
def test_last_n_steps(changes: dict[str, int], gone: set[int], write_config: Any, tmp_path: Path) -> None:
    # 10 steps apart and 20 kept: at step 40, step 10 goes (sd-scripts library/train_util.py:5800).
    (tmp_path / "out").mkdir()
    kept = Kept(write_config, tmp_path / "out", 0.0, save_every_n_steps=10, save_state=True, **changes)
    names = kept.steps(1, 40)
    states = {int(name[9:17]) for name in names if name.endswith("-state")}
    assert states == {10, 20, 30, 40} - gone
    files = {int(name[9:17]) for name in names if name.endswith(".safetensors")}
    assert files == {10, 20, 30, 40} - ({10} if changes else set())


def test_what_a_person_asks_for_is_done_after_the_step(train: Any, tmp_path: Path) -> None:
    folder = tmp_path / "asked"
    folder.mkdir()
    (folder / "save").touch()  # left over from an earlier training
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("ohwx --w 64 --h 64 --d 1 --s 1\n")

    def watch(event: events.Event) -> None:
        if isinstance(event, events.Step) and event.step == 2:
            (folder / "save").touch()
            (folder / "sample").touch()

    told = train(
        max_train_steps=4,
        sample_prompts=str(prompts),
        sample_every_n_steps=100,
        options=Options(asked=Asked(folder)),
        watch=watch,
    )
    assert told.code == 0, told.events
    assert [(item.step, item.final) for item in told.of(events.Checkpoint)] == [(2, False), (4, True)]
    assert [item.step for item in told.of(events.StateSaved)] == [2]
    assert [item.step for item in told.of(events.Sample)] == [2]
    assert list(folder.iterdir()) == []


def test_a_state_by_time_in_a_real_training_goes_on(train: Any, tmp_path: Path) -> None:
    told = train(max_train_steps=3, options=Options(state_minutes=1e-9))
    states = told.of(events.StateSaved)
    assert [state.step for state in states] == [1, 2]
    left = Path(states[-1].path)
    assert [path for path in (tmp_path / "out").iterdir() if path.is_dir()] == [left]
    more = train(max_train_steps=3, resume=str(left), skip_until_initial_step=True)
    assert [step.step for step in more.of(events.Step)] == [3]


def test_a_share_of_the_epochs(train: Any) -> None:
    told = train(max_train_epochs=3, save_n_epoch_ratio=2, train_batch_size=12)
    assert [item.epoch for item in told.of(events.Checkpoint)] == [1, 2, 3]
