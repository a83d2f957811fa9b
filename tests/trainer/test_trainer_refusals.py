"""What a person gets wrong: one sentence each, the right exit code, never a traceback."""

from __future__ import annotations

import os
import resource
import shutil
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from loratui import events


@cache
def known_issues() -> frozenset[str]:
    tables = (Path(__file__).parents[2] / "presets" / "hints").glob("*.toml")
    return frozenset(
        row["key"] for table in tables for row in tomllib.loads(table.read_text(encoding="utf-8"))["hint"]
    )


def sentence(told: Any, code: int) -> str:
    errors = [message for message in told.of(events.Message) if message.level == "error"]
    assert len(errors) == 1, told.events
    assert told.code == code, errors
    assert told.events[-1] == events.Ended("failed", 0)
    assert "\n" not in errors[0].text
    assert "Traceback" not in errors[0].text
    assert errors[0].key in known_issues()
    return str(errors[0].text)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"learning_rte": 1e-4}, ["learning_rte", "learning_rate"]),
        ({"network_dim": "4"}, ["network_dim", "whole number"]),
        ({"initial_step": 3}, ["initial_step", "skip_until_initial_step"]),
        ({"network_args": ["conv_dimm=4"]}, ["network_args", "conv_dim"]),
        ({"network_args": ["block_dims=1,2"]}, ["network_args", "25 numbers"]),
        ({"network_args": ["conv_dim=x"]}, ["network_args", "whole number"]),
        ({"network_args": ["conv_alpha=1"]}, ["conv_alpha", "conv_dim=4"]),
        ({"network_args": ["rank_dropout=1"]}, ["rank_dropout", "less than 1"]),
        ({"scale_v_pred_loss_like_noise_pred": True}, ["v_parameterization"]),
        ({"v_pred_like_loss": 1.0, "v_parameterization": True}, ["v_pred_like_loss"]),
        ({"adaptive_noise_scale": 0.1}, ["adaptive_noise_scale", "noise_offset"]),
        ({"min_timestep": 500, "max_timestep": 400}, ["min_timestep", "500"]),
        ({"loss_type": "huber", "huber_c": 0.0}, ["huber_c", "0.1"]),
        ({"max_token_length": 100}, ["max_token_length", "150"]),
        ({"ip_noise_gamma_random_strength": True}, ["ip_noise_gamma", "not set"]),
        ({"caption_separator": ""}, ["caption_separator"]),
        ({"max_timestep": 1001}, ["max_timestep", "1000"]),
        ({"min_snr_gamma": -1.0}, ["min_snr_gamma"]),
        ({"network_module": "networks.dylora"}, ["network_module", "lycoris.kohya", "algo=dylora"]),
        ({"network_module": "networks.oft"}, ["network_module", "diag-oft"]),
        (
            {"network_module": "lycoris.kohya", "network_args": ["algo=lora"] * 2 + ["algo=lowha"]},
            ["algo=lowha"],
        ),
        ({"network_module": "lycoris.kohya", "network_args": ["factr=4"]}, ["factr", "factor"]),
        ({"network_args": ["loraplus_lr_ratio=x"]}, ["loraplus_lr_ratio", "number"]),
        ({"dim_from_weights": True}, ["dim_from_weights", "network_weights"]),
        ({"optimizer_type": "Lyon"}, ["optimizer_type", "Lyon", "Lion"]),
        ({"optimizer_type": "Lion", "use_8bit_adam": True}, ["use_8bit_adam", "optimizer_type"]),
        ({"lr_scheduler": "sawtooth"}, ["lr_scheduler", "cosine"]),
        ({"lr_scheduler": "adafactor"}, ["lr_scheduler", "Adafactor"]),
        ({"full_bf16": True}, ["full_bf16", "mixed_precision"]),
        ({"full_fp16": True, "mixed_precision": "bf16"}, ["full_fp16", "fp16"]),
        ({"full_fp16": True, "mixed_precision": "fp16"}, ["full_fp16", "AdamW's eps", "AdamW8bit"]),
        ({"fp8_base": True}, ["fp8_base", "bf16"]),
        ({"fp8_base_unet": True}, ["fp8_base_unet", "bf16"]),
        ({"lr_warmup_steps": 5}, ["constant_with_warmup"]),
        ({"lr_scheduler": "linear", "lr_scheduler_args": ["lr_end=0"]}, ["linear", "lr_end"]),
        ({"lr_scheduler_args": ["lr_end"]}, ["lr_scheduler_args", "key=value"]),
        ({"lr_scheduler": "piecewise_constant"}, ["step_rules"]),
        ({"lr_scheduler": "cosine_with_min_lr"}, ["lr_scheduler_min_lr_ratio"]),
        ({"optimizer_type": "DAdaptAdam", "unet_lr": 1, "network_train_unet_only": None}, ["DAdaptAdam"]),
        ({"lr_scheduler_type": "Nonsense"}, ["lr_scheduler_type", "Nonsense"]),
        ({"resolution": "64x64"}, ["resolution", "64x64"]),
        ({"network_alpha": 8}, ["network_alpha", "4"]),
        ({"save_model_as": "ckpt"}, ["save_model_as", "safetensors"]),
        ({"train_data_dir": None}, ["train_data_dir", "missing"]),
        ({"max_bucket_reso": 64}, ["max_bucket_reso"]),
        ({"train_batch_size": 0}, ["train_batch_size"]),
        (
            {
                "optimizer_type": "Prodigy",
                "learning_rate": 1.0,
                "unet_lr": 0.5,
                "network_train_unet_only": None,
            },
            ["Prodigy"],
        ),
        ({"network_train_text_encoder_only": True}, ["network_train_unet_only"]),
        ({"v2": True}, ["v2", "Stable Diffusion 1.x"]),
        ({"cache_text_encoder_outputs": True}, ["cache_text_encoder_outputs", "Stable Diffusion XL", "1.x"]),
    ],
)
def test_configs_that_are_refused(changes: dict[str, Any], words: list[str], train: Any) -> None:
    text = sentence(train(**changes), 2)
    assert all(word in text for word in words), text
    assert "config" in text


