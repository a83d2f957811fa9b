"""Recipes are read at the door with every problem named, and written back unchanged."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    change,
    dumps,
    loads,
    resolve_paths,
)

MINIMAL = '[base]\nmodel = "m.safetensors"\n[dataset]\nfolder = "pictures"\n[steps]\nepochs = 3\n'

words = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)
rates = st.floats(0, 1, allow_nan=False)
ranks = st.integers(1, 256)


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    rank = draw(ranks)
    by_epochs = draw(st.booleans())
    count = draw(st.integers(1, 10_000))
    return Recipe(
        base=Base(model=draw(words) + ".safetensors", family=draw(st.sampled_from(["sd15", "sdxl", None]))),
        dataset=Dataset(folder=draw(words), trigger=draw(words), keep_tokens=draw(st.integers(0, 5))),
        steps=Steps(
            epochs=count if by_epochs else None,
            target=None if by_epochs else count,
            batch_size=draw(st.integers(1, 16)),
        ),
        network=Network(rank=rank, alpha=draw(st.floats(0.001, rank))),
        optimizer=Optimizer(unet_rate=draw(rates), text_encoder_rate=draw(st.none() | rates)),
        samples=Samples(prompts=tuple(draw(st.lists(words, max_size=3)))),
        output=Output(name=draw(st.from_regex(r"[A-Za-z0-9_-]{1,30}", fullmatch=True))),
        kohya=draw(st.just({}) | st.just({"min_snr_gamma": 5.0, "max_grad_norm": 0.5})),
    )


@given(recipes())
def test_a_recipe_survives_toml_out_and_in(recipe: Recipe) -> None:
    assert loads(dumps(recipe)) == recipe


@given(recipes(), recipes())
def test_a_diff_names_exactly_what_must_change(old: Recipe, new: Recipe) -> None:
    changes = {key: value for key, _, value in old.diff(new) if not key.startswith("kohya.")}
    patched = change(old, changes)
    assert [key for key, _, _ in patched.diff(new) if not key.startswith("kohya.")] == []


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        (MINIMAL + "[network]\nrnk = 4\n", "network.rnk", "Did you mean 'rank'?"),
        (MINIMAL + "[netwrk]\nrank = 4\n", "netwrk", "Did you mean 'network'?"),
        (MINIMAL.replace("epochs = 3", 'epochs = "3"'), "steps.epochs", "whole number"),
        (MINIMAL.replace("epochs = 3", "epochs = true"), "steps.epochs", "whole number"),
        (MINIMAL.replace("epochs = 3", "epochs = 0"), "steps.epochs", ">= 1"),
        (MINIMAL.replace("epochs = 3", "epochs = 3\ntarget = 100"), "steps.target", "Keep one"),
        (MINIMAL.replace("epochs = 3", ""), "steps.epochs", "epochs = 10"),
        (MINIMAL + "[network]\nrank = 4\nalpha = 8\n", "network.alpha", "alpha = 4 or less"),
        (MINIMAL + '[network]\ntype = "lra"\n', "network.type", "Did you mean 'lora'?"),
        (MINIMAL.replace(".safetensors", ".ckpt"), "base.model", ".safetensors version"),
        (MINIMAL + '[output]\nname = "a/b"\n', "output.name", "file name"),
        (MINIMAL + "[training]\nresolution = [512]\n", "training.resolution", "length 2"),
        (MINIMAL + "[training]\nbucket_min = 768\n", "training.bucket_min", "bucket_min = 512"),
        (MINIMAL + '[optimizer]\narguments = ["x"]\n', "optimizer.arguments", "key=value"),
        (MINIMAL + '[kohya]\nwandb_api_key = "x"\n', "kohya.wandb_api_key", "export WANDB_API_KEY="),
        ("base = 3\n", "base", "[base]"),
    ],
)
def test_each_mistake_is_named_with_its_key_and_the_way_out(text: str, key: str, says: str) -> None:
    with pytest.raises(UserError) as caught:
        loads(text, "hero.toml")
    assert [problem.key for problem in caught.value.problems] == [key]
    assert says in str(caught.value)
    assert str(caught.value).startswith("hero.toml: ")
    assert "\n" not in str(caught.value)


def test_broken_toml_names_file_and_line() -> None:
    with pytest.raises(UserError, match=r"^hero\.toml: this is not valid TOML: .*line 1"):
        loads("[base\n", "hero.toml")


def test_every_mistake_is_told_at_once() -> None:
    text = MINIMAL.replace(".safetensors", ".pt") + "[network]\nrank = 4\nalpha = 5\n"
    with pytest.raises(UserError) as caught:
        loads(text)
    assert [problem.key for problem in caught.value.problems] == ["base.model", "network.alpha"]


def test_a_typed_setting_is_read_from_text() -> None:
    changed = change(
        loads(MINIMAL), {"network.rank": "8", "output.name": "123", "kohya.min_snr_gamma": "5.0"}
    )
    assert (changed.network.rank, changed.output.name, changed.kohya) == (8, "123", {"min_snr_gamma": 5.0})


@pytest.mark.parametrize(
    ("key", "says"), [("network.rnk", "'rank'"), ("netwrk.rank", "'network.rank'"), ("rank", "no such")]
)
def test_an_unknown_setting_names_the_nearest(key: str, says: str) -> None:
    with pytest.raises(UserError) as caught:
        change(loads(MINIMAL), {key: "8"})
    assert str(caught.value).startswith(f"{key}: ")
    assert says in str(caught.value)


def test_relative_paths_count_from_the_recipes_folder_and_hub_ids_stay(tmp_path: Path) -> None:
    recipe = resolve_paths(loads(MINIMAL), tmp_path)
    assert recipe.base.model == str(tmp_path / "m.safetensors")
    assert recipe.dataset.folder == str(tmp_path / "pictures")
    hub = resolve_paths(loads(MINIMAL.replace("m.safetensors", "owner/model")), tmp_path)
    assert hub.base.model == "owner/model"
