"""What one key can do about each known issue."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from loratui.builtin import optimizers as builtin_optimizers
from loratui.events import Hint
from loratui.recipe import Recipe, change, check
from loratui.runs.hints.fixes import Fix, Situation, capacity_in, propose
from loratui.runs.hints.matcher import rules

KOHYA = {"launch.engine": "kohya", "base.family": "sdxl", "base.model": "/m.safetensors", "steps.epochs": 10}
BUILTIN = KOHYA | {"launch.engine": "builtin", "base.family": "sd15"}


def fix(key: str, settings: dict[str, Any], line: str = "", **known: Any) -> Fix:
    row = next(row for row in rules() if row.key == key)
    recipe = change(Recipe(), {"dataset.folder": "/d", **settings})
    return propose(Hint(key, row.severity, line), recipe, Situation(**known))


def diff(found: Fix) -> dict[str, Any]:
    return {key: new for key, _, new in found.changes}


def test_out_of_memory_halves_the_batch_and_keeps_the_effective_one() -> None:
    found = fix("oom_cuda", {**KOHYA, "steps.batch_size": 4, "kohya.sdpa": True})
    assert found.changes[:2] == (("steps.batch_size", 4, 2), ("steps.accumulation", 1, 2))
    assert found.state_stays_sound
    assert "4 pictures" in found.reasons[0]


def test_the_gpu_named_in_the_message_decides_how_far_to_go() -> None:
    line = (
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity"
        " of 7.79 GiB of which 512.00 MiB is free."
    )
    far = fix("oom_cuda", {**KOHYA, "steps.batch_size": 8, "training.resolution": (1024, 1024)}, line)
    assert {"steps.batch_size", "training.gradient_checkpointing", "kohya.sdpa"} <= diff(far).keys() or (
        "larger GPU" in far.refusal
    )
    tiny = fix("oom_cuda", {**KOHYA, "training.resolution": (1024, 1024)}, line.replace("7.79", "1.50"))
    assert not tiny.changes and "larger GPU" in tiny.refusal


@pytest.mark.parametrize(
    ("line", "gib"),
    [
        ("GPU 0 has a total capacity of 23.64 GiB of which", 23.64),
        ("Tried to allocate 20.00 MiB (GPU 0; 8.00 GiB total capacity; 7.1 GiB already", 8.0),
        ("GPU 0 has a total capacity of 6144.00 MiB of which", 6.0),
        ("CUDA out of memory.", None),
    ],
)
def test_capacity_as_torch_says_it(line: str, gib: float | None) -> None:
    assert capacity_in(line) == gib


def test_xformers_becomes_sdpa() -> None:
    found = fix("mod_xformers", {**KOHYA, "kohya.xformers": True})
    assert diff(found) == {"kohya.xformers": False, "kohya.sdpa": True}
    assert found.install is None  # pip would bring another torch along


def test_workers_that_are_given_up_are_not_kept_either() -> None:
    found = fix("dl_worker_died", {**KOHYA, "kohya.persistent_data_loader_workers": True})
    assert diff(found) == {
        "kohya.max_data_loader_n_workers": 0,
        "kohya.persistent_data_loader_workers": False,
    }


def test_nan_later_is_a_tenth_of_the_rate_from_the_beginning() -> None:
    found = fix("loss_nan", {**KOHYA, "optimizer.unet_rate": 1e-3}, "step 58: the loss is not a number")
    assert diff(found)["optimizer.unet_rate"] == pytest.approx(1e-4)
    assert not found.state_stays_sound


def test_a_rate_that_was_a_slip_becomes_the_usual_one() -> None:
    found = fix("loss_nan", {**KOHYA, "optimizer.unet_rate": 1e3}, "step 58: the loss is not a number")
    assert diff(found)["optimizer.unet_rate"] == pytest.approx(1e-4)


def test_nan_at_the_first_step_is_the_vae_not_the_rate() -> None:
    found = fix("loss_nan", KOHYA, "step 1: the loss is not a number")
    assert diff(found) == {"kohya.no_half_vae": True}
    ours = fix("loss_nan", {**BUILTIN, "training.precision": "fp16"}, "step 1: the loss is not a number")
    assert diff(ours) == {"training.precision": "no"}


def test_an_optimizer_that_finds_its_rate_is_told_to_find_half_of_it() -> None:
    settings = {**KOHYA, "optimizer.name": "Prodigy", "optimizer.unet_rate": 1.0}
    once = fix("loss_nan", {**settings, "optimizer.arguments": ("decouple=True",)}, "step 9: nan")
    assert {key: list(value) for key, value in diff(once).items()} == {
        "optimizer.arguments": ["decouple=True", "d_coef=0.5"]
    }


@pytest.mark.parametrize(("package", "name"), [(None, "AdamW"), (object(), "AdamW8bit")])
def test_another_optimizer_does_not_resume_a_state(
    package: object, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builtin_optimizers, "find_spec", lambda module: package)  # of bitsandbytes
    found = fix("mod_prodigy", {**BUILTIN, "optimizer.name": "Prodigy", "optimizer.unet_rate": 1.0})
    assert diff(found) == {"optimizer.name": name, "optimizer.unet_rate": 1e-4}
    assert not found.state_stays_sound


def test_a_missing_package_names_the_python_that_trains() -> None:
    found = fix("mod_prodigy", {**BUILTIN, "optimizer.name": "Prodigy"})
    assert found.install is not None
    assert found.install.argv[0] == sys.executable or "uv" in found.install.argv[0]
    assert found.install.argv[-1] == "prodigyopt"


def test_sd_scripts_packages_go_into_its_own_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("")
    python.chmod(0o755)
    (tmp_path / "venv/lib/python3.10/site-packages/pip").mkdir(parents=True)
    (tmp_path / "venv/lib/python3.10/site-packages/pip/__main__.py").write_text("")
    (tmp_path / "requirements.txt").write_text("toml\n")
    monkeypatch.setenv("LORATUI_KOHYA", str(tmp_path))
    found = fix("mod_generic", KOHYA, "ModuleNotFoundError: No module named 'toml'")
    assert found.install is not None
    assert str(found.install) == f"cd {tmp_path} && {python} -m pip install -r requirements.txt"
    named = fix("mod_bnb", {**KOHYA, "optimizer.name": "AdamW8bit"})
    assert named.install is not None
    assert named.install.argv == (str(python), "-m", "pip", "install", "--upgrade", "bitsandbytes")


def test_torch_is_never_installed_blindly() -> None:
    found = fix("mod_generic", BUILTIN, "ModuleNotFoundError: No module named 'torch'")
    assert found.install is None and not found.can_do


def test_settings_the_engine_passes_over_are_not_offered() -> None:
    assert fix("oom_ram", BUILTIN).changes == ()
    assert diff(fix("oom_ram", KOHYA)) == {"kohya.lowram": True, "kohya.max_data_loader_n_workers": 0}


def test_the_models_own_header_says_the_family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from loratui.models import inspect

    told = inspect.ModelFile(tmp_path / "m", "base", "sdxl", "epsilon", False, True, ("two text encoders",))
    monkeypatch.setattr(inspect, "inspect", lambda path: told)
    assert diff(fix("wrong_arch", BUILTIN)) == {"base.family": "sdxl"}


@pytest.mark.parametrize("engine", ["builtin", "kohya"])
@pytest.mark.parametrize("key", [row.key for row in rules()])
def test_every_fix_is_a_sound_recipe(key: str, engine: str) -> None:
    """Whatever is offered changes something, passes the checks at the door, and says what it changes."""
    settings = {
        **(KOHYA if engine == "kohya" else BUILTIN),
        "steps.batch_size": 6,
        "optimizer.name": "AdamW8bit",
        "optimizer.warmup": 10.0,
        "network.type": "lora",
        "dataset.shuffle_captions": True,
        "training.precision": "fp16",
        "kohya.xformers": True,
    }
    found = fix(key, settings)
    assert check(found.recipe) == []
    before = change(Recipe(), {"dataset.folder": "/d", **settings})
    assert tuple(before.diff(found.recipe)) == found.changes
