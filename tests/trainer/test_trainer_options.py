"""Settings of the objective, the network and the schedule, each in a real training."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from loratui import events


def losses(told: Any) -> list[float]:
    assert told.code == 0, told.events
    return [step.loss for step in told.of(events.Step)]


@pytest.fixture(scope="module")
def known() -> dict[bool, list[float]]:
    """Losses of the plain training, by v_parameterization; filled by the first test that asks."""
    return {}


@pytest.fixture
def plain(train: Any, known: dict[bool, list[float]]) -> list[float]:
    """Losses of the plain training of three steps."""
    if len(known.get(False, ())) < 3:
        known[False] = losses(train())
    return known[False]


@pytest.mark.parametrize(
    "changes",
    [
        {"min_snr_gamma": 1.0},
        {"debiased_estimation_loss": True},
        {"v_pred_like_loss": 0.5},
        {"noise_offset": 0.5},
        {"noise_offset": 0.5, "noise_offset_random_strength": True},
        {"noise_offset": 0.5, "adaptive_noise_scale": 0.5},
        {"multires_noise_iterations": 6},
        {"min_timestep": 900},
        {"max_timestep": 100},
        {"loss_type": "huber"},
        {"ip_noise_gamma": 0.5},
        {"max_token_length": 150},
        {"v_parameterization": True, "scale_v_pred_loss_like_noise_pred": True},
        {"v_parameterization": True, "zero_terminal_snr": True, "min_timestep": 900},
        {"zero_terminal_snr": True, "min_timestep": 900},
    ],
)
def test_what_changes_the_loss_from_the_first_step(
    changes: dict[str, Any], train: Any, known: dict[bool, list[float]]
) -> None:
    v = bool(changes.get("v_parameterization"))
    if v not in known:
        known[v] = losses(train(v_parameterization=v, max_train_steps=1))
    assert losses(train(max_train_steps=1, **changes))[0] != pytest.approx(known[v][0], rel=1e-4)


@pytest.mark.parametrize(
    "changes",
    [
        {"network_dropout": 0.5},
        {"network_args": ["rank_dropout=0.5"]},
        {"network_args": ["module_dropout=0.5"]},
    ],
)
def test_dropout_shows_once_there_is_something_to_drop(
    changes: dict[str, Any], train: Any, plain: list[float]
) -> None:
    dropped = losses(train(**changes))
    assert dropped[0] == plain[0]
    assert dropped[-1] != plain[-1]


def test_norms_stay_below_their_limit(train: Any, tmp_path: Path) -> None:
    losses(train(scale_weight_norms=0.001))
    tensors = load_file(tmp_path / "out" / "tiny.safetensors")
    norms = [
        float((tensor.flatten(1) @ tensors[key.replace("lora_up", "lora_down")].flatten(1)).norm()) * 0.5
        for key, tensor in tensors.items()
        if "lora_up" in key
    ]
    assert max(norms) == pytest.approx(0.001, rel=1e-3)


def test_weighted_captions_train_another_way(train: Any, pictures: Path, tmp_path: Path) -> None:
    folder = tmp_path / "weighted" / "2_ohwx"
    folder.mkdir(parents=True)
    for index in range(4):
        (folder / f"{index}.png").write_bytes((pictures / "2_ohwx" / f"{index}.png").read_bytes())
        (folder / f"{index}.txt").write_text("ohwx, (round:1.9)")
    settings = {"train_data_dir": str(folder.parent), "max_train_steps": 2}
    for more in ({}, {"network_train_unet_only": None}):
        plain = losses(train(**settings, **more))
        assert losses(train(**settings, **more, weighted_captions=True)) != plain


@pytest.mark.parametrize(
    ("schedule", "wanted"),
    [
        ({"lr_scheduler": "linear"}, [1, 0.75, 0.5, 0.25]),
        ({"lr_scheduler": "polynomial", "lr_scheduler_power": 2}, [1, 0.5625, 0.25, 0.0625]),
        ({"lr_scheduler": "cosine_with_restarts", "lr_scheduler_num_cycles": 2}, [1, 0.5, 1, 0.5]),
    ],
)
def test_schedules(schedule: dict[str, Any], wanted: list[float], train: Any) -> None:
    told = train(max_train_steps=4, **schedule)
    rates = [step.rates["unet"] / 1e-2 for step in told.of(events.Step)]
    assert rates == pytest.approx(wanted, abs=1e-4)


def test_saving_and_drawing_by_steps(train: Any, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("ohwx --w 64 --h 64 --d 1 --s 2\n")
    told = train(
        max_train_steps=5,
        sample_sampler="heun",
        save_every_n_steps=1,
        save_last_n_steps=1,
        save_state=True,
        sample_prompts=str(prompts),
        sample_every_n_steps=2,
    )
    assert losses(told)
    files = {path.name for path in (tmp_path / "out").glob("*.safetensors")}
    assert files == {"tiny-step00000003.safetensors", "tiny-step00000004.safetensors", "tiny.safetensors"}
    assert [checkpoint.step for checkpoint in told.of(events.Checkpoint)] == [1, 2, 3, 4, 5]
    samples = told.of(events.Sample)
    assert [sample.step for sample in samples] == [2, 4]
    assert [message.text for message in told.of(events.Message)] == [
        "Samples are drawn with dpmsolver++, which comes closest to heun here."
    ]
    assert Path(samples[0].path).name.startswith("tiny_000002_00_")


def test_the_file_tells_what_it_was_made_with(train: Any, tmp_path: Path) -> None:
    changes = {"metadata_author": "me", "metadata_title": "Ohwx", "min_timestep": 10}
    losses(train(max_train_steps=1, min_snr_gamma=5.0, network_args=["conv_dim=2"], **changes))
    with safe_open(tmp_path / "out" / "tiny.safetensors", "pt") as file:
        entries = file.metadata()
    assert entries["ss_min_snr_gamma"] == "5.0"
    assert json.loads(entries["ss_network_args"]) == {"conv_dim": "2"}
    told = (entries[f"modelspec.{key}"] for key in ("author", "title", "timestep_range"))
    assert tuple(told) == ("me", "Ohwx", "10,1000")
    losses(train(max_train_steps=1, no_metadata=True, **changes))
    with safe_open(tmp_path / "out" / "tiny.safetensors", "pt") as file:
        least = file.metadata().keys()
    assert {key for key in least if key.startswith("ss_")} == {
        "ss_base_model_version",
        "ss_network_alpha",
        "ss_network_dim",
        "ss_network_module",
        "ss_v2",
    }


def test_captions_with_words_around_them_and_without_any(train: Any, plain: list[float]) -> None:
    told = {
        key: losses(train(max_train_steps=2, **{key: value}))
        for key, value in (
            ("caption_prefix", "a photo of"),
            ("caption_suffix", "in the rain"),
            ("caption_dropout_rate", 1.0),
            ("caption_dropout_every_n_epochs", 1),
            ("caption_tag_dropout_rate", 0.9),
        )
    }
    none = told.pop("caption_dropout_rate")
    assert told.pop("caption_dropout_every_n_epochs") == none
    others = [plain[:2], none, *told.values()]
    assert all(one != other for index, one in enumerate(others) for other in others[:index])


def test_stable_diffusion_2(train: Any, tmp_path: Path) -> None:
    told = train("sd2", v2=True, v_parameterization=True, network_train_unet_only=None, max_train_steps=2)
    assert len(losses(told)) == 2
    file = tmp_path / "out" / "tiny.safetensors"
    tensors = load_file(file)
    assert "lora_te_text_model_encoder_layers_0_self_attn_q_proj.alpha" in tensors
    # Of a folder. Of a single file they are kernels, and a LoRA fits both.
    name = "lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight"
    assert tensors[name].shape == (4, 32)
    tensors[name] = tensors[name][:, :, None, None].contiguous()
    with safe_open(file, "pt") as opened:
        about = opened.metadata()
    assert (about["ss_v2"], about["ss_base_model_version"]) == ("True", "sd_v2_v")
    assert about["modelspec.architecture"] == "stable-diffusion-v2-768-v/lora"
    save_file(tensors, file)
    again = train("sd2", network_weights=str(file), network_train_unet_only=None, max_train_steps=1)
    assert not [message for message in again.of(events.Message) if message.level != "info"]


def test_a_model_that_predicts_v_is_told_from_one_that_predicts_noise(
    train: Any, tmp_path: Path, tiny_models: dict[str, Path]
) -> None:
    copy = tmp_path / "model"
    shutil.copytree(tiny_models["sd15"], copy)
    scheduler = copy / "scheduler" / "scheduler_config.json"
    scheduler.write_text(json.dumps({**json.loads(scheduler.read_text()), "prediction_type": "v_prediction"}))
    wanted = {"pretrained_model_name_or_path": str(copy), "max_train_steps": 1, "vae": str(copy / "vae")}
    for v in (False, True):
        told = train(**wanted, v_parameterization=v)
        said = [message.text for message in told.of(events.Message) if "predicts v" in message.text]
        assert (told.code, len(said)) == (0, 0 if v else 1)
