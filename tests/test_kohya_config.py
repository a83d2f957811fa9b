"""config.toml is checked as sd-scripts never does."""

from __future__ import annotations

from pathlib import Path

import pytest

from loratui import kohya_config
from loratui.problems import UserError


def test_sections_are_flattened_and_the_last_of_a_key_wins() -> None:
    flat = kohya_config.flatten({"seed": 1, "a": {"network_dim": 4, "seed": 2}, "b": {"network_dim": 8}})
    assert flat == {"seed": 2, "network_dim": 8}


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("learning_rte", 1e-4, "Did you mean 'learning_rate'?"),
        ("learning_rate", "1e-4", "a number"),
        ("network_alpha", "2", "a number"),
        ("resolution", 512, "text in quotes"),
        ("train_batch_size", "2", "a whole number"),
        ("train_batch_size", 2.5, "a whole number"),
        ("enable_bucket", "false", "true or false"),
        ("mixed_precision", "fp8", "one of no, fp16, bf16"),
        ("blocks_to_swap", 4, "flux_train_network"),
        ("optimizer_args", [1], "a list of text"),
        ("max_train_epochs", True, "a whole number"),
        ("network_dropout", float("nan"), "a number"),
        ("noise_offset", float("inf"), "a number"),
    ],
)
def test_each_bad_key_or_value_is_refused(key: str, value: object, says: str) -> None:
    (problem,) = kohya_config.check({key: value})
    assert problem.key == key
    assert says in str(problem)


def test_good_values_pass() -> None:
    good = {
        "learning_rate": 1,
        "text_encoder_lr": 5e-5,
        "optimizer_args": ["weight_decay=0.1"],
        "lr_warmup_steps": 0.1,
        "network_args": [],
        "save_precision": "bf16",
    }
    assert kohya_config.check(good) == []


def test_a_key_of_one_script_only() -> None:
    assert kohya_config.check({"cache_text_encoder_outputs": True}, "sdxl_train_network") == []
    assert kohya_config.check({"cache_text_encoder_outputs": True}, "train_network") != []


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        kohya_config.dumps({"model": {"vae": None}, "train": {"seed": 3, "resolution": "512,768"}})
    )
    assert kohya_config.checked(path) == {"seed": 3, "resolution": "512,768"}
    path.write_text('sede = 3\nseed = "x"\n')
    with pytest.raises(UserError) as caught:
        kohya_config.checked(path)
    assert len(caught.value.problems) == 2
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(("text", "size"), [("512", (512, 512)), (" 512 , 768 ", (512, 768))])
def test_resolutions(text: str, size: tuple[int, int]) -> None:
    assert kohya_config.parse_resolution(text) == size


@pytest.mark.parametrize("text", ["1024x1024", "", "1,2,3", "0,5"])
def test_bad_resolutions(text: str) -> None:
    with pytest.raises(ValueError):
        kohya_config.parse_resolution(text)
