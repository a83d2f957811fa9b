"""kohya_ss' own files become recipes; what they say besides is listed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from loratui.engines.importing import recipes as importing
from loratui.problems import UserError

EDG: dict[str, Any] = {
    "LoRA_type": "LyCORIS/LoCon",
    "additional_parameters": "",
    "bucket_no_upscale": True,
    "bucket_reso_steps": 64.0,
    "cache_latents": True,
    "caption_extension": ".txt",
    "clip_skip": 2,
    "conv_alpha": 1,
    "conv_dim": 32,
    "enable_bucket": False,
    "epoch": 1,
    "gradient_accumulation_steps": 1.0,
    "keep_tokens": "0",
    "learning_rate": "0.0001",
    "lr_scheduler": "constant",
    "lr_warmup": "0",
    "max_data_loader_n_workers": "1",
    "max_resolution": "512,650",
    "max_token_length": "75",
    "mem_eff_attn": True,
    "min_snr_gamma": 0,
    "mixed_precision": "bf16",
    "network_alpha": 64,
    "network_dim": 64,
    "noise_offset": "0.05",
    "num_cpu_threads_per_process": 2,
    "optimizer": "AdamW8bit",
    "optimizer_args": "",
    "save_precision": "bf16",
    "seed": "1234",
    "text_encoder_lr": "5e-05",
    "train_batch_size": 3,
    "unet_lr": "0.0001",
    "xformers": True,
    "shiny_new_thing": 7,
}
"""The preset sd15 - EDG_LoConOptiSettings (kohya_ss), without its empty values, and one key of no program."""


def written(tmp_path: Path, values: dict[str, Any]) -> Path:
    path = tmp_path / "preset.json"
    path.write_text(json.dumps(values))
    return path


def test_a_gui_preset_is_read_with_the_types_of_config_toml(tmp_path: Path) -> None:
    found = importing.read(written(tmp_path, EDG))
    recipe = found.recipe
    network, optimizer, training = recipe.network, recipe.optimizer, recipe.training
    assert (network.type, network.rank, network.alpha) == ("locon", 64, 64.0)
    assert (network.conv_rank, network.conv_alpha) == (32, 1.0)
    assert (optimizer.name, optimizer.unet_rate, optimizer.text_encoder_rate) == ("AdamW8bit", 1e-4, 5e-5)
    assert (optimizer.schedule, optimizer.warmup) == ("constant", 0.0)
    assert (training.resolution, training.buckets, training.clip_skip) == ((512, 650), False, 2)
    assert (training.noise_offset, training.seed) == (0.05, 1234)
    assert (recipe.steps.epochs, recipe.steps.batch_size) == (1, 3)
    assert recipe.kohya["xformers"] is True
    assert recipe.base.model == ""
    assert [one.key for one in found.not_understood] == ["shiny_new_thing"]


def test_kohya_ss_own_config_toml_is_read_as_sd_scripts_reads_it(tmp_path: Path) -> None:
    """The GUI writes keys of its own into it, which sd-scripts never reads."""
    path = tmp_path / "config_lora-20261124-101112.toml"
    path.write_text(
        'epoch = 10\nnoise_offset_type = "Original"\nnoise_offset = 0.05\nmax_train_steps = 900\n'
        'pretrained_model_name_or_path = "m.safetensors"\ntrain_data_dir = "pics"\n'
    )
    found = importing.read(path)
    assert not found.not_understood
    assert (found.recipe.steps.target, found.recipe.steps.epochs) == (900, None)
    assert "epoch" not in found.recipe.kohya


def test_a_secret_in_a_config_is_neither_kept_nor_shown(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('train_data_dir = "pics"\nmax_train_epochs = 4\nwandb_api_key = "s3cr3t"\n')
    found = importing.read(path)
    assert [one.key for one in found.not_understood] == ["wandb_api_key"]
    assert "WANDB_API_KEY" in found.not_understood[0].reason
    assert "s3cr3t" not in repr(found)


def test_a_text_encoder_rate_of_nothing_trains_none(tmp_path: Path) -> None:
    found = importing.read(written(tmp_path, {**EDG, "text_encoder_lr": 0}))
    assert found.recipe.optimizer.text_encoder_rate is None


def test_the_guis_warm_up_is_in_per_cent(tmp_path: Path) -> None:
    found = importing.read(written(tmp_path, {**EDG, "lr_scheduler": "cosine", "lr_warmup": "10"}))
    assert found.recipe.optimizer.warmup == 0.1


def test_an_alpha_above_the_rank_is_said_in_the_rate(tmp_path: Path) -> None:
    values = {**EDG, "LoRA_type": "Standard", "network_dim": 2, "network_alpha": 16}
    found = importing.read(written(tmp_path, values))
    assert (found.recipe.network.rank, found.recipe.network.alpha) == (2, 2)
    assert found.recipe.optimizer.unet_rate == pytest.approx(8e-4)
    assert any("comes to the same" in remark for remark in found.remarks)


def test_a_kohya_toml_keeps_what_is_known_and_names_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        'pretrained_model_name_or_path = "m.safetensors"\ntrain_data_dir = "pics"\nnetwork_dim = 16\n'
        'network_alpha = 8\nmax_train_epochs = 4\nnetwork_dimm = 3\ntrain_batch_size = "two"\n'
    )
    found = importing.read(path)
    assert found.recipe.network.rank == 16
    left = {one.key: one.reason for one in found.not_understood}
    assert left.keys() == {"network_dimm", "train_batch_size"}
    assert "network_dim" in left["network_dimm"]
    assert "whole number" in left["train_batch_size"]


@pytest.mark.parametrize("text", ["{", "[1]", '"x"'])
def test_what_is_no_settings_file_is_a_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(UserError):
        importing.read(path)
