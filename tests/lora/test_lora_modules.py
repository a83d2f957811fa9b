"""What a file is, from the names and shapes of its tensors."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loratui.formats.lora_family import family_of_lora, family_of_metadata, family_of_shapes
from loratui.formats.lora_names import is_lora_key
from loratui.formats.tensorfile import Header, Tensor, read_header
from loratui.lora.files.layers import block, canonical
from loratui.lora.files.modules import find_modules, naming_of, type_of
from tests.support.tensors import Shape, write_shapes

K = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
D = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
FILES: dict[str, tuple[dict[str, Shape], str, str, int | None, tuple[int, int] | None]] = {
    "kohya": (
        {f"{K}.alpha": (), f"{K}.lora_down.weight": (4, 20), f"{K}.lora_up.weight": (30, 4)},
        "lora",
        "kohya",
        4,
        (30, 20),
    ),
    "locon": (
        {f"{K}.alpha": (), f"{K}.lora_down.weight": (4, 20, 3, 3), f"{K}.lora_up.weight": (30, 4, 1, 1)},
        "locon",
        "kohya",
        4,
        (30, 180),
    ),
    "locon in three factors": (
        {
            f"{K}.lora_down.weight": (4, 20, 1, 1),
            f"{K}.lora_up.weight": (30, 4, 1, 1),
            f"{K}.lora_mid.weight": (4, 4, 3, 3),
        },
        "locon",
        "kohya",
        4,
        (30, 180),
    ),
    "dora": (
        {f"{K}.dora_scale": (30, 1), f"{K}.lora_down.weight": (4, 20), f"{K}.lora_up.weight": (30, 4)},
        "dora",
        "kohya",
        4,
        (30, 20),
    ),
    "loha": (
        {
            f"{K}.hada_w1_a": (30, 2),
            f"{K}.hada_w1_b": (2, 20),
            f"{K}.hada_w2_a": (30, 2),
            f"{K}.hada_w2_b": (2, 20),
        },
        "loha",
        "kohya",
        2,
        (30, 20),
    ),
    "lokr": (
        {f"{K}.lokr_w1": (5, 4), f"{K}.lokr_w2_a": (6, 3), f"{K}.lokr_w2_b": (3, 5)},
        "lokr",
        "kohya",
        3,
        (30, 20),
    ),
    "whole lokr": ({f"{K}.lokr_w1": (5, 4), f"{K}.lokr_w2": (6, 5)}, "lokr", "kohya", None, (30, 20)),
    "ia3": ({f"{K}.weight": (30,), f"{K}.on_input": ()}, "ia3", "kohya", None, None),
    "full": ({f"{K}.diff": (30, 20)}, "full", "kohya", None, (30, 20)),
    "diffusers": (
        {f"{D}.lora_A.weight": (4, 20), f"{D}.lora_B.weight": (30, 4)},
        "lora",
        "diffusers",
        4,
        (30, 20),
    ),
    "diffusers with dora": (
        {
            f"{D}.lora_A.weight": (4, 20),
            f"{D}.lora_B.weight": (30, 4),
            f"{D}.lora_magnitude_vector": (30,),
        },
        "dora",
        "diffusers",
        4,
        (30, 20),
    ),
    "older diffusers": (
        {
            "unet.mid_block.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora.down.weight": (4, 20),
            "unet.mid_block.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora.up.weight": (30, 4),
        },
        "lora",
        "diffusers_old",
        4,
        (30, 20),
    ),
    "peft": (
        {
            "base_model.model.mid_block.attentions.0.proj_in.lora_A.default.weight": (4, 20),
            "base_model.model.mid_block.attentions.0.proj_in.lora_B.default.weight": (30, 4),
        },
        "lora",
        "peft",
        4,
        (30, 20),
    ),
    "comfyui": (
        {
            "diffusion_model.double_blocks.0.img_attn.qkv.lora_A.weight": (4, 20),
            "diffusion_model.double_blocks.0.img_attn.qkv.lora_B.weight": (30, 4),
        },
        "lora",
        "comfyui",
        4,
        (30, 20),
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_types_and_names(tmp_path: Path, name: str) -> None:
    shapes, kind, naming, rank, size = FILES[name]
    tensors = read_header(write_shapes(tmp_path / "lora.safetensors", shapes)).tensors
    (module,) = modules = find_modules(tensors)
    assert (type_of(modules), naming_of(modules), module.rank, module.size) == (kind, naming, rank, size)
    assert module.misfit == ""
    assert set(module.keys.values()) == set(shapes)
    assert any(is_lora_key(key) for key in shapes)


@pytest.mark.parametrize("missing", [".lora_down.weight", ".lora_up.weight"])
def test_half_a_module_is_a_misfit(missing: str) -> None:
    shapes = FILES["kohya"][0]
    tensors = {key: Tensor("F16", shape, 0, 0) for key, shape in shapes.items() if not key.endswith(missing)}
    (module,) = find_modules(tensors)
    assert missing[6:].split(".")[0] in module.misfit


def test_halves_of_different_ranks_are_a_misfit() -> None:
    shapes = FILES["kohya"][0] | {f"{K}.lora_up.weight": (30, 5)}
    (module,) = find_modules({key: Tensor("F16", shape, 0, 0) for key, shape in shapes.items()})
    assert "do not fit" in module.misfit


@given(
    st.dictionaries(st.text(max_size=12).map(lambda end: K + end), st.lists(st.integers(0, 5), max_size=4))
)
def test_any_names_and_shapes_are_survived(entries: dict[str, list[int]]) -> None:
    endings = list(FILES["loha"][0]) + list(FILES["lokr"][0]) + list(FILES["locon"][0])
    tensors = {key: Tensor("F16", tuple(shape), 0, 0) for key, shape in entries.items()}
    tensors |= dict(zip(endings, tensors.values(), strict=False))
    modules = find_modules(Header(tensors, {}, 8).tensors)
    for module in modules:
        assert isinstance(module.misfit, str)
        assert module.size is None or len(module.size) == 2
    type_of(modules)
    naming_of(modules)


@pytest.mark.parametrize(
    "spellings",
    [
        (
            "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k",
            "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k",
            "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k",
            "diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k",
            "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.processor.to_k",
        ),
        ("lora_unet_middle_block_1_proj_in", "unet.mid_block.attentions.0.proj_in"),
        ("lora_unet_input_blocks_3_0_op", "unet.down_blocks.0.downsamplers.0.conv"),
        ("lora_unet_output_blocks_2_2_conv", "unet.up_blocks.0.upsamplers.0.conv"),
        ("lora_unet_input_blocks_1_0_emb_layers_1", "unet.down_blocks.0.resnets.0.time_emb_proj"),
        (
            "lora_te_text_model_encoder_layers_0_mlp_fc1",
            "lora_te1_text_model_encoder_layers_0_mlp_fc1",
            "text_encoder.text_model.encoder.layers.0.mlp.fc1",
            "text_encoder.encoder.layers.0.mlp.fc1",
        ),
        (
            "unet.mid_block.attentions.0.transformer_blocks.0.attn1.processor.to_out",
            "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_out_0",
        ),
    ],
)
def test_all_spellings_of_a_layer_are_one(spellings: tuple[str, ...]) -> None:
    assert len({canonical(name) for name in spellings}) == 1


@given(st.text(max_size=60), st.sampled_from(["", "lora_unet_", "unet.", "lora_unet_input_blocks_"]))
def test_any_name_has_a_block(text: str, start: str) -> None:
    name = canonical(start + text)
    assert canonical(name) == name or "." in text or "processor" in text
    assert block(name)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("lora_te_text_model_encoder_layers_0_mlp_fc1", "text encoder"),
        ("lora_te2_text_model_encoder_layers_0_mlp_fc1", "text encoder 2"),
        ("lora_unet_input_blocks_4_1_proj_in", "unet down 1"),
        ("lora_unet_middle_block_1_proj_in", "unet mid"),
        ("unet.up_blocks.2.attentions.0.proj_in", "unet up 2"),
        ("lora_unet_double_blocks_3_img_attn_proj", "unet double blocks"),
        ("transformer.single_transformer_blocks.0.attn.to_q", "transformer single transformer blocks"),
        ("lora_unet_input_blocks_" + "9" * 5000 + "_1_proj_in", "unet other"),
    ],
)
def test_blocks(name: str, words: str) -> None:
    assert block(canonical(name)) == words


@pytest.mark.parametrize(
    ("shapes", "family"),
    [
        (
            {"lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight": (4, 3072), "lora_te1_x.alpha": ()},
            "flux",
        ),
        ({"lora_unet_joint_blocks_0_x_block_attn_qkv.alpha": (), "lora_te2_x.alpha": ()}, "sd3"),
        ({"transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight": (4, 3072)}, "flux"),
        ({"lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight": (4, 3584)}, "hunyuan_image"),
        ({"lora_unet_layers_0_attention_qkv.lora_down.weight": (4, 2304)}, "lumina"),
        ({"lora_unet_input_blocks_1_1_transformer_blocks_0_attn2_to_k.hada_w1_b": (4, 768)}, "sd15"),
        ({"lora_te2_text_model_encoder_layers_0_mlp_fc1.alpha": ()}, "sdxl"),
        ({"lora_unet_something.alpha": ()}, None),
    ],
)
def test_families(shapes: dict[str, Shape], family: str | None) -> None:
    assert family_of_shapes(shapes)[0] == family


def test_tensors_go_before_metadata_unless_they_cannot_tell() -> None:
    flux: dict[str, Shape] = {"lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight": (4, 3072)}
    assert family_of_lora(flux, {"modelspec.architecture": "chroma/lora"})[0] == "chroma"
    assert family_of_lora(flux, {"modelspec.architecture": "stable-diffusion-v1/lora"})[0] == "flux"
    assert family_of_lora({}, {"modelspec.architecture": "stable-diffusion-v1/lora"})[0] == "sd15"
    assert family_of_lora({}, {})[0] is None


def test_families_from_metadata() -> None:
    assert family_of_metadata({"modelspec.architecture": "flux-1-dev/lora"})[0] == "flux"
    assert family_of_metadata({"ss_base_model_version": "sdxl_base_v1-0"})[0] == "sdxl"
    assert family_of_metadata({})[0] is None
