"""What kohya_ss' GUI would have sd-scripts do is what its saved file means here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from loratui.engines import config
from loratui.engines.importing import recipes as importing
from loratui.engines.importing.imported import Imported

BARE: dict[str, Any] = {
    "LoRA_type": "Standard",
    "epoch": 4,
    "network_alpha": 8,
    "network_dim": 16,
    "pretrained_model_name_or_path": "m.safetensors",
    "train_data_dir": "pics",
    "unet_lr": 0.0001,
    "text_encoder_lr": 5e-05,
}


def imported(tmp_path: Path, **values: Any) -> Imported:
    path = tmp_path / "gui.json"
    path.write_text(json.dumps(BARE | values))
    return importing.read(path)


def as_config(found: Imported, tmp_path: Path) -> dict[str, Any]:
    """What an engine would be given."""
    sections = config.to_kohya(found.recipe, tmp_path)
    return {key: value for values in sections.values() for key, value in values.items()}


@pytest.mark.parametrize(
    ("values", "module", "arguments"),
    [
        ({}, "networks.lora", None),
        (
            {"rank_dropout": 0.1, "module_dropout": 0, "down_lr_weight": "1,1", "conv_dim": 8},
            "networks.lora",
            ["down_lr_weight=1,1", "rank_dropout=0.1"],
        ),
        (
            {"LoRA_type": "Kohya LoCon", "conv_dim": 8, "conv_alpha": 4, "loraplus_unet_lr_ratio": 16},
            "networks.lora",
            ["conv_dim=8", "conv_alpha=4", "loraplus_unet_lr_ratio=16"],
        ),
        ({"LoRA_type": "LoRA-FA", "conv_dim": 8}, "networks.lora_fa", None),
        (
            {"LoRA_type": "Kohya DyLoRA", "conv_dim": 8, "conv_alpha": 4, "unit": 4},
            "networks.dylora",
            ["unit=4", "conv_dim=8", "conv_alpha=4"],
        ),
        (
            {
                "LoRA_type": "LyCORIS/LoKr",
                "conv_dim": 8,
                "conv_alpha": 1,
                "factor": 6,
                "decompose_both": True,
            },
            "lycoris.kohya",
            ["algo=lokr", "conv_dim=8", "conv_alpha=1", "factor=6", "decompose_both=True"],
        ),
        (
            {"LoRA_type": "LyCORIS/LoKr", "conv_dim": 0, "factor": -1},
            "lycoris.kohya",
            ["algo=lokr", "conv_dim=0", "conv_alpha=1"],
        ),
        (
            {"LoRA_type": "LyCORIS/LoCon", "conv_dim": 8, "conv_alpha": 4, "dora_wd": True},
            "lycoris.kohya",
            ["algo=locon", "conv_dim=8", "conv_alpha=4", "dora_wd=True"],
        ),
        (
            {"LoRA_type": "LyCORIS/iA3", "LyCORIS_preset": "ia3", "conv_dim": 1, "train_on_input": True},
            "lycoris.kohya",
            ["algo=ia3", "preset=ia3", "conv_dim=1", "conv_alpha=1"],
        ),
        (
            {"LoRA_type": "LyCORIS/DyLoRA", "conv_dim": 8, "conv_alpha": 8, "unit": 1},
            "lycoris.kohya",
            ["algo=dylora", "conv_dim=8", "conv_alpha=8", "block_size=1"],
        ),
        (
            {"LoRA_type": "LyCORIS/Diag-OFT", "conv_dim": 4, "constrain": 0.001, "rescaled": True},
            "lycoris.kohya",
            ["algo=diag-oft", "conv_dim=4", "conv_alpha=1", "constraint=0.001", "rescaled=True"],
        ),
        (
            {"LoRA_type": "Flux1", "flux1_checkbox": True, "split_mode": True, "train_t5xxl": True},
            "networks.lora_flux",
            ["train_t5xxl=True", "train_blocks=single"],
        ),
    ],
)
def test_each_type_of_network_is_written_as_the_gui_writes_it(
    tmp_path: Path, values: dict[str, Any], module: str, arguments: list[str] | None
) -> None:
    found = imported(tmp_path, **values)
    assert not found.not_understood
    written = as_config(found, tmp_path)
    assert written["network_module"] == module
    assert sorted(written.get("network_args", [])) == sorted(arguments or [])


def test_lycoris_locon_becomes_the_one_that_needs_no_package_and_says_so(tmp_path: Path) -> None:
    found = imported(tmp_path, LoRA_type="LyCORIS/LoCon", conv_dim=8, conv_alpha=4)
    assert found.recipe.network.type == "locon"
    assert any("LyCORIS" in remark for remark in found.remarks)


def test_a_type_of_no_program_is_listed(tmp_path: Path) -> None:
    found = imported(tmp_path, LoRA_type="LyCORIS/Nothing")
    assert [one.key for one in found.not_understood] == ["LoRA_type"]


@pytest.mark.parametrize(
    ("values", "epochs", "target"),
    [
        ({}, 4, None),
        ({"max_train_steps": 1000}, None, 1000),
        ({"max_train_steps": "1000", "max_train_epochs": 7}, 7, None),
        ({"max_train_steps": "", "max_train_epochs": ""}, 4, None),
    ],
)
def test_epochs_count_only_where_no_steps_are_given(
    tmp_path: Path, values: dict[str, Any], epochs: int | None, target: int | None
) -> None:
    steps = imported(tmp_path, **values).recipe.steps
    assert (steps.epochs, steps.target) == (epochs, target)


@pytest.mark.parametrize(
    ("unet", "text", "only"),
    [
        (1e-4, 0, {"network_train_unet_only"}),
        (0, "5e-5", {"network_train_text_encoder_only"}),
        (0, 0, set()),
        (1e-4, 5e-5, set()),
    ],
)
def test_a_rate_of_nothing_beside_another_leaves_that_part_alone(
    tmp_path: Path, unet: float, text: object, only: set[str]
) -> None:
    found = imported(tmp_path, learning_rate=2e-4, unet_lr=unet, text_encoder_lr=text)
    written = as_config(found, tmp_path)
    assert {key for key in written if key.startswith("network_train_")} == only
    if not unet and not text:
        assert written["learning_rate"] == written["text_encoder_lr"] == 2e-4


def test_one_kind_of_noise_is_passed_on(tmp_path: Path) -> None:
    both = {"noise_offset": 0.05, "multires_noise_iterations": 6, "multires_noise_discount": 0.3}
    original = as_config(imported(tmp_path, noise_offset_type="Original", **both), tmp_path)
    multires = as_config(imported(tmp_path, noise_offset_type="Multires", **both), tmp_path)
    assert original["noise_offset"] == 0.05
    assert "multires_noise_iterations" not in original
    assert multires["multires_noise_iterations"] == 6
    assert "noise_offset" not in multires


def test_additional_parameters_are_read_as_a_command_line_and_win(tmp_path: Path) -> None:
    found = imported(
        tmp_path,
        max_grad_norm=1,
        additional_parameters='--max_grad_norm=0 --lr_scheduler_type "CosineAnnealingLR"'
        ' --lr_scheduler_args "T_max=30" "eta_min=0e-0" --network_train_unet_only --no_such 1',
    )
    kohya = found.recipe.kohya
    assert kohya["max_grad_norm"] == 0
    assert kohya["lr_scheduler_type"] == "CosineAnnealingLR"
    assert kohya["lr_scheduler_args"] == ["T_max=30", "eta_min=0e-0"]
    assert found.recipe.optimizer.text_encoder_rate is None
    assert [(one.key, one.value) for one in found.not_understood] == [
        ("additional_parameters", "--no_such 1")
    ]


def test_the_sample_prompts_themselves_come_along(tmp_path: Path) -> None:
    lines = "# of last week\na cat, ohwx --n blurry --w 640 --h 512 --d 7 --l 5 --s 12\n\na dog --s 30\n"
    found = imported(tmp_path, sample_prompts=lines, sample_every_n_epochs=1, sample_sampler="euler_a")
    samples = found.recipe.samples
    assert samples.prompts == ("a cat, ohwx", "a dog")
    assert (samples.negative, samples.width, samples.height) == ("blurry", 640, 512)
    assert (samples.seed, samples.scale, samples.steps) == (7, 5.0, 12)
    assert found.recipe.kohya["sample_sampler"] == "euler_a"
    assert any("the first one's hold for all" in remark for remark in found.remarks)


def test_without_prompts_nothing_is_said_of_samples(tmp_path: Path) -> None:
    found = imported(tmp_path, sample_every_n_steps=50, sample_sampler="euler_a")
    assert found.recipe.kohya.keys().isdisjoint({"sample_every_n_steps", "sample_sampler"})


def test_a_family_takes_its_own_page_and_no_other(tmp_path: Path) -> None:
    pages = {
        "flux1_checkbox": True,
        "LoRA_type": "Flux1",
        "ae": "ae.sft",
        "clip_l": "clip.safetensors",
        "t5xxl": "t5.safetensors",
        "flux1_cache_text_encoder_outputs": True,
        "sdxl_no_half_vae": True,
        "sd3_t5xxl": "other.safetensors",
        "logit_mean": 0.5,
        "guidance_scale": 3.5,
    }
    found = imported(tmp_path, **pages, t5xxl_lr=1e-5)
    recipe = found.recipe
    assert not found.not_understood
    assert (recipe.base.family, recipe.launch.engine) == ("flux", "kohya")
    assert recipe.kohya["t5xxl"] == "t5.safetensors"
    assert recipe.kohya["cache_text_encoder_outputs"] is True
    assert recipe.kohya["text_encoder_lr"] == [5e-05, 1e-5]
    assert recipe.kohya.keys().isdisjoint({"no_half_vae", "logit_mean"})


def test_several_gpus_and_quoted_arguments(tmp_path: Path) -> None:
    found = imported(
        tmp_path, multi_gpu=True, num_processes=2, optimizer_args='weight_decay="0.1" betas="0.9,0.99"'
    )
    assert found.recipe.launch.num_processes == 2
    assert found.recipe.optimizer.arguments == ("weight_decay=0.1", "betas=0.9,0.99")
    assert imported(tmp_path, multi_gpu=False, num_processes=8).recipe.launch.num_processes == 1


def test_restarts_are_one_an_epoch_where_the_field_is_empty(tmp_path: Path) -> None:
    found = imported(tmp_path, lr_scheduler="cosine_with_restarts", lr_scheduler_num_cycles="")
    assert found.recipe.kohya["lr_scheduler_num_cycles"] == 4


def test_a_token_stays_where_it_is(tmp_path: Path) -> None:
    found = imported(tmp_path, huggingface_token="hf_s3cr3t")
    assert [one.key for one in found.not_understood] == ["huggingface_token"]
    assert "hf_s3cr3t" not in repr(found)
