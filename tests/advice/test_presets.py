"""Presets: every one is whole, contradicts nothing, and gives each value its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from loratui import kohya_config
from loratui.advice.contradictions import contradictions
from loratui.advice.presets import Preset, apply, find, presets, read_preset
from loratui.engines import config
from loratui.models.catalog import catalogue
from loratui.problems import UserError
from loratui.recipe import Base, Dataset, Recipe, Steps, change, check, dumps, flatten, loads
from loratui.recipe.commented import commented

FLOW = ("flux", "sd3", "lumina", "anima")


def over(preset: Preset) -> Recipe:
    recipe = Recipe(
        base=Base(model="/m"), dataset=Dataset(folder="/d", trigger="ohwx"), steps=Steps(epochs=10)
    )
    family = preset.family or "sd15"
    recipe = apply(change(recipe, {"base.family": family}), preset)
    return change(recipe, {"base.prediction": "flow"}) if family in FLOW else recipe


@pytest.mark.parametrize("preset", presets().values(), ids=lambda preset: preset.name)
def test_a_preset_is_sound(preset: Preset) -> None:
    recipe = over(preset)
    assert check(recipe) == []
    assert [one.problem for one in contradictions(recipe, recipe.base.family or "")] == []
    flat = kohya_config.flatten(config.to_kohya(recipe, Path()))
    assert kohya_config.check(flat, config.script_of(recipe)) == []
    assert preset.values.keys() == preset.reasons.keys()
    assert preset.command.startswith(f"loratui train ./pictures --preset {preset.name} --model ")
    model = preset.command.partition("--model ")[2].split()[0]
    assert catalogue()[model].family == (preset.family or "sd15")
    assert set(preset.models) <= catalogue().keys()
    assert preset.source


def test_families_and_purposes_people_ask_for_are_there() -> None:
    pairs = {(preset.family, preset.purpose) for preset in presets().values()}
    assert pairs >= {(family, "character") for family in ("sd15", "sdxl", "flux", "sd3", "anima", "lumina")}
    assert pairs >= {(family, "style") for family in ("sd15", "sdxl", "flux")}


def test_the_guides_preset_is_as_written_and_its_twin_mends_it() -> None:
    written, mended = find("edg-locon-as-written").values, find("edg-locon-mended").values
    assert (written["training.resolution"], written["training.buckets"]) == ([512, 650], False)
    assert (written["network.conv_rank"], written["network.conv_alpha"]) == (32, 1.0)
    assert written["kohya.xformers"] and written["kohya.mem_eff_attn"]
    assert all(side % 64 == 0 for side in mended["training.resolution"])
    assert mended["network.conv_alpha"] / mended["network.conv_rank"] == 0.5


def test_a_wrong_name_is_told_the_nearest() -> None:
    with pytest.raises(UserError, match="Did you mean 'sdxl-style'"):
        find("sdxl-stile")


def test_a_preset_of_ones_own_that_does_not_fit_names_its_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('# x\n[network]\nrank = "many"  # "#" no comment\n')
    with pytest.raises(UserError, match=r"mine\.toml.*rank"):
        read_preset(path)


def test_reasons_survive_in_a_recipe_as_comments() -> None:
    preset = find("illustrious-prodigy")
    recipe = over(preset)
    text = commented(recipe, preset.reasons, "loratui train hero.toml")
    assert loads(text) == loads(dumps(recipe))
    assert "# finds its own rate" in text
    assert text.startswith("# loratui train hero.toml\n")
    assert flatten(loads(text))["optimizer.name"] == "Prodigy"
