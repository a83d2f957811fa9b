"""``loratui PATH``: what opens for which path."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import click
import pytest
import tomli_w

from loratui import demo
from loratui.cli.door import cli
from loratui.cli.open import opening
from loratui.problems import UserError
from loratui.recipe import dumps
from loratui.runs import store
from loratui.tui.wizard.screen import WizardScreen
from loratui.tui.wizard.steps import REVIEW


def review(path: Path) -> WizardScreen:
    screen = opening(path)["first"]()
    assert isinstance(screen, WizardScreen) and screen.step == REVIEW
    return screen


def test_a_folder_of_pictures_and_nothing(tmp_path: Path) -> None:
    assert opening(None) == {}
    assert opening(tmp_path)["recipe"].dataset.folder == str(tmp_path)
    sets = tmp_path / "sets.toml"
    sets.write_text("[[datasets]]\n")
    assert opening(sets)["recipe"].kohya == {"dataset_config": str(sets)}


def test_a_recipe_a_kohya_config_and_a_gui_preset_open_at_review(home: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(dumps(demo.recipe()))
    assert review(own).state.recipe.network.rank == demo.recipe().network.rank
    kohya = tmp_path / "config.toml"
    kohya.write_text(tomli_w.dumps({"network_dim": 24, "network_alpha": 12, "learning_rate": 1e-4}))
    assert review(kohya).state.recipe.network.rank == 24
    gui = tmp_path / "preset.json"
    gui.write_text(json.dumps({"network_dim": 12, "network_alpha": 6, "LoRA_type": "Standard", "zzz": 5}))
    assert review(gui).state.recipe.network.rank == 12


def test_a_note_says_that_enter_starts_only_what_can_start(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: list[str] = []
    monkeypatch.setattr("loratui.cli.open._review", lambda recipe, note: notes.append(note))
    own, gui = tmp_path / "own.toml", tmp_path / "preset.json"
    own.write_text(dumps(demo.recipe()))
    gui.write_text(json.dumps({"network_dim": 12, "LoRA_type": "Standard"}))
    opening(own)
    opening(gui)
    assert "Enter starts it as it stands." in notes[0]
    assert "Enter" not in notes[1] and "marked x" in notes[1]


def test_a_run_opens_its_panel_and_one_of_elsewhere_its_recipe(home: Path, tmp_path: Path) -> None:
    run = store.create(demo.recipe(), "builtin", 9)
    assert opening(run.folder) == {"run_id": run.id}
    shutil.copytree(run.folder, tmp_path / "carried")
    assert review(tmp_path / "carried").state.recipe.output.name == "demo"


def test_a_file_that_is_no_recipe_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text("[[[")
    with pytest.raises(UserError):
        opening(tmp_path / "x.toml")


def test_train_takes_the_folder_of_a_run(home: Path, call: Any) -> None:
    run = store.create(demo.recipe(), "builtin", 9)
    with pytest.raises(UserError, match=r"recipe\.toml|base\.model"):
        call("train", run.folder, "--set", "base.model=/nowhere.safetensors")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ([], ["open"]),
        (["--slow"], ["open", "--slow"]),
        (["--no-mouse", "."], ["open", "--no-mouse", "."]),
        (["."], ["open", "."]),
        (["runs", "--json"], ["runs", "--json"]),
        (["--version"], ["--version"]),
    ],
)
def test_options_of_the_screens_need_no_command(
    typed: list[str], meant: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []

    def parse(self: click.Group, ctx: click.Context, args: list[str]) -> list[str]:
        seen.append(args)
        return args

    monkeypatch.setattr(click.Group, "parse_args", parse)
    with click.Context(cli) as context:
        cli.parse_args(context, list(typed))
    assert seen == [meant]