def test_optimizer_arguments_are_refused_before_training(train: Any) -> None:
    for argument in ("weight_decy=0.1", "weight_decay", "betas=oops(", "lr=1", "weight_decay=-1"):
        assert "optimizer_args" in sentence(train(optimizer_args=[argument]), 2)


def test_defaults_of_keys_that_are_not_supported_are_no_reason_to_refuse(train: Any) -> None:
    told = train(
        max_train_steps=1, min_snr_gamma=None, zero_terminal_snr=False, xformers=True, network_args=[]
    )
    assert told.code == 0, told.events


def test_the_config_file_itself(train: Any, tmp_path: Path) -> None:
    from loratui.trainer.__main__ import guarded
    from loratui.trainer.reporting.report import Reporter
    from loratui.trainer.stopping import StopRequest

    for content in (None, b"= 4", b"\xff\xfe"):
        path = tmp_path / "broken.toml"
        if content is not None:
            path.write_bytes(content)
        told: list[events.Event] = []
        assert guarded(path, Reporter(told.append), StopRequest()) == 2
        message = told[-2]
        assert isinstance(message, events.Message)
        assert str(path) in message.text


def test_base_models_that_cannot_be_used(train: Any, tmp_path: Path, tiny_models: dict[str, Path]) -> None:
    pickled = tmp_path / "model.ckpt"
    pickled.write_bytes(b"PK\x03\x04")
    whole = (tiny_models["sd15"] / "unet" / "diffusion_pytorch_model.safetensors").read_bytes()
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(whole[: len(whole) // 2])
    empty = tmp_path / "empty"
    empty.mkdir()
    train(max_train_steps=1)
    lora = tmp_path / "out" / "tiny.safetensors"
    for path, words in (
        (tmp_path / "none.safetensors", "no such model"),
        (pickled, "pickled"),
        (cut, "cut off"),
        (empty, "no kind of base model"),
        (lora, "this is a LoRA, not a base model"),
    ):
        text = sentence(train(pretrained_model_name_or_path=str(path)), 1)
        assert words in text
        assert str(path) in text


def test_a_folder_with_a_damaged_part(train: Any, tmp_path: Path, tiny_models: dict[str, Path]) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_models["sd15"], copy)
    weights = copy / "vae" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert "cut off" in sentence(train(pretrained_model_name_or_path=str(copy)), 1)
    weights.unlink()
    assert "vae" in sentence(train(pretrained_model_name_or_path=str(copy)), 1)


def test_datasets_that_cannot_be_used(train: Any, tmp_path: Path, pictures: Path) -> None:
    copy = tmp_path / "pictures"
    shutil.copytree(pictures, copy)
    assert "no such folder" in sentence(train(train_data_dir=str(tmp_path / "none")), 1)
    assert "10_" in sentence(
        train(train_data_dir=str(shutil.copytree(copy / "2_ohwx", tmp_path / "plain"))), 1
    )
    picture = copy / "2_ohwx" / "0.png"
    picture.write_bytes(picture.read_bytes()[:120])
    assert "0.png" in sentence(train(train_data_dir=str(copy)), 1)
    picture.write_bytes(b"no picture at all")
    assert "0.png" in sentence(train(train_data_dir=str(copy)), 1)


def test_states_and_weights_that_cannot_be_used(train: Any, tmp_path: Path) -> None:
    train(max_train_steps=1, save_state=True)
    state = tmp_path / "out" / "tiny-state"
    assert "no such state" in sentence(train(resume=str(tmp_path / "none")), 1)
    assert "no state of the builtin" in sentence(train(resume=str(tmp_path)), 1)
    assert "another optimizer" in sentence(
        train(resume=str(state), network_train_unet_only=None, text_encoder_lr=0, optimizer_type="Prodigy"), 1
    )
    (state / "optimizer.pt").write_bytes(b"cut")
    assert "damaged" in sentence(train(resume=str(state)), 1)
    assert "no such file" in sentence(train(network_weights=str(tmp_path / "none.safetensors")), 1)
    assert "sample" in sentence(train(sample_prompts=str(tmp_path / "none.txt"), sample_at_first=True), 1)


class Trap:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.mark,)


