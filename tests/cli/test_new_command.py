"""A folder of pictures to a recipe, without screens."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from loratui import demo
from loratui.recipe import loads
from tests.conftest import Loratui


@pytest.fixture
def pictures(home: Path) -> Path:
    return demo.make_pictures()


def test_a_folder_becomes_a_recipe_that_can_be_read_again(
    pictures: Path, tmp_path: Path, loratui: Loratui
) -> None:
    out = tmp_path / "hero.toml"
    arguments = ("new", str(pictures), "--model", "illustrious", "--preset", "illustrious-character")
    done = loratui(*arguments, "-o", str(out))
    assert done.returncode == 0, done.stderr
    recipe = loads(out.read_text())
    assert (recipe.base.model, recipe.base.family) == ("illustrious", "sdxl")
    assert (recipe.dataset.trigger, recipe.network.rank, recipe.optimizer.unet_rate) == ("ohwx", 32, 2e-4)
    assert out.read_text().startswith("# loratui train ")
    again = loratui(*arguments, "-o", str(out))
    assert again.returncode == 1
    assert "not written over" in again.stderr


def test_what_is_missing_is_asked_for_by_name(pictures: Path, loratui: Loratui) -> None:
    for model, words in (("", "--model illustrious"), ("chroma", "no engine here trains")):
        done = loratui("new", str(pictures), *(("--model", model) if model else ()))
        assert done.returncode == 1
        assert words in done.stderr
        assert "Traceback" not in done.stderr


def test_training_a_folder_refuses_with_the_command_that_fetches(pictures: Path, loratui: Loratui) -> None:
    done = loratui("train", str(pictures), "--model", "sdxl", "--detach")
    assert done.returncode == 1
    assert "loratui download sdxl" in done.stderr


def test_presets_and_imports_speak_json(home: Path, tmp_path: Path, loratui: Loratui) -> None:
    rows = json.loads(loratui("presets", "--json").stdout)["presets"]
    assert {row["name"] for row in rows} >= {"edg-locon-as-written", "edg-locon-mended", "sdxl-character"}
    text = loratui("presets", "sdxl-style").stdout
    assert tomllib.loads(text)["network"]["type"] == "locon"
    path = tmp_path / "gui.json"
    path.write_text(json.dumps({"network_dim": 16, "network_alpha": 8, "epoch": 3, "odd": 1}))
    done = loratui("import", str(path), "--json")
    assert done.returncode == 1
    answer = json.loads(done.stdout)
    assert answer["recipe"]["network.rank"] == 16
    assert [row["key"] for row in answer["not_understood"]] == ["odd"]
