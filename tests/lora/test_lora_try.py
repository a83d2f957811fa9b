"""Pictures with and without a LoRA: the process's work, and the command as a person meets it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from loratui import events
from loratui.builtin import lora_request
from loratui.builtin.lora_request import SheetAnswer, SheetRequest
from loratui.events import Event
from loratui.lora.changing.merge import merge
from loratui.lora.files.base import read_base
from loratui.lora.files.placing import place
from loratui.trainer.contact_sheet import draw
from loratui.trainer.reporting.report import Reporter
from loratui.trainer.stopping import StopRequest
from tests.support.random_loras import make_lora, targets
from tests.support.tensors import write_shapes

Ask = Callable[..., SheetRequest]


@pytest.fixture(scope="module")
def loras(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A LoCon on every part for each family, and a second LoRA of another rank for SD 1.x."""
    folder = tmp_path_factory.mktemp("loras")
    made = {
        family: make_lora(
            folder / f"{family}.safetensors",
            targets(tiny_models / family, convolutions=True),
            rank=4,
            alpha=3.0,
            size=0.15,
        )
        for family in ("sd15", "sdxl")
    }
    made["other"] = make_lora(folder / "other.safetensors", targets(tiny_models / "sd15"), rank=2, size=0.2)
    return made


@pytest.fixture
def ask(tiny_models: Path, tmp_path: Path) -> Ask:
    """A request for small pictures."""

    def make(family: str, *files: Path, base: Path | None = None, **changes: Any) -> SheetRequest:
        model = base or tiny_models / family
        placed = tuple(place(file, read_base(model, family)) for file in files)
        request = SheetRequest(
            base=str(model),
            family=family,
            loras=placed,
            prompts=("ohwx",),
            seeds=(3,),
            strengths=(0.0, 0.5, 1.0),
            size=(64, 64),
            steps=3,
            scale=3.0,
            sheet=str(tmp_path / "sheet.png"),
            pictures=str(tmp_path / "sheet-pictures"),
            answer=str(tmp_path / "answer.json"),
        )
        return msgspec.structs.replace(request, **changes)

    return make


def run(request: SheetRequest, stop_after: int | None = None) -> tuple[int, SheetAnswer, list[Event]]:
    told: list[Event] = []
    stop = StopRequest()

    def hear(event: Event) -> None:
        told.append(event)
        if stop_after is not None and isinstance(event, events.Sample) and event.step == stop_after:
            stop.requested = True

    code = draw(request, Reporter(hear), stop)
    return code, lora_request.read(Path(request.answer), SheetAnswer), told


def pixels(path: str) -> np.ndarray[Any, Any]:
    from PIL import Image

    with Image.open(path) as picture:
        return np.asarray(picture, dtype=int)


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_a_picture_is_that_of_the_merged_model(
    tiny_models: Path, tmp_path: Path, loras: dict[str, Path], ask: Ask, family: str
) -> None:
    code, answer, _ = run(ask(family, loras[family]))
    assert (code, answer.complete) == (0, True)
    by_strength = {picture.strength: pixels(picture.path) for picture in answer.pictures}
    assert by_strength.keys() == {0.0, 0.5, 1.0}
    for strength in (0.5, 1.0):
        merged = tmp_path / f"merged{strength}"
        merge(tiny_models / family, [(loras[family], strength)], merged)
        places = {"sheet": str(tmp_path / f"{strength}.png"), "pictures": str(tmp_path / f"p{strength}")}
        _, wanted, _ = run(ask(family, loras[family], base=merged, strengths=(0.0,), **places))
        drawn = by_strength[strength]
        assert np.abs(drawn - pixels(wanted.pictures[0].path)).max() <= 1
        assert np.abs(drawn - by_strength[0.0]).mean() > 1


