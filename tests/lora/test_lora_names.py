from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import loratui
from loratui.formats.layouts import unet_layout, vae_layout
from loratui.lora.files.folder_files import _SD2
from loratui.lora.files.module_names import Module, diffusers_name, kohya_name, read_key
from loratui.lora.files.weights import LoraFile
from tests.support.random_loras import make_lora

ASSETS = Path(loratui.__file__).parent / "trainer" / "assets"


def unet_shapes(family: str) -> dict[str, tuple[int, ...]]:
    """Of the real model, without its numbers."""
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    config = json.loads(
        (ASSETS / ("sdxl" if family == "sdxl" else "sd15") / "unet" / "config.json").read_text()
    )
    config |= _SD2["unet"] if family == "sd2" else {}
    with torch.device("meta"):
        return shapes(UNet2DConditionModel.from_config(config))


def vae_shapes() -> dict[str, tuple[int, ...]]:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    with torch.device("meta"):
        return shapes(AutoencoderKL.from_config(json.loads((ASSETS / "sd15/vae/config.json").read_text())))


def shapes(model: Any) -> dict[str, tuple[int, ...]]:
    return {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}


@pytest.mark.parametrize(
    ("family", "count", "modules"), [("sd15", 686, 192), ("sd2", 686, 192), ("sdxl", 1680, 722)]
)
def test_every_tensor_of_the_real_u_nets_has_its_own_name_there_and_back(
    family: str, count: int, modules: int
) -> None:
    keys = unet_shapes(family)
    blocks, layers = unet_layout.attention_blocks(keys), unet_layout.diffusers_layers(keys)
    names = {key: unet_layout.unet_to_sgm(key, layers, blocks) for key in keys}
    assert len(set(names.values())) == len(keys) == count
    assert None not in names.values()
    single = [name for name in names.values() if name]
    assert unet_layout.sgm_layers(single) == layers == 2
    for key, name in names.items():
        assert name and unet_layout.unet_to_diffusers(name, layers) == key
    found = 0
    for key, shape in keys.items():
        if key.endswith(".weight") and len(shape) > 1:
            module = Module("unet", key.removesuffix(".weight"))
            kohya = f"{kohya_name(module, sdxl=family == 'sdxl')}.lora_down.weight"
            for name in (kohya, f"{diffusers_name(module)}.lora_A.weight"):
                read = read_key(name)
                assert read is not None
                assert (read.module, read.role) == (module, "down")
            found += ".attentions." in key
    # as many as sd-scripts trains
    assert found == modules


def test_every_tensor_of_the_real_vae(tmp_path: Path) -> None:
    keys = vae_shapes()
    names = {key: vae_layout.vae_to_single(key, 4) for key in keys}
    assert len({name for name in names.values() if name}) == len(keys) == 248
    for key, name in names.items():
        assert name and vae_layout.vae_to_diffusers(name, 4) == key
    assert names["decoder.up_blocks.0.upsamplers.0.conv.weight"] == "decoder.up.3.upsample.conv.weight"
    assert names["encoder.mid_block.attentions.0.to_out.0.bias"] == "encoder.mid.attn_1.proj_out.bias"


@pytest.mark.parametrize(
    ("key", "module", "role"),
    [
        # names out of real files
        ("lora_unet_mid_block_attentions_0_proj_in.alpha", "unet.mid_block.attentions.0.proj_in", "alpha"),
        (
            "lora_unet_input_blocks_8_1_transformer_blocks_9_attn2_to_out_0.lora_up.weight",
            "unet.down_blocks.2.attentions.1.transformer_blocks.9.attn2.to_out.0",
            "up",
        ),
        (
            "lora_unet_output_blocks_2_2_conv.lora_down.weight",
            "unet.up_blocks.0.upsamplers.0.conv",
            "down",
        ),
        ("lora_unet_input_blocks_3_0_op.hada_w1_a", "unet.down_blocks.0.downsamplers.0.conv", "hada_w1_a"),
        (
            "lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight",
            "text_encoder.text_model.encoder.layers.0.self_attn.q_proj",
            "down",
        ),
        (
            "lora_te2_text_model_encoder_layers_31_mlp_fc1.dora_scale",
            "text_encoder_2.text_model.encoder.layers.31.mlp.fc1",
            "dora_scale",
        ),
        (
            "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_out_lora.up.weight",
            "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0",
            "up",
        ),
        (
            "text_encoder.text_model.encoder.layers.3.mlp.fc2.lora_linear_layer.down.weight",
            "text_encoder.text_model.encoder.layers.3.mlp.fc2",
            "down",
        ),
        (
            "text_encoder.encoder.layers.3.mlp.fc2.lora_B.default.weight",
            "text_encoder.text_model.encoder.layers.3.mlp.fc2",
            "up",
        ),
    ],
)
def test_names_of_all_kinds_are_read(key: str, module: str, role: str) -> None:
    read = read_key(key)
    assert read is not None
    assert (diffusers_name(read.module), read.role) == (module, role)


@pytest.mark.parametrize(
    "key", ["lora_transformer_blocks_0.alpha", "transformer.x.lora_A.weight", "lora_unet_x", ""]
)
def test_other_names_are_not_understood(key: str) -> None:
    assert read_key(key) is None


@pytest.mark.parametrize(
    ("module", "width", "sdxl"),
    [
        ("lora_unet_input_blocks_4_1_proj_in", 8, True),
        ("lora_te2_text_model_encoder_layers_0_mlp_fc1", 8, True),
        ("lora_te1_text_model_encoder_layers_0_mlp_fc1", 8, True),
        ("lora_te_text_model_encoder_layers_0_mlp_fc1", 8, False),
        ("lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k", 2048, True),
        ("lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k", 768, False),
        ("lora_unet_down_blocks_0_attentions_0_proj_in", 8, False),
    ],
)
def test_the_family_by_names_and_widths(tmp_path: Path, module: str, width: int, sdxl: bool) -> None:
    with LoraFile(make_lora(tmp_path / "a.safetensors", {module: (4, width)})) as file:
        assert file.sdxl == sdxl
