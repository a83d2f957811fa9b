"""Base models named by their id on the hub."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loratui.engines.builtin import BuiltinEngine
from loratui.events import PREFIX
from loratui.formats.hub_files import wanted
from loratui.formats.hub_id import is_hub_id
from loratui.formats.tensorfile import read_header
from loratui.problems import UserError
from loratui.recipe import Base, Launch, Recipe, resolve_paths
from tests.support.hub_models import HubOfModels, serving_models
from tests.trainer.conftest import WriteConfig


@pytest.fixture(scope="module")
def hub() -> Iterator[HubOfModels]:
    with serving_models() as running:
        yield running


Say = Any


@pytest.fixture
def trainer(hub: HubOfModels, tmp_path: Path) -> Say:
    """Runs the trainer as a process that knows no hub but ours."""

    def run(config: Path, **environment: str) -> tuple[int, list[dict[str, Any]], str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
        kept |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "loratui.trainer", "--config_file", str(config)]
        done = subprocess.run(
            command, env=kept | environment, capture_output=True, text=True, timeout=120, check=False
        )
        lines = [line.removeprefix(PREFIX) for line in done.stdout.splitlines() if line.startswith(PREFIX)]
        events = [json.loads(line) for line in lines]
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, events, " ".join(event.get("text", "") for event in events)

    return run


def test_a_model_from_the_hub_is_trained_and_the_next_time_taken_from_the_cache(
    hub: HubOfModels, trainer: Say, tiny_models: dict[str, Path], write_config: WriteConfig, tmp_path: Path
) -> None:
    folder = tmp_path / "repo"
    shutil.copytree(tiny_models["sd15"], folder)
    (folder / "unet" / "diffusion_pytorch_model.fp16.safetensors").write_bytes(b"a variant")
    (folder / "sd-v1-4.ckpt").write_bytes(b"a pickle")
    hub.repos["some/tiny-model-1.5"] = folder
    hub.gated.add("some/tiny-model-1.5")
    config = write_config(pretrained_model_name_or_path="some/tiny-model-1.5", max_train_steps=1)
    code, events, said = trainer(config, HF_TOKEN="hf_let_me_in")
    assert code == 0, said
    fetched = [event for event in events if event.get("name") == "model" and event.get("total")]
    total = fetched[-1]["total"]
    assert fetched[-1]["done"] == total > (folder / "unet/diffusion_pytorch_model.safetensors").stat().st_size
    assert "hf_let_me_in" not in json.dumps(events)
    asked = {file for method, file in hub.asked if method == "GET"}
    assert "unet/diffusion_pytorch_model.safetensors" in asked
    assert not [file for file in asked if "fp16" in file or file.endswith(".ckpt")]
    metadata = read_header(tmp_path / "out" / "tiny.safetensors").metadata
    assert metadata["ss_sd_model_name"] == "some/tiny-model-1.5"
    # The rest from the cache: no model is loaded once the config is refused.
    text = config.read_text().replace("network_dim = 4", "network_dim = 0")
    config.write_text(text)
    for environment in ({"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}):
        code, _, said = trainer(config, **environment)
        assert (code, "network_dim" in said) == (2, True), said


@pytest.mark.parametrize(
    ("name", "environment", "words"),
    [
        ("some/gated", {}, ["licence", "HF_TOKEN", "huggingface.co/some/gated"]),
        ("some/unknown", {}, ["no such model", "spelling"]),
        ("some/gated", {"HF_HUB_OFFLINE": "1"}, ["HF_HUB_OFFLINE is set", "no path here"]),
        ("some/gated", {"HF_ENDPOINT": "http://127.0.0.1:9"}, ["cannot be reached", "network"]),
    ],
)
def test_what_the_hub_refuses_is_a_sentence(
    name: str,
    environment: dict[str, str],
    words: list[str],
    hub: HubOfModels,
    trainer: Say,
    tiny_models: dict[str, Path],
    write_config: WriteConfig,
) -> None:
    hub.repos["some/gated"] = tiny_models["sd15"]
    hub.gated.add("some/gated")
    code, _, said = trainer(write_config(pretrained_model_name_or_path=name), **environment)
    assert code == 1
    assert all(word in said for word in words), said


def test_which_files_are_fetched() -> None:
    folder = ["model_index.json", "unet/config.json", "unet/diffusion_pytorch_model.safetensors"]
    more = ["README.md", "safety_checker/model.safetensors", "vae/diffusion_pytorch_model.bin", "unet/x.onnx"]
    assert wanted("a/b", [*more, *folder]) == folder
    assert wanted("a/b", ["README.md", "hero.safetensors"]) == ["hero.safetensors"]
    for files in (folder[:2], ["README.md"], ["a.safetensors", "b.safetensors"]):
        with pytest.raises(UserError):
            wanted("a/b", files)


def test_what_is_an_id_and_what_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for model in ("stabilityai/stable-diffusion-xl-base-1.0", "org/name"):
        assert is_hub_id(model)
        assert resolve_paths(Recipe(base=Base(model=model)), tmp_path).base.model == model
    for model in ("/models/hero", "models/hero.safetensors", "./models/hero", "a/b/c", "hero", "~/hero"):
        assert not is_hub_id(model)
    (tmp_path / "org" / "name").mkdir(parents=True)
    assert not is_hub_id("org/name")


def test_the_engine_agrees(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    recipe = Recipe(base=Base(model="org/name"), launch=Launch(engine="builtin"))
    keys = {problem.key for problem in BuiltinEngine().supports(recipe)}
    assert not {"base.model", "base.family"} & keys
    launch = BuiltinEngine().prepare(recipe, tmp_path)
    assert "HF_HUB_OFFLINE" not in launch.command.env
    assert 'pretrained_model_name_or_path = "org/name"' in launch.files["config.toml"]
    assert (
        BuiltinEngine().prepare(Recipe(base=Base(model="m")), tmp_path).command.env["HF_HUB_OFFLINE"] == "1"
    )
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    found = {problem.key: problem for problem in BuiltinEngine().supports(recipe)}
    assert "HF_HUB_OFFLINE" in found["base.model"].message
