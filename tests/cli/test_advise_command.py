"""``loratui advise``, as a person and as a program see it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from loratui.advice.measured import Measurement, remember, setting_of
from loratui.cli.advise import advise
from loratui.engines import config
from loratui.engines.registry import engine
from loratui.runs.hardware import gpu
from tests.conftest import Loratui
from tests.support.pictures import make_dataset, squares
from tests.support.tensors import write_shapes

_UNET = "model.diffusion_model.input_blocks"
SD15 = {
    f"{_UNET}.0.0.weight": (320, 4, 3, 3),
    f"{_UNET}.2.1.transformer_blocks.0.attn2.to_k.weight": (320, 768),
}

RECIPE = """
[base]
model = "{name}"
family = "sdxl"
[dataset]
folder = "data"
[steps]
epochs = 10
batch_size = 2
[optimizer]
name = "Prodigy"
unet_rate = {rate}
text_encoder_rate = 1.0
[training]
precision = "bf16"
[launch]
engine = "kohya"
"""


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    make_dataset(tmp_path / "data", {"10_cat": squares(12)})
    path = tmp_path / "hero.toml"
    path.write_text(RECIPE.format(name="ponyDiffusionV6XL.safetensors", rate=1.0))
    return path


def run(loratui: Loratui, *arguments: str, code: int, **environment: str) -> dict[str, Any]:
    done = loratui("advise", *arguments, "--json", env={**os.environ, **environment})
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_keys_other_programs_read(loratui: Loratui, home: Path, recipe_file: Path) -> None:
    found = run(loratui, str(recipe_file), code=0, CUDA_VISIBLE_DEVICES="")
    assert {"advice", "memory", "time", "problems"} <= found.keys()
    for one in found["advice"]:
        assert {"key", "value", "reason", "source", "low", "high", "now"} == one.keys()
    memory = found["memory"]
    assert {"estimate_gib", "low_gib", "high_gib", "free_gib", "fits", "parts"} <= memory.keys()
    assert memory["low_gib"] <= memory["estimate_gib"] <= memory["high_gib"]
    assert sum(memory["parts"].values()) == pytest.approx(memory["estimate_gib"], abs=0.1)
    if not gpu.sample().gpus:
        assert (memory["free_gib"], memory["fits"]) == (None, None)
    assert found["time"]["sentence"] == "unknown until the first 20 steps"
    assert found["time"]["total_steps"] == 600
    assert found["problems"] == []


def test_a_recipe_the_trainer_would_die_of(loratui: Loratui, home: Path, recipe_file: Path) -> None:
    recipe_file.write_text(RECIPE.format(name="m.safetensors", rate=0.5))
    found = run(loratui, str(recipe_file), code=1)
    assert [(one["key"], one["fatal"]) for one in found["problems"]] == [
        ("optimizer.text_encoder_rate", True)
    ]
    recipe = config.load(recipe_file)
    assert any("one rate for everything" in problem.message for problem in engine("kohya").supports(recipe))


def test_a_person_reads_values_reasons_and_sources(loratui: Loratui, home: Path, recipe_file: Path) -> None:
    done = loratui("advise", str(recipe_file))
    lines = done.stdout.splitlines()
    assert "training.resolution = 1024, 1024 (now 512, 512)" in lines
    assert "[" in lines[lines.index("training.resolution = 1024, 1024 (now 512, 512)") + 1]
    assert "Memory as it stands: about" in done.stderr
    assert "As it stands: Prodigy finds its rate; alpha / rank = 0.5 scales it." in done.stderr


def test_measured_speed_gives_time_and_cost(loratui: Loratui, home: Path, recipe_file: Path) -> None:
    if gpu.sample().gpus:
        pytest.skip("the name of this machine's GPU is not known here")
    setting = setting_of(config.load(recipe_file), "sdxl")
    remember(home / "measured.json", Measurement(gpu="", setting=setting, seconds_per_step=6.0))
    time = run(loratui, str(recipe_file), code=0, LORATUI_PRICE="0.5")["time"]
    assert (time["seconds"], time["cost"]) == (3600, 0.5)
    assert (
        run(loratui, str(recipe_file), code=1, LORATUI_PRICE="dear")["problems"][0]["key"] == "LORATUI_PRICE"
    )


def test_a_kohya_file_without_a_length(
    loratui: Loratui, home: Path, tmp_path: Path, recipe_file: Path
) -> None:
    path = tmp_path / "kohya.toml"
    model = write_shapes(tmp_path / "m.safetensors", SD15)
    text = f'pretrained_model_name_or_path = "{model}"\n'
    text += f'train_data_dir = "{tmp_path / "data"}"\ncaption_extension = ".txt"\nnetwork_dim = 8\n'
    path.write_text(text)
    found = run(loratui, str(path), code=0)
    assert found["family"] == "sd15"
    assert ["1600" in one["message"] for one in found["problems"]].count(True) == 1
    path.write_text(text + "max_train_epochs = 5\n")
    assert not any("1600" in one["message"] for one in run(loratui, str(path), code=0)["problems"])


@pytest.mark.parametrize(
    ("marks", "said", "advised"),
    [({}, "v", "v"), ({}, "epsilon", "epsilon"), ({"v_pred": (0,)}, "epsilon", "v")],
)
def test_only_a_mark_in_the_file_overrules_the_recipe(
    loratui: Loratui,
    home: Path,
    tmp_path: Path,
    recipe_file: Path,
    marks: dict[str, tuple[int, ...]],
    said: str,
    advised: str,
) -> None:
    write_shapes(tmp_path / "m.safetensors", SD15 | marks)
    text = RECIPE.format(name="m.safetensors", rate=1.0).replace(
        'family = "sdxl"', f'family = "sd15"\nprediction = "{said}"'
    )
    recipe_file.write_text(text)
    found = run(loratui, str(recipe_file), code=0)
    assert next(one["value"] for one in found["advice"] if one["key"] == "base.prediction") == advised
    assert [one["key"] for one in found["problems"]] == (["base.prediction"] if said != advised else [])


def test_a_model_that_tells_no_family(
    loratui: Loratui, home: Path, tmp_path: Path, recipe_file: Path
) -> None:
    path = tmp_path / "other.toml"
    path.write_text(recipe_file.read_text().replace('family = "sdxl"', ""))
    done = loratui("advise", str(path))
    assert done.returncode == 1
    assert "ponyDiffusionV6XL.safetensors" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(("free_gib", "fits_there", "code"), [(79.0, True, 0), (5.0, False, 1)])
def test_the_gpu_is_read_and_never_asked_for(
    monkeypatch: pytest.MonkeyPatch,
    home: Path,
    recipe_file: Path,
    free_gib: float,
    fits_there: bool,
    code: int,
) -> None:
    total = 80 << 30
    one = gpu.Gpu(0, "GPU A", total - int(free_gib * 2**30), total, 0, 40, None, None, (9, 0))
    monkeypatch.setattr(gpu, "sample", lambda: gpu.GpuReading((one,), ""))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    done = CliRunner().invoke(advise, [str(recipe_file), "--json"])
    assert done.exit_code == code
    found = json.loads(done.stdout)
    assert found["memory"]["fits"] is fits_there
    assert found["memory"]["free_gib"] == free_gib
    values = {advice["key"]: advice["value"] for advice in found["advice"]}
    assert values["training.gradient_checkpointing"] is not fits_there
    assert values["training.precision"] == "bf16"


def test_nothing_heavy_is_imported() -> None:
    code = "import sys, loratui.cli.advise; print({name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not any(f"'{name}'" in done.stdout for name in ("torch", "PIL", "pynvml", "textual", "rich"))


def test_pictures_that_are_not_there(loratui: Loratui, home: Path, tmp_path: Path, recipe_file: Path) -> None:
    path = tmp_path / "other.toml"
    path.write_text(recipe_file.read_text().replace('"data"', '"nowhere"'))
    found = run(loratui, str(path), code=0)
    assert "nowhere" in found["remarks"][0]
    assert found["time"]["total_steps"] is None
