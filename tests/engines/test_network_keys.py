"""What a Kohya config says of its network reaches the trainer, also where a recipe has no words for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loratui import kohya_config
from loratui.engines import config
from loratui.engines.builtin import BuiltinEngine
from loratui.engines.checking.checks import passed_on_problems
from loratui.problems import UserError
from loratui.recipe import Base, Network, Recipe, change, dumps, loads

MINIMAL = {"pretrained_model_name_or_path": "/m.safetensors", "train_data_dir": "/d"}


def through_a_recipe(**given: Any) -> dict[str, Any]:
    """What a trainer is told of a Kohya config that was read, kept as a recipe, and written again."""
    recipe = config.from_kohya(MINIMAL | given, "mine.toml")
    assert list(passed_on_problems(recipe)) == []
    recipe = loads(dumps(recipe), "recipe.toml")
    return kohya_config.flatten(config.to_kohya(recipe, Path("/run")))


@pytest.mark.parametrize(
    "given",
    [
        {"network_module": "networks.lora", "network_args": ["loraplus_lr_ratio=16", "rank_dropout=0.1"]},
        {"network_module": "networks.lora", "network_args": ["conv_dim=4", "conv_alpha=2", "block_dims=1"]},
        {"network_module": "lycoris.kohya", "network_args": ["algo=lokr", "factor=8", "preset=attn-mlp"]},
        {"network_module": "lycoris.kohya", "network_args": ["conv_dim=4", "algo=locon", "dora_wd=True"]},
        {"network_module": "lycoris.kohya"},
        {"network_module": "networks.dylora", "network_args": ["unit=4"]},
        {"network_module": "networks.lora", "text_encoder_lr": [1e-4, 3e-5]},
    ],
)
def test_a_kohya_config_keeps_its_network(given: dict[str, Any]) -> None:
    told = through_a_recipe(**given)
    assert {key: told.get(key) for key in given} == given


def test_arguments_in_one_text_are_a_sentence() -> None:
    with pytest.raises(UserError, match="a list belongs here"):
        config.from_kohya(MINIMAL | {"network_args": "algo=lokr"}, "mine.toml")


def test_no_rate_in_the_list_is_the_common_one() -> None:
    recipe = config.from_kohya(MINIMAL | {"text_encoder_lr": [], "learning_rate": 3e-4}, "mine.toml")
    assert recipe.optimizer.text_encoder_rate == 3e-4


def test_rates_of_several_text_encoders_follow_the_recipes_own() -> None:
    recipe = config.from_kohya(MINIMAL | {"text_encoder_lr": [1e-4, 2e-5]}, "mine.toml")
    lower = change(recipe, {"optimizer.text_encoder_rate": 1e-5})
    told = kohya_config.flatten(config.to_kohya(lower, Path("/run")))["text_encoder_lr"]
    assert told == pytest.approx([1e-5, 2e-6])
    none = change(recipe, {"optimizer.text_encoder_rate": None})
    assert "text_encoder_lr" not in kohya_config.flatten(config.to_kohya(none, Path("/run")))


@pytest.mark.parametrize(
    ("kind", "kohya", "key"),
    [
        ("lora", {"network_args": ["conv_dim=4"]}, "kohya.network_args"),
        ("lora", {"network_args": ["conv_alpha=1"]}, "kohya.network_args"),
        ("lokr", {"network_args": ["algo=loha"]}, "kohya.network_args"),
        ("loha", {"network_module": "lycoris.kohya"}, "kohya.network_module"),
        ("lora", {"network_args": "loraplus_lr_ratio=4"}, "kohya.network_args"),
        ("lora", {"text_encoder_lr": 1e-4}, "kohya.text_encoder_lr"),
        ("lora", {"network_dim": 4}, "kohya.network_dim"),
    ],
)
def test_what_is_said_twice_or_contradicts_is_refused(kind: Any, kohya: dict[str, Any], key: str) -> None:
    recipe = Recipe(base=Base(model="m", family="sd15"), network=Network(type=kind), kohya=kohya)
    assert key in [problem.key for problem in passed_on_problems(recipe)]


@pytest.mark.parametrize(
    ("kohya", "words"),
    [
        ({"network_module": "networks.loraa"}, "networks.lora"),
        ({"network_args": ["loraplus_lr_ratioo=4"]}, "loraplus_lr_ratio"),
        ({"network_module": "networks.dylora"}, "kohya"),
    ],
)
def test_the_builtin_engine_says_before_the_start_what_it_has_not(kohya: dict[str, Any], words: str) -> None:
    recipe = Recipe(base=Base(model="/m.safetensors", family="sd15"), kohya=kohya)
    (problem,) = [one for one in BuiltinEngine().supports(recipe) if one.key.startswith("kohya.")]
    assert words in problem.fix
