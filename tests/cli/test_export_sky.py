"""``loratui export sky``: a task that SkyPilot takes, whose script trains what the recipe says."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from loratui import recipe as recipes
from tests.conftest import Loratui

FIELDS = {"name", "num_nodes", "resources", "envs", "secrets", "file_mounts", "setup", "run"}
RESOURCES = {"accelerators", "disk_size", "use_spot", "autostop"}
"""Those of https://docs.skypilot.co/en/latest/reference/yaml-spec.html that are used."""
TRIGGER = 'a $HOME `touch x` "q" #\' \\ é'


@pytest.fixture
def recipe(demo_home: Path, tmp_path: Path) -> Path:
    text = recipes.dumps(
        recipes.Recipe(
            base=recipes.Base(model=str(demo_home / "demo" / "model"), family="sd15"),
            dataset=recipes.Dataset(folder=str(demo_home / "demo" / "pictures"), trigger=TRIGGER),
            steps=recipes.Steps(epochs=1),
            output=recipes.Output(name="Hero é 1"),
        )
    )
    path = tmp_path / "hero.toml"
    path.write_text(text)
    return path


def export(loratui: Loratui, recipe: Path, *words: str, code: int = 0) -> Any:
    done = loratui("export", "sky", str(recipe), "-o", "-", *words)
    assert done.returncode == code, done.stderr
    return yaml.safe_load(done.stdout) if code == 0 else done.stderr


def test_a_task(loratui: Loratui, recipe: Path, demo_home: Path) -> None:
    task = export(loratui, recipe)
    assert set(task) <= FIELDS and set(task["resources"]) <= RESOURCES
    assert task["name"] == "loratui-hero-1"
    assert (task["num_nodes"], task["resources"]["accelerators"][0]) == (1, "RTX4090:1")
    assert set(task["file_mounts"].values()) == {
        str(demo_home / "demo" / "model"),
        str(demo_home / "demo" / "pictures"),
    }
    assert "secrets" not in task and "setup kohya" not in task["setup"]


def test_the_script_hands_the_recipe_over_unharmed(loratui: Loratui, recipe: Path, tmp_path: Path) -> None:
    """Run by a real shell, in which ``loratui`` only writes down what it was given."""
    script = export(loratui, recipe)["run"]
    there = tmp_path / "there"
    (there / "bin").mkdir(parents=True)
    stub = there / "bin" / "loratui"
    stub.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > "$HOME/words"\n')
    stub.chmod(0o755)
    environment = {"PATH": f"{stub.parent}{os.pathsep}/usr/bin:/bin", "HOME": str(there)}
    subprocess.run(["bash", "-e", "-c", script], check=True, env=environment, cwd=there)
    words = (there / "words").read_text().splitlines()
    written = recipes.loads(Path(words[1]).read_text())
    original = recipes.loads(recipe.read_text())
    assert written.base.model == f"{there}/loratui-data/model/model"
    assert written.dataset.folder == f"{there}/loratui-data/folder/pictures"
    assert written.dataset.trigger == TRIGGER == original.dataset.trigger
    assert words[2:] == ["--set", f"output.folder={there}/loratui-data/out"]
    assert not (there / "x").exists()


def test_several_machines(loratui: Loratui, recipe: Path, tmp_path: Path) -> None:
    refused = export(loratui, recipe, "--machines", "2", code=1)
    assert 'engine = "kohya"' in refused
    recipe.write_text(f'{recipe.read_text()}\n[launch]\nengine = "kohya"\n')
    task = export(loratui, recipe, "--machines", "2", "--gpus", "4", "--gpu", "H100", "--spot", "--token")
    assert (task["num_nodes"], task["resources"]["accelerators"]) == (2, ["H100:4"])
    assert task["resources"]["use_spot"] is True
    assert task["secrets"] == {"HF_TOKEN": None}
    assert "num_processes = 8" in task["run"] and "setup kohya" in task["setup"]
    last = task["run"].splitlines()[-1].replace("loratui train", "printf '%s\\n'", 1)
    environment = {"HOME": "/h", "SKYPILOT_NODE_RANK": "1", "SKYPILOT_NODE_IPS": "10.0.0.1\n10.0.0.2"}
    done = subprocess.run(["bash", "-c", last], capture_output=True, text=True, env=environment, check=True)
    assert "launch.machine_rank=1" in done.stdout.splitlines()
    assert "launch.main_process_ip=10.0.0.1" in done.stdout.splitlines()


def test_a_file_is_not_overwritten_unasked(loratui: Loratui, recipe: Path, tmp_path: Path) -> None:
    first = loratui("export", "sky", str(recipe), "--json", cwd=tmp_path)
    assert json.loads(first.stdout)["file"] == "hero.sky.yaml"
    again = loratui("export", "sky", str(recipe), cwd=tmp_path)
    assert again.returncode == 1 and "--force" in again.stderr
    assert loratui("export", "sky", str(recipe), "--force", cwd=tmp_path).returncode == 0


def test_secrets_and_links_do_not_travel(loratui: Loratui, recipe: Path, tmp_path: Path) -> None:
    text = recipe.read_text()
    recipe.write_text(f'{text}\n[kohya]\nhuggingface_token = "hf_secret"\n')
    refused = export(loratui, recipe, code=1)
    assert "huggingface_token" in refused and "hf_secret" not in refused
    links = tmp_path / "links" / "1_x"
    links.mkdir(parents=True)
    (links / "a.png").symlink_to("/nowhere.png")
    folder = next(line for line in text.splitlines() if line.startswith("folder"))
    recipe.write_text(text.replace(folder, f'folder = "{links.parent}"'))
    assert "cp -rL" in export(loratui, recipe, code=1)


def test_nothing_to_export(loratui: Loratui, home: Path) -> None:
    assert loratui("export", "sky").returncode == 2
