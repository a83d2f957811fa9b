"""A model on the hub, looked at before it is fetched: by a small server, by the cache, without a network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from loratui.engines.checking.checks import file_problems
from loratui.models import hub
from loratui.problems import UserError
from loratui.recipe import Base, Launch, Recipe
from tests.models.test_inspect import SD15, SDXL
from tests.support.hub_models import HubOfModels, serving_models
from tests.support.tensors import write_shapes


@pytest.fixture(scope="module")
def server() -> Iterator[HubOfModels]:
    with serving_models() as running:
        yield running


@pytest.fixture
def ours(server: HubOfModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HubOfModels:
    for name in ("HF_HUB_OFFLINE", "HF_TOKEN", "HF_HUB_CACHE", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.chdir(tmp_path)
    server.gated.clear()
    server.asked.clear()
    return server


def folder(path: Path, prediction: str = "epsilon") -> Path:
    """An SDXL pipeline, whose weights are never asked for."""
    configs = {
        "model_index.json": {"_class_name": "StableDiffusionXLPipeline"},
        "unet/config.json": {"addition_embed_type": "text_time", "in_channels": 4},
        "scheduler/scheduler_config.json": {"prediction_type": prediction},
    }
    for name, content in configs.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(json.dumps(content))
    for part in ("unet", "vae", "text_encoder", "text_encoder_2"):
        (path / part).mkdir(exist_ok=True)
        (path / part / "model.safetensors").write_bytes(b"x" * 1000)
    return path


def test_a_folder_is_told_by_its_configs_alone(ours: HubOfModels, tmp_path: Path) -> None:
    ours.repos["org/xl"] = folder(tmp_path / "repo", "v_prediction")
    found = hub.look("org/xl")
    assert (found.family, found.prediction, found.trainable) == ("sdxl", "v", True)
    assert found.path == Path("org/xl")
    assert found.evidence[-1] == "on the hub: 0.00 GB, fetched when training starts"
    assert not [file for _, file in ours.asked if file.endswith(".safetensors")]


def test_a_single_file_is_told_by_its_header(ours: HubOfModels, tmp_path: Path) -> None:
    (tmp_path / "repo").mkdir()
    write_shapes(tmp_path / "repo" / "model.safetensors", SDXL)
    ours.repos["org/one"] = tmp_path / "repo"
    found = hub.look("org/one")
    assert (found.family, found.prediction) == ("sdxl", "epsilon")
    assert found.bytes_to_fetch == (tmp_path / "repo" / "model.safetensors").stat().st_size
    hub.only_file.cache_clear()
    recipe = Recipe(base=Base(model="org/one", family="sdxl"), launch=Launch(engine="kohya"))
    problem = next(one for one in file_problems(recipe) if one.key == "base.model")
    assert "model.safetensors, and of the hub's models sd-scripts loads folders" in problem.message
    assert "huggingface.co/org/one/resolve/main/model.safetensors" in problem.fix
    builtin = Recipe(base=recipe.base)
    assert "base.model" not in [one.key for one in file_problems(builtin)]


def test_what_the_cache_holds_is_asked_of_nobody(
    ours: HubOfModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = tmp_path / "hf" / "hub" / "models--org--here" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    write_shapes(snapshot / "model.safetensors", SD15)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    found = hub.look("org/here")
    assert found.family == "sd15" and "cache on this disk" in found.evidence[-1]
    with pytest.raises(UserError, match="HF_HUB_OFFLINE keeps the hub from being asked"):
        hub.look("org/elsewhere")


def test_a_licence_is_asked_for_and_the_token_goes_with_the_question(
    ours: HubOfModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours.repos["org/gated"] = folder(tmp_path / "repo")
    ours.gated.add("org/gated")
    with pytest.raises(UserError, match=r"licence must be accepted first.*export HF_TOKEN"):
        hub.look("org/gated")
    monkeypatch.setenv("HF_TOKEN", "hf_let_me_in")
    assert hub.look("org/gated").family == "sdxl"


def test_no_such_model_and_no_network_are_sentences(
    ours: HubOfModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=r"the hub shows no such model. Check the spelling"):
        hub.look("org/nothing")
    (tmp_path / "repo").mkdir()
    ours.repos["org/empty"] = tmp_path / "repo"
    with pytest.raises(UserError, match="no Stable Diffusion model is in it"):
        hub.look("org/empty")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"cannot be reached .*Check the network"):
        hub.look("org/xl")