def test_each_lora_leaves_nothing_behind_for_the_next(
    loras: dict[str, Path], ask: Ask, tmp_path: Path
) -> None:
    _, both, told = run(ask("sd15", loras["sd15"], loras["other"], seeds=(3, 4)))
    assert len(both.pictures) == 2 * 2 * 3
    samples = [event for event in told if isinstance(event, events.Sample)]
    assert len(samples) == len({picture.path for picture in both.pictures}) == 2 * (1 + 2 * 2)
    assert told[-1] == events.Ended("finished", 10, str(tmp_path / "sheet.png"))
    places = {"sheet": str(tmp_path / "alone.png"), "pictures": str(tmp_path / "alone")}
    _, alone, _ = run(ask("sd15", loras["other"], **places))
    for picture in alone.pictures:
        (same,) = [
            found
            for found in both.pictures
            if (found.lora, found.seed, found.strength) == (picture.lora, picture.seed, picture.strength)
        ]
        assert np.array_equal(pixels(picture.path), pixels(same.path))


def test_names_of_diffusers_and_tucker_kernels_work_too(
    loras: dict[str, Path], ask: Ask, tmp_path: Path
) -> None:
    from loratui.lora.changing.rename import rename

    rename(loras["sd15"], tmp_path / "renamed.safetensors")
    tensors = {}
    for name, tensor in load_file(loras["sd15"]).items():
        tensors[name] = tensor
        if name.endswith("lora_down.weight") and tensor.dim() == 4 and tensor.shape[-1] == 3:
            stem = name.removesuffix("lora_down.weight")
            rank = tensor.shape[0]
            # The same product: the inputs one by one, then the kernel.
            tensors[name] = torch.eye(tensor.shape[1])[:, :, None, None]
            tensors[f"{stem}lora_mid.weight"] = tensor
            assert tensors[name].shape[0] != rank
    tucker = tmp_path / "tucker.safetensors"
    alphas = {}
    for name in tensors:
        if name.endswith("lora_mid.weight"):
            stem = name.removesuffix("lora_mid.weight")
            # alpha / rank counts the first factor's rank, which has become the number of inputs.
            alphas[f"{stem}alpha"] = tensors[f"{stem}alpha"] * tensors[name].shape[1] / tensors[name].shape[0]
    save_file({**tensors, **alphas}, tucker)
    wanted = None
    for file in (loras["sd15"], tmp_path / "renamed.safetensors", tucker):
        places = {"sheet": str(tmp_path / f"s{file.name}.png"), "pictures": str(tmp_path / file.stem)}
        _, answer, _ = run(ask("sd15", file, strengths=(1.0,), **places))
        drawn = pixels(answer.pictures[0].path)
        wanted = drawn if wanted is None else wanted
        assert np.abs(drawn - wanted).max() <= 1, file


def test_stopped_early_the_sheet_shows_what_there_is(
    loras: dict[str, Path], ask: Ask, tmp_path: Path
) -> None:
    code, answer, told = run(ask("sd15", loras["sd15"], seeds=(1, 2)), stop_after=3)
    assert (code, answer.complete, len(answer.pictures)) == (1, False, 3)
    assert told[-1] == events.Ended("stopped", 3, str(tmp_path / "sheet.png"))
    assert (tmp_path / "sheet.png").exists()
    assert len(list((tmp_path / "sheet-pictures").iterdir())) == 3


