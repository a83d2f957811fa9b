"""Each mistake gets one clear sentence that names the file and the way out; never a traceback."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from loratui import recipe as recipes
from tests.conftest import Loratui

Write = Callable[..., Path]
GOOD = recipes.Recipe(steps=recipes.Steps(epochs=1))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / "2_cat"
    folder.mkdir(parents=True)
    Image.new("RGB", (64, 64), "red").save(folder / "a.png")
    (folder / "a.txt").write_text("a cat")
    return folder.parent


@pytest.fixture
def write(tmp_path: Path, pictures: Path, demo_material: Path) -> Write:
    """Writes a recipe that would train, with changes laid over it."""

    def make(**changes: object) -> Path:
        settings: dict[str, object] = {
            "base.model": str(demo_material / "model"),
            "dataset.folder": str(pictures),
        }
        settings |= {key.replace("__", "."): value for key, value in changes.items()}
        path = tmp_path / "hero.toml"
        path.write_text(recipes.dumps(recipes.change(GOOD, settings)))
        return path

    return make


def assert_refused(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert result.returncode in (1, 2), result.stderr
    assert "Traceback" not in result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    for word in words:
        assert word in lines[0]


def test_missing_model(home: Path, write: Write, loratui: Loratui) -> None:
    result = loratui("train", str(write(base__model="/nowhere/pony.safetensors")))
    assert_refused(result, "/nowhere/pony.safetensors", "base.model")


def test_pickled_model(home: Path, write: Write, loratui: Loratui, tmp_path: Path) -> None:
    (tmp_path / "old.ckpt").write_bytes(b"x")
    path = tmp_path / "hero.toml"
    path.write_text('[base]\nmodel = "old.ckpt"\n[dataset]\nfolder = "data"\n[steps]\nepochs = 1\n')
    assert_refused(loratui("train", str(path)), "hero.toml", "base.model", "old.ckpt", ".safetensors")


def test_lora_given_as_base_model(home: Path, write: Write, loratui: Loratui, tmp_path: Path) -> None:
    header = json.dumps(
        {"lora_unet_x.lora_down.weight": {"dtype": "F16", "shape": [1, 1], "data_offsets": [0, 2]}}
    ).encode()
    (tmp_path / "l.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"\0\0")
    assert_refused(loratui("train", str(write(base__model=str(tmp_path / "l.safetensors")))), "LoRA")


def test_truncated_model(home: Path, write: Write, loratui: Loratui, tmp_path: Path) -> None:
    (tmp_path / "half.safetensors").write_bytes(b"\xff" * 20)
    result = loratui("train", str(write(base__model=str(tmp_path / "half.safetensors"))))
    assert_refused(result, "half.safetensors")


def test_missing_folder(home: Path, write: Write, loratui: Loratui) -> None:
    assert_refused(loratui("train", str(write(dataset__folder="/nowhere/pictures"))), "/nowhere/pictures")


def test_pictures_without_numbered_folder(home: Path, write: Write, loratui: Loratui, pictures: Path) -> None:
    result = loratui("train", str(write(dataset__folder=str(pictures / "2_cat"))))
    assert_refused(result, "dataset.folder", str(pictures))
    plain = pictures.parent / "plain"
    (pictures / "2_cat").rename(plain)
    assert_refused(loratui("train", str(write(dataset__folder=str(plain)))), str(plain), "10_")


@pytest.mark.parametrize("content", [b"[base\n", b"\xff\xfe", b'base = "x"\n'])
def test_unreadable_recipe(home: Path, loratui: Loratui, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "hero.toml").write_bytes(content)
    assert_refused(loratui("train", str(tmp_path / "hero.toml")), "hero.toml")


def test_no_recipe(home: Path, loratui: Loratui, tmp_path: Path) -> None:
    assert_refused(loratui("train", str(tmp_path / "none.toml")), "none.toml", "no such file")
    assert_refused(loratui("train", str(tmp_path)), "--model", "loratui models")


def test_wrong_type_and_alpha_above_rank(home: Path, write: Write, loratui: Loratui) -> None:
    path = write()
    assert_refused(loratui("train", str(path), "--set", "network.rank=many"), "network.rank", "whole number")
    assert_refused(loratui("train", str(path), "--set", "network.alpha=99"), "network.alpha", "16")


def test_refusals_are_json_too(home: Path, write: Write, loratui: Loratui) -> None:
    result = loratui("train", str(write(dataset__folder="/nowhere")), "--json")
    refused = json.loads(result.stdout)
    assert result.returncode == 1
    assert refused["verdict"] == "refused"
    assert [problem["key"] for problem in refused["problems"]] == ["dataset.folder"]


def test_a_refused_run_leaves_nothing_behind(home: Path, write: Write, loratui: Loratui) -> None:
    loratui("train", str(write(dataset__folder="/nowhere")))
    assert json.loads(loratui("runs", "--json").stdout) == {"runs": []}


@pytest.mark.parametrize("command", ["attach", "stop", "resume", "rerun", "logs"])
def test_runs_that_are_not_there(home: Path, loratui: Loratui, command: str) -> None:
    assert_refused(loratui(command, "nothing"), "no run")


def test_misspelt_command(home: Path, loratui: Loratui) -> None:
    result = loratui("trian")
    assert result.returncode == 2
    assert "'train'" in result.stderr


def test_the_kohya_engine_says_what_is_missing(home: Path, write: Write, loratui: Loratui) -> None:
    assert_refused(loratui("train", str(write()), "--engine", "kohya"), "sd-scripts", "loratui setup kohya")
