"""Recipe and config.toml say the same, in both directions."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loratui import kohya_config
from loratui.engines import config
from loratui.problems import UserError
from loratui.recipe import (
    Base,
    Dataset,
    Network,
    Optimizer,
    Output,
    Recipe,
    Samples,
    Steps,
    Training,
    dumps,
    flatten,
)

RUN = Path("/runs/one")
rates = st.floats(0, 1, allow_nan=False)


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    rank, epochs, side = draw(st.integers(1, 128)), draw(st.booleans()), draw(st.integers(4, 16)) * 64
    conv = draw(st.none() | st.integers(1, 16))
    return Recipe(
        base=Base(
            model="m.safetensors",
            prediction=draw(st.sampled_from(["epsilon", "v"])),
            zero_terminal_snr=draw(st.booleans()),
        ),
        dataset=Dataset(
            folder="d", shuffle_captions=draw(st.booleans()), keep_tokens=draw(st.integers(0, 3))
        ),
        steps=Steps(
            epochs=5 if epochs else None,
            target=None if epochs else draw(st.integers(1, 9999)),
            batch_size=draw(st.integers(1, 8)),
            accumulation=draw(st.integers(1, 4)),
        ),
        network=Network(
            rank=rank,
            alpha=draw(st.floats(0.01, rank)),
            type="lora" if conv is None else draw(st.sampled_from(["locon", "loha", "lokr"])),
            conv_rank=conv,
            conv_alpha=None if conv is None else 1.0,
        ),
        optimizer=Optimizer(
            name=draw(st.sampled_from(["AdamW", "Prodigy"])),
            unet_rate=draw(rates),
            text_encoder_rate=draw(st.none() | rates),
            warmup=draw(st.sampled_from([0.0, 0.05, 10.0])),
            arguments=tuple(draw(st.lists(st.just("weight_decay=0.1"), max_size=1))),
        ),
        training=Training(
            resolution=(side, side),
            bucket_max=2048,
            buckets=draw(st.booleans()),
            clip_skip=draw(st.none() | st.integers(1, 2)),
            noise_offset=draw(st.none() | st.floats(0, 0.2)),
            precision=draw(st.sampled_from(["no", "fp16", "bf16"])),
            cache_latents=draw(st.booleans()),
        ),
        output=Output(name="hero", folder="/out", save_every_epochs=draw(st.integers(0, 3))),
        kohya=draw(st.sampled_from([{}, {"min_snr_gamma": 5.0}, {"network_args": ["loraplus_lr_ratio=16"]}])),
    )


@given(recipes())
def test_a_config_is_read_back_as_the_recipe_it_came_from(recipe: Recipe) -> None:
    text = kohya_config.dumps(config.to_kohya(recipe, RUN))
    flat = kohya_config.flatten(tomllib.loads(text))
    back = config.from_kohya(flat, "config.toml")
    unsaid = {"samples.every_epochs"}  # without prompts there is nothing to draw
    assert [key for key, _, _ in recipe.diff(back) if key not in unsaid] == []


@given(recipes())
def test_every_config_passes_the_option_table(recipe: Recipe) -> None:
    assert kohya_config.check(kohya_config.flatten(config.to_kohya(recipe, RUN))) == []


def test_the_table_covers_every_setting_once() -> None:
    """A setting without a row is either written by a rule of its own or never reaches a trainer."""
    by_rule = {
        "dataset.skip_damaged",
        "training.base_4bit",
        "network.type",
        "network.conv_rank",
        "network.conv_alpha",
        "samples.prompts",
        "samples.negative",
        "samples.steps",
        "samples.scale",
        "samples.width",
        "samples.height",
        "samples.seed",
    }
    launcher = {key for key in flatten(Recipe()) if key.startswith("launch.")}
    # config.toml stays Kohya's own: the builtin trainer is told of minutes on its command line.
    never = {"base.family", "dataset.trigger", "dataset.purpose", "output.state_minutes", *launcher}
    settings = [row.setting for row in config.ROWS]
    assert len(settings) == len(set(settings))
    assert set(settings) | by_rule | never == set(flatten(Recipe()))


def minimal(**sections: Any) -> Recipe:
    return Recipe(
        base=Base(model="m.safetensors"), dataset=Dataset(folder="d"), steps=Steps(epochs=2), **sections
    )


def test_the_words_people_know() -> None:
    flat = kohya_config.flatten(config.to_kohya(minimal(training=Training(resolution=(1024, 1024))), RUN))
    assert flat["resolution"] == "1024,1024"
    assert flat["max_train_epochs"] == 2
    assert "max_train_steps" not in flat
    assert flat["caption_extension"] == ".txt"
    assert flat["network_train_unet_only"] is True
    assert flat["output_dir"] == str(RUN / "checkpoints")


@pytest.mark.parametrize(
    ("family", "kind", "module"),
    [
        ("sdxl", "lora", "networks.lora"),
        ("flux", "lora", "networks.lora_flux"),
        ("sd3", "lora", "networks.lora_sd3"),
        ("sdxl", "lokr", "lycoris.kohya"),
    ],
)
def test_each_family_has_its_own_lora_module(family: Any, kind: Any, module: str) -> None:
    recipe = Recipe(base=Base(model="m", family=family), network=Network(type=kind))
    assert kohya_config.flatten(config.to_kohya(recipe, RUN))["network_module"] == module


def test_prompts_are_lines_that_cannot_break_out() -> None:
    recipe = minimal(samples=Samples(prompts=("a cat\nin a hat", "b"), negative="blur\n", seed=7, steps=9))
    assert config.prompt_lines(recipe).splitlines() == [
        "a cat in a hat --n blur --w 512 --h 512 --d 7 --l 7 --s 9",
        "b --n blur --w 512 --h 512 --d 8 --l 7 --s 9",
    ]
    flat = kohya_config.flatten(config.to_kohya(recipe, RUN))
    assert flat["sample_prompts"] == str(RUN / config.PROMPTS_FILE)


def test_samples_by_steps_need_no_epochs_and_no_prompts_no_samples() -> None:
    by_steps = {"sample_every_n_steps": 50}
    drawn = minimal(samples=Samples(prompts=("a",), every_epochs=0), kohya=by_steps)
    flat = kohya_config.flatten(config.to_kohya(drawn, RUN))
    assert (flat["sample_every_n_steps"], flat["sample_prompts"]) == (50, str(RUN / config.PROMPTS_FILE))
    assert "sample_every_n_epochs" not in flat
    none = kohya_config.flatten(config.to_kohya(minimal(kohya=by_steps), RUN))
    assert not [key for key in none if key.startswith("sample_")]
    own = kohya_config.flatten(config.to_kohya(minimal(kohya=by_steps | {"sample_prompts": "mine.txt"}), RUN))
    assert (own["sample_every_n_steps"], own["sample_prompts"]) == (50, "mine.txt")


def test_a_resume_goes_on_instead_of_starting_over() -> None:
    asked = minimal(kohya={"initial_step": 5, "skip_until_initial_step": True})
    assert kohya_config.flatten(config.to_kohya(asked, RUN))["initial_step"] == 5
    flat = kohya_config.flatten(config.to_kohya(asked, RUN, Path("/state")))
    assert flat["resume"] == "/state"
    assert flat["skip_until_initial_step"] is True
    assert "initial_step" not in flat


def test_sd_scripts_defaults_hold_for_what_a_kohya_file_leaves_out() -> None:
    recipe = config.from_kohya({"pretrained_model_name_or_path": "m", "train_data_dir": "d"}, "f")
    assert recipe.network.alpha == 1
    assert recipe.network.rank == 4
    assert recipe.steps.target == 1600
    assert recipe.dataset.caption_extension == ".caption"
    assert recipe.training.buckets is False
    assert recipe.optimizer.text_encoder_rate == recipe.optimizer.unet_rate


@pytest.mark.parametrize("argument", ["conv_dim", "conv_dim=x"])
def test_a_network_argument_without_its_number_is_a_sentence(argument: str) -> None:
    with pytest.raises(UserError, match="holds no number"):
        config.from_kohya(
            {"pretrained_model_name_or_path": "/m.safetensors", "train_data_dir": "/d", "resolution": "64"}
            | {"network_args": [argument]},
            "config.toml",
        )


def test_epochs_win_over_steps() -> None:
    flat = {"pretrained_model_name_or_path": "m", "train_data_dir": "d", "max_train_epochs": 3}
    recipe = config.from_kohya(flat | {"max_train_steps": 100}, "f")
    assert (recipe.steps.epochs, recipe.steps.target) == (3, None)


def test_a_kohya_file_with_a_misspelt_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('pretrained_model_name_or_path = "m"\ntrain_data_dir = "d"\nlearning_rte = 5.0\n')
    with pytest.raises(UserError, match=r"mine\.toml: learning_rte: .*'learning_rate'"):
        config.load(path)


def test_a_file_is_told_as_recipe_or_kohya(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(dumps(minimal()))
    assert config.load(path).dataset.folder == str(tmp_path / "d")
    path.write_text('[a]\npretrained_model_name_or_path = "/m"\n[b]\ntrain_data_dir = "/d"\n')
    assert config.load(path).steps.target == 1600


@pytest.mark.parametrize("bad", ["1024x1024", "", "a"])
def test_a_resolution_that_cannot_be_read(bad: str) -> None:
    flat = {"pretrained_model_name_or_path": "m", "train_data_dir": "d", "resolution": bad}
    if bad == "":
        assert config.from_kohya(flat, "f").training.resolution == (512, 512)
    else:
        with pytest.raises(UserError, match=r"resolution: .*width, height"):
            config.from_kohya(flat, "f")