def test_the_command(loratui: Any, tiny_models: Path, loras: dict[str, Path], tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    command = (
        "lora",
        "try",
        str(loras["sd15"]),
        "--base",
        str(tiny_models / "sd15"),
        "--prompt",
        "a \x1b[2J",
    )
    small = ("--steps", "2", "--size", "64x72", "-o", str(sheet))
    result = loratui(*command, *small, "--json")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["sheet"] == str(sheet)
    assert found["seconds"] > 0
    assert [picture["strength"] for picture in found["pictures"]] == [0.0, 0.5, 1.0]
    for picture in found["pictures"]:
        assert picture.keys() == {"path", "lora", "prompt", "seed", "strength"}
        assert pixels(picture["path"]).shape == (72, 64, 3)
    assert "\x1b" not in result.stderr
    if not torch.cuda.is_available():
        assert "no GPU here" in result.stderr
        assert "s a picture: about" in result.stderr
    again = loratui(*command, *small)
    assert again.returncode == 1
    assert "not written over" in again.stderr


def test_a_run_brings_its_checkpoints_model_and_prompts(
    loratui: Any, home: Path, tiny_models: Path, loras: dict[str, Path], tmp_path: Path
) -> None:
    from loratui.recipe import Base, Dataset, Output, Recipe, Samples, Steps, Training
    from loratui.runs import store

    recipe = Recipe(
        base=Base(model=str(tiny_models / "sd15"), family="sd15"),
        dataset=Dataset(folder=str(tmp_path), trigger="ohwx"),
        steps=Steps(target=20),
        samples=Samples(width=64, height=64, steps=60),
        training=Training(resolution=(64, 64), bucket_min=64),
        output=Output(name="hero"),
    )
    made = store.create(recipe, "builtin")
    points = [
        events.Checkpoint(str(loras["other"]), 20, 2),
        events.Checkpoint(str(loras["sd15"]), 10, 1),
        events.Checkpoint(str(tmp_path / "removed.safetensors"), 5, 1),
    ]
    made.events.write_bytes(
        b"".join(
            events.encode(events.Record(number, 1.0, 1.0, point)) + b"\n"
            for number, point in enumerate(points)
        )
    )
    command = [sys.executable, "-m", "loratui", "lora", "try", "--run", "hero", "--json"]
    process = subprocess.Popen(
        [*command, "--seed", "1", "--seed", "2", "-o", str(tmp_path / "sheet.png")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "LORATUI_HOME": str(home)},
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("picture 2 of 10"):  # the same prompt without a LoRA: once for each seed
            process.send_signal(signal.SIGINT)
            break
    out, err = process.communicate(timeout=60)
    found = json.loads(out)
    assert {picture["prompt"] for picture in found["pictures"]} == {"ohwx"}
    assert process.returncode == 1
    assert found["complete"] is False
    assert "Stopped early" in err
    assert [picture["lora"] for picture in found["pictures"][:2]] == [str(loras["sd15"]), str(loras["other"])]
    assert Path(found["sheet"]).exists()


def test_refusals_come_before_anything_is_loaded(
    loratui: Any, tiny_models: Path, loras: dict[str, Path], tmp_path: Path
) -> None:
    pickled = tmp_path / "hero.pt"
    pickled.write_bytes(b"\x80\x02.")
    nan = {name: tensor * torch.nan for name, tensor in load_file(loras["sd15"]).items()}
    save_file(nan, tmp_path / "nan.safetensors")
    dora = load_file(loras["sd15"])
    dora[f"{next(iter(dora)).partition('.')[0]}.dora_scale"] = torch.ones(1, 8)
    save_file(dora, tmp_path / "dora.safetensors")
    loha = write_shapes(
        tmp_path / "loha.safetensors",
        {
            f"lora_unet_mid_block_attentions_0_proj_in.hada_{half}": (4, 4)
            for half in ("w1_a", "w1_b", "w2_a", "w2_b")
        },
    )
    base = tiny_models / "sd15"
    png = str(tmp_path / "sheet.png")
    for file, model, out, words in (
        (tmp_path / "missing.safetensors", base, png, "missing.safetensors"),
        (pickled, base, png, "pickled"),
        (tmp_path / "nan.safetensors", base, png, "NaN"),
        (tmp_path / "dora.safetensors", base, png, "type DoRA"),
        (loha, base, png, "type LoHa"),
        (loras["sd15"], tiny_models / "sdxl", png, "made for Stable Diffusion 1.x"),
        (loras["sd15"], loras["other"], png, "this is a LoRA, not a base model"),
        (loras["sd15"], tmp_path / "nowhere", png, "there is no such model"),
        (loras["sd15"], base, str(tmp_path / "sheet.jpg"), ".png"),
    ):
        result = loratui("lora", "try", str(file), "--base", str(model), "--prompt", "x", "-o", out)
        assert result.returncode == 1
        (line,) = result.stderr.strip().splitlines()
        assert words in line
    for wrong in (
        ["-o", png],
        [str(loras["sd15"]), "-o", png],
        [str(loras["sd15"]), "--base", str(base), "-o", png],  # nothing to draw
        [str(loras["sd15"]), "--base", str(base), "--prompt", "x", "--size", "65x64", "-o", png],
        [str(loras["sd15"]), "--base", str(base), "--prompt", "x", "--strength", "nan", "-o", png],
    ):
        assert loratui("lora", "try", *wrong).returncode == 2
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".pt"] + [".safetensors"] * 3