def test_a_state_runs_no_code(train: Any, tmp_path: Path) -> None:
    import torch

    train(max_train_steps=1, save_state=True)
    state = tmp_path / "out" / "tiny-state"
    torch.save({"state": Trap(str(tmp_path / "mark"))}, state / "optimizer.pt")
    assert "damaged" in sentence(train(resume=str(state)), 1)
    assert not (tmp_path / "mark").exists()


def test_a_place_that_cannot_be_written_to_is_found_before_training(train: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    told = train(output_dir=str(tmp_path / "file"))
    assert "could not be saved" in sentence(told, 1)
    assert told.of(events.Planned) == []


@pytest.mark.parametrize("limit", [2_000, 300_000])
def test_a_disk_that_fills_up_leaves_no_half_file(limit: int, train: Any, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        told = train(max_train_steps=1, save_state=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert told.code == (1 if limit == 2_000 else 0)
    words = told.of(events.Message)[-1].text
    assert "could not be saved" in words and ("The LoRA is whole" in words) == (told.code == 0)
    left = [path.name for path in (tmp_path / "out").iterdir()]
    assert left == ([] if limit == 2_000 else ["tiny.safetensors"])


def test_what_was_saved_before_outlives_a_full_disk(train: Any, tmp_path: Path) -> None:
    assert train(max_train_steps=1).code == 0
    final = tmp_path / "out" / "tiny.safetensors"
    before = final.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, hard))
    try:
        told = train(max_train_steps=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert told.code == 1
    assert final.read_bytes() == before
    assert [path.name for path in final.parent.iterdir()] == [final.name]
