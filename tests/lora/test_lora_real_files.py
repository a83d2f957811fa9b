"""Files as real programs write them: our own trainer, and diffusers with peft."""

from __future__ import annotations

from pathlib import Path

import pytest

from loratui.lora.checking.check import verify
from loratui.lora.files.base import read_base
from loratui.lora.info import read_info


def test_our_own_file_fits_its_model(tmp_path: Path, demo_material: Path) -> None:
    import torch
    from diffusers import UNet2DConditionModel
    from transformers import CLIPTextModel

    from loratui.trainer.lora.lora_file import save
    from loratui.trainer.lora.network import Sizes, attach
    from loratui.trainer.lora.targets import text_targets, unet_targets

    model = demo_material / "model"
    unet = UNet2DConditionModel.from_pretrained(model, subfolder="unet")
    encoder = CLIPTextModel.from_pretrained(model, subfolder="text_encoder")
    targets = {"text_encoder": text_targets(encoder, "lora_te"), "unet": unet_targets(unet, sgm=False)}
    network = attach(targets, Sizes(4, 2.0), torch.device("cpu"))
    file, base = tmp_path / "own.safetensors", read_base(model, "sd15")

    save(file, network.tensors(), {"ss_base_model_version": "sd_v1"}, "fp16")
    fresh = verify(file, base)
    assert fresh.matched == fresh.modules == len(network.layers)
    assert [problem.message[:22] for problem in fresh.problems] == ["this LoRA does nothing"]

    torch.manual_seed(0)
    with torch.no_grad():
        for layer in network.layers.values():
            layer.weights[1].normal_(0, 0.02)
    file.unlink()
    save(file, network.tensors(), {"ss_base_model_version": "sd_v1"}, "bf16")
    trained = verify(file, base)
    assert trained.ok, trained.problems
    assert trained.strength
    total = sum(
        (layer.weights[1].bfloat16().flatten(1).float() @ layer.weights[0].bfloat16().flatten(1).float())
        .square()
        .sum()
        .item()
        * 0.25
        for layer in network.layers.values()
    )
    assert trained.strength.overall == pytest.approx(total**0.5, rel=1e-4)
    info = read_info(file)
    assert (info.rank, info.alpha, info.dtype, info.family) == (4, 2.0, "bf16", "sd15")
    assert info.hashes.sshs_matches is True


def test_diffusers_and_peft(tmp_path: Path, demo_material: Path) -> None:
    import torch
    from diffusers import StableDiffusionPipeline, UNet2DConditionModel
    from diffusers.training_utils import _collate_lora_metadata
    from peft import LoraConfig, get_peft_model_state_dict

    model = demo_material / "model"
    unet = UNet2DConditionModel.from_pretrained(model, subfolder="unet")
    unet.add_adapter(LoraConfig(r=4, lora_alpha=2, target_modules=["to_q", "to_k"], init_lora_weights=False))
    state = get_peft_model_state_dict(unet)
    StableDiffusionPipeline.save_lora_weights(
        tmp_path, unet_lora_layers=state, **_collate_lora_metadata({"unet": unet})
    )
    file = tmp_path / "pytorch_lora_weights.safetensors"
    info = read_info(file)
    assert (info.rank, info.alpha, info.naming, info.type) == (4, 2.0, "diffusers", "lora")
    report = verify(file, read_base(model, "sd15"))
    assert report.matched == report.modules == len(state) // 2
    assert report.strength
    halves = [key for key in state if ".lora_A." in key]
    total = sum(
        torch.linalg.norm(0.5 * state[key.replace("lora_A", "lora_B")] @ state[key]).item() ** 2
        for key in halves
    )
    assert report.strength.overall == pytest.approx(total**0.5, rel=1e-4)
