"""What the builtin engine takes and what it refuses, before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loratui.engines.builtin import BuiltinEngine
from loratui.recipe import Base, Dataset, Launch, Network, Optimizer, Output, Recipe, Training
from loratui.runs.layout import Run


def refused(**parts: Any) -> set[str]:
    """Keys of the settings it refuses; files that are not there do not count."""
    return {problem.key for problem in BuiltinEngine().supports(Recipe(**parts))}


@pytest.mark.parametrize("kind", ["lora", "locon"])
def test_networks_it_trains(kind: Any) -> None:
    assert "network.type" not in refused(network=Network(type=kind, conv_rank=4))


@pytest.mark.parametrize("kind", ["loha", "lokr"])
def test_networks_of_another_package(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "network.type" not in refused(network=Network(type=kind))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    found = {problem.key: problem for problem in BuiltinEngine().supports(Recipe(network=Network(type=kind)))}
    assert found["network.type"].fix == "Run: pip install lycoris-lora"


def test_optimizers_and_schedules() -> None:
    for name in ("AdamW8bit", "lion", "DAdaptAdam", "AdamWScheduleFree", "torch.optim.RAdam"):
        assert not {"optimizer.name", "optimizer.schedule"} & refused(optimizer=Optimizer(name=name)), name
    assert "optimizer.name" in refused(optimizer=Optimizer(name="AdamWW"))
    assert "optimizer.name" in refused(optimizer=Optimizer(name="no_such_package.Thing"))
    assert "optimizer.schedule" not in refused(optimizer=Optimizer(schedule="inverse_sqrt"))
    assert "optimizer.schedule" in refused(optimizer=Optimizer(schedule="adafactor"))


def test_settings_passed_on() -> None:
    assert "kohya.min_snr_gamma" not in refused(kohya={"min_snr_gamma": 5.0})
    assert "kohya.initial_step" not in refused(kohya={"initial_step": 3, "skip_until_initial_step": True})
    assert "kohya.dataset_class" in refused(kohya={"dataset_class": "mine.Dataset"})
    assert "kohya.deepspeed" not in refused(kohya={"deepspeed": False})  # as the script has it anyway
    assert "kohya.in_json" in refused(kohya={"in_json": "no/such.json"})
    assert "kohya.random_crop" in refused(kohya={"random_crop": True})


def test_what_the_trainer_is_told_beside_the_config() -> None:
    folder = Path("/runs/one")
    recipe = Recipe(base=Base(model="m"), output=Output(state_minutes=7))
    argv = BuiltinEngine().prepare(recipe, folder).command.argv
    assert argv[argv.index("--state_minutes") + 1] == "7"
    assert argv[argv.index("--control") + 1] == str(Run("one", folder).asked)
    for output in (Output(state_minutes=0), Output(save_state=False)):
        argv = BuiltinEngine().prepare(Recipe(base=Base(model="m"), output=output), folder).command.argv
        assert "--state_minutes" not in argv
        assert "--skip_damaged" not in argv
    allowing = Recipe(
        base=Base(model="m"),
        dataset=Dataset(folder="d", skip_damaged=True),
        launch=Launch(as_sd_scripts=True),
        training=Training(base_4bit=True),
    )
    argv = BuiltinEngine().prepare(allowing, folder).command.argv
    assert {"--skip_damaged", "--as_sd_scripts", "--base_4bit"} <= set(argv)


def test_a_base_model_in_4_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    four = Training(base_4bit=True)
    assert "training.base_4bit" not in refused(training=four)
    assert "training.base_4bit" in refused(training=four, kohya={"fp8_base": True})
    assert "training.base_4bit" in refused(training=four, network=Network(type="loha"))
    missing = lambda name: None if name == "bitsandbytes" else object()  # noqa: E731
    monkeypatch.setattr("importlib.util.find_spec", missing)
    problems = BuiltinEngine().supports(Recipe(base=Base(model="m"), training=four))
    found = next(problem for problem in problems if problem.key == "training.base_4bit")
    assert "pip install bitsandbytes" in found.fix


def test_several_processes_on_one_machine() -> None:
    recipe = Recipe(base=Base(model="m"), launch=Launch(num_processes=3))
    argv = BuiltinEngine().prepare(recipe, Path("/runs/one")).command.argv
    assert argv[1:5] == ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=3")
    assert argv[5:7] == ("-m", "loratui.trainer")
    assert "launch.num_processes" not in refused(launch=Launch(num_processes=3))
    assert "launch.num_machines" in refused(launch=Launch(num_processes=4, num_machines=2))
