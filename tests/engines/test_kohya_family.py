"""What each of sd-scripts' programs is given, and what it is refused without."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest

from loratui import kohya_config
from loratui.engines import config
from loratui.engines.kohya import family as kohya_family
from loratui.engines.kohya.engine import KohyaEngine
from loratui.recipe import Base, Dataset, FamilyName, Recipe, Steps, change, resolve_paths

RUN = Path("/runs/one")
PERSISTENT = "persistent_data_loader_workers"


def recipe(family: Any, **changes: Any) -> Recipe:
    made = Recipe(
        base=Base(model="/m.safetensors", family=family), dataset=Dataset(folder="/d"), steps=Steps(epochs=2)
    )
    return change(made, changes)


def flat(made: Recipe) -> dict[str, Any]:
    import tomllib

    return kohya_config.flatten(tomllib.loads(KohyaEngine().prepare(made, RUN).files["config.toml"]))


@pytest.mark.parametrize("family", get_args(FamilyName))
def test_each_config_has_only_keys_its_program_knows(home: Path, family: Any) -> None:
    made = recipe(family)
    assert kohya_config.check(flat(made), config.script_of(made)) == []


@pytest.mark.parametrize(
    ("family", "keys"),
    [
        ("sd2", {"v2": True, "sdpa": True}),
        ("flux", {"timestep_sampling": "flux_shift", "guidance_scale": 1.0, "model_prediction_type": "raw"}),
        ("lumina", {"timestep_sampling": "nextdit_shift", "discrete_flow_shift": 6.0}),
        ("anima", {"discrete_flow_shift": 1.0, "cache_text_encoder_outputs": True}),
        ("hunyuan_image", {"discrete_flow_shift": 5.0, "network_train_unet_only": True}),
        ("sd3", {"cache_text_encoder_outputs": True, "network_module": "networks.lora_sd3"}),
        ("sd15", {"logging_dir": str(RUN / "logs"), "log_with": "tensorboard", "caption_extension": ".txt"}),
    ],
)
def test_what_a_family_needs_is_written(home: Path, family: Any, keys: dict[str, Any]) -> None:
    found = flat(recipe(family))
    assert {key: found.get(key) for key in keys} == keys


def test_what_a_person_says_stands(home: Path) -> None:
    made = recipe("flux", **{"kohya.timestep_sampling": "sigmoid", "kohya.xformers": True})
    found = flat(made)
    assert found["timestep_sampling"] == "sigmoid"
    assert "sdpa" not in found


def test_no_workers_are_kept_where_there_are_none(home: Path) -> None:
    """torch: persistent_workers option needs num_workers > 0."""
    assert flat(recipe("sd15", **{"kohya.max_data_loader_n_workers": 0}))[PERSISTENT] is False
    assert flat(recipe("sd15", **{"kohya.max_data_loader_n_workers": 1}))[PERSISTENT] is True
    both = {"kohya.max_data_loader_n_workers": 0, f"kohya.{PERSISTENT}": True}
    (problem,) = kohya_family.problems(recipe("sd15", **both))
    assert problem.key == f"kohya.{PERSISTENT}"


def test_captions_that_change_are_not_encoded_once(home: Path) -> None:
    assert "cache_text_encoder_outputs" not in flat(recipe("flux", **{"dataset.shuffle_captions": True}))


def test_the_vae_of_sdxl_stays_in_full_precision_where_fp16_breaks_it(home: Path) -> None:
    assert flat(recipe("sdxl", **{"training.precision": "fp16"}))["no_half_vae"] is True
    assert "no_half_vae" not in flat(recipe("sdxl", **{"training.precision": "bf16"}))


def test_the_autoencoder_goes_by_its_own_name(home: Path) -> None:
    found = flat(recipe("flux", **{"base.vae": "/ae.safetensors"}))
    assert found["ae"] == "/ae.safetensors"
    assert "vae" not in found


@pytest.mark.parametrize(
    ("family", "changes", "keys"),
    [
        ("flux", {}, {"kohya.clip_l", "kohya.t5xxl", "kohya.ae"}),
        ("flux", {"base.vae": "/ae", "kohya.model_type": "chroma"}, {"kohya.t5xxl"}),
        ("lumina", {}, {"kohya.gemma2", "kohya.ae"}),
        ("anima", {}, {"kohya.qwen3", "kohya.vae"}),
        (
            "hunyuan_image",
            {"kohya.fp8_base": True},
            {"kohya.text_encoder", "kohya.byt5", "kohya.vae"} | {"kohya.fp8_base"},
        ),
        ("sd3", {"kohya.clip_l": "/no/such/file.safetensors"}, {"kohya.clip_l"}),
        ("sdxl", {}, set()),
    ],
)
def test_files_that_are_missing_are_named(family: Any, changes: dict[str, Any], keys: set[str]) -> None:
    assert {problem.key for problem in kohya_family.problems(recipe(family, **changes))} == keys


def test_paths_count_from_the_recipes_folder(tmp_path: Path) -> None:
    made = resolve_paths(recipe("flux", **{"kohya.clip_l": "te/clip_l.safetensors"}), tmp_path)
    assert made.kohya["clip_l"] == str(tmp_path / "te/clip_l.safetensors")
