from __future__ import annotations

import json
import math
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from loratui.models.inspect import ModelFile, inspect, require_base
from loratui.problems import UserError
from tests.support.tensors import Shape, pack, write_shapes

U = "model.diffusion_model."
SD15 = {
    f"{U}input_blocks.0.0.weight": (320, 4, 3, 3),
    f"{U}input_blocks.2.1.transformer_blocks.0.attn2.to_k.weight": (320, 768),
    "cond_stage_model.transformer.text_model.embeddings.position_embedding.weight": (77, 768),
    "first_stage_model.decoder.conv_in.weight": (512, 4, 3, 3),
}
SD2 = {
    f"{U}input_blocks.0.0.weight": (320, 4, 3, 3),
    f"{U}input_blocks.2.1.transformer_blocks.0.attn2.to_k.weight": (320, 1024),
    "cond_stage_model.model.token_embedding.weight": (8, 1024),
}
SDXL = {
    f"{U}input_blocks.0.0.weight": (320, 4, 3, 3),
    f"{U}input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": (640, 2048),
    f"{U}label_emb.0.0.weight": (1280, 2816),
    "conditioner.embedders.0.transformer.text_model.embeddings.position_embedding.weight": (77, 768),
    "conditioner.embedders.1.model.transformer.resblocks.9.mlp.c_proj.bias": (1280,),
}
REFINER = {
    f"{U}input_blocks.0.0.weight": (384, 4, 3, 3),
    f"{U}label_emb.0.0.weight": (1536, 2560),
    "conditioner.embedders.0.model.transformer.resblocks.9.mlp.c_proj.bias": (1280,),
}
FLUX = {
    "double_blocks.0.img_attn.norm.key_norm.scale": (128,),
    "guidance_in.in_layer.bias": (8,),
    "img_in.weight": (8, 64),
}
JOINT = "joint_blocks.0.context_block.adaLN_modulation.1.bias"
HUNYUAN = "txt_in.individual_token_refiner.blocks.0.adaLN_modulation.1.bias"


def without_prefix(shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    return {name.removeprefix(U): shape for name, shape in shapes.items() if name.startswith(U)}


def prefixed(prefix: str, shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    return {prefix + name: shape for name, shape in shapes.items()}


# name: (tensors, kind, family, trainable)
FILES: dict[str, tuple[Mapping[str, Shape], str, str | None, bool]] = {
    "sd15": (SD15, "base", "sd15", True),
    "sd15 U-Net only": (without_prefix(SD15), "base", "sd15", True),
    "sd15 of odd width": (
        {**SD15, f"{U}input_blocks.2.1.transformer_blocks.0.attn2.to_k.weight": (32, 16)},
        "base",
        "sd15",
        True,
    ),
    "sd2": (SD2, "base", "sd2", True),
    "sdxl": (SDXL, "base", "sdxl", True),
    "sdxl U-Net only": (without_prefix(SDXL), "base", "sdxl", True),
    "sdxl of odd width": ({**SDXL, f"{U}label_emb.0.0.weight": (64, 1552)}, "base", "sdxl", True),
    "refiner": (REFINER, "base", None, False),
    "refiner U-Net only": (without_prefix(REFINER), "base", None, False),
    "inpainting": ({**SD15, f"{U}input_blocks.0.0.weight": (320, 9, 3, 3)}, "base", "sd15", False),
    "pix2pix": ({**SD15, f"{U}input_blocks.0.0.weight": (320, 8, 3, 3)}, "base", "sd15", False),
    "playground": ({**SDXL, "edm_mean": (1, 4, 1, 1)}, "base", "sdxl", False),
    "sd3": ({JOINT: (9216,), "pos_embed": (1, 36864, 8)}, "base", "sd3", True),
    "sd3 prefixed": (prefixed(U, {JOINT: (9216,)}), "base", "sd3", True),
    "flux dev": (FLUX, "base", "flux", True),
    "flux schnell": (
        {name: shape for name, shape in FLUX.items() if "guidance" not in name},
        "base",
        "flux",
        True,
    ),
    "flux fill": ({**FLUX, "img_in.weight": (8, 384)}, "base", "flux", False),
    "flux canny": ({**FLUX, "img_in.weight": (8, 128)}, "base", "flux", False),
    "flux in diffusers' names": (
        {
            "transformer_blocks.0.attn.add_k_proj.bias": (8,),
            "single_transformer_blocks.0.attn.to_k.weight": (8, 8),
        },
        "base",
        "flux",
        True,
    ),
    "chroma": ({**FLUX, "distilled_guidance_layer.in_proj.bias": (8,)}, "base", "chroma", False),
    "flux2": ({**FLUX, "single_stream_modulation.lin.weight": (8, 8)}, "base", "flux2", False),
    "zimage": (
        {"layers.0.adaLN_modulation.0.weight": (8, 8), "cap_embedder.0.weight": (8,)},
        "base",
        "zimage",
        False,
    ),
    "lumina": ({"cap_embedder.0.weight": (8,)}, "base", "lumina", True),
    "anima": (
        prefixed("net.", {"llm_adapter.out_proj.weight": (8, 8), "x_embedder.proj.1.weight": (8, 8)}),
        "base",
        "anima",
        True,
    ),
    "cosmos": (
        prefixed("net.", {"x_embedder.proj.1.weight": (8, 8), "blocks.0.self_attn.q_proj.weight": (8, 8)}),
        "base",
        "cosmos",
        False,
    ),
    "hunyuan image": ({HUNYUAN: (8,), "byt5_in.fc1.weight": (8, 8)}, "base", "hunyuan_image", True),
    "hunyuan video": ({HUNYUAN: (8,)}, "base", "hunyuan_video", False),
    "lora sd15": (
        {
            "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight": (4, 768),
            "lora_te_text_model_encoder_layers_0_mlp_fc1.alpha": (),
        },
        "lora",
        "sd15",
        False,
    ),
    "lora sd2": (
        {"lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight": (4, 1024)},
        "lora",
        "sd2",
        False,
    ),
    "lora sdxl": (
        {"lora_unet_input_blocks_4_1_proj_in.lora_down.weight": (4, 640)},
        "lora",
        "sdxl",
        False,
    ),
    "lora flux": ({"lora_unet_double_blocks_0_img_attn_proj.lora_up.weight": (8, 4)}, "lora", "flux", False),
    "lora of diffusers": (
        {"unet.up_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight": (4, 2048)},
        "lora",
        "sdxl",
        False,
    ),
    "vae": (
        {"encoder.conv_in.weight": (8, 3, 3, 3), "decoder.conv_in.weight": (8, 4, 3, 3)},
        "vae",
        None,
        False,
    ),
    "vae out of a checkpoint": (
        {"first_stage_model.encoder.a": (1,), "first_stage_model.decoder.a": (1,)},
        "vae",
        None,
        False,
    ),
    "clip": (
        {"text_model.embeddings.token_embedding.weight": (8, 8), "text_model.encoder.layers.0.x": (8,)},
        "text_encoder",
        None,
        False,
    ),
    "clip of transformers 5.6": (
        {"embeddings.token_embedding.weight": (8, 8), "encoder.layers.0.mlp.fc1.bias": (8,)},
        "text_encoder",
        None,
        False,
    ),
    "t5": (
        {"encoder.block.0.layer.0.SelfAttention.q.weight": (8, 8), "shared.weight": (8, 8)},
        "text_encoder",
        None,
        False,
    ),
    "qwen": ({"model.embed_tokens.weight": (8, 8)}, "text_encoder", None, False),
    "U-Net out of a folder": (
        {"conv_in.weight": (8, 4, 3, 3), "down_blocks.0.resnets.0.conv1.weight": (8, 8, 3, 3)},
        "unknown",
        None,
        False,
    ),
    "anything": ({"weight": (8, 8)}, "unknown", None, False),
    "nothing": ({}, "unknown", None, False),
}


@pytest.mark.parametrize("name", FILES)
def test_files_are_told_by_their_header(tmp_path: Path, name: str) -> None:
    shapes, kind, family, trainable = FILES[name]
    file = write_shapes(tmp_path / "model.safetensors", shapes)
    found = inspect(file)
    assert (found.kind, found.family, found.trainable) == (kind, family, trainable)
    assert found.path == file
    assert found.evidence
    assert all(found.evidence)
    if trainable:
        assert require_base(file) == found
        assert found.prediction == ("epsilon" if family in ("sd15", "sd2", "sdxl") else "flow")
    else:
        with pytest.raises(UserError) as caught:
            require_base(file)
        assert str(caught.value).startswith(f"{file}: ")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("lora sd15", "this is a LoRA, not a base model"),
        ("vae", "only a VAE"),
        ("clip", "only a text encoder"),
        ("refiner", "the SDXL refiner"),
        ("inpainting", "an inpainting model"),
        ("chroma", "a model of the family chroma, which no engine here trains"),
        ("anything", "no kind of base model is recognised"),
    ],
)
def test_why_a_file_cannot_be_trained_on(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        require_base(write_shapes(tmp_path / "model.safetensors", FILES[name][0]))


def told(
    tmp_path: Path, shapes: Mapping[str, Shape], name: str = "model", **metadata: str
) -> tuple[str | None, bool | None]:
    metadata = {key.replace("__", "."): value for key, value in metadata.items()}
    found = inspect(write_shapes(tmp_path / f"{name}.safetensors", shapes, metadata))
    return found.prediction, found.zero_terminal_snr


def test_prediction_by_metadata(tmp_path: Path) -> None:
    assert told(tmp_path, SDXL, modelspec__prediction_type="v") == ("v", None)
    assert told(tmp_path, SDXL, modelspec__prediction_type="epsilon") == ("epsilon", False)
    assert told(tmp_path, {**SDXL, "v_pred": (0,)}, modelspec__prediction_type="epsilon")[0] == "epsilon"
    assert told(tmp_path, FLUX) == ("flow", None)


def test_prediction_by_marker_tensors(tmp_path: Path) -> None:
    assert told(tmp_path, {**SDXL, "v_pred": (0,)}) == ("v", False)
    assert told(tmp_path, {**SDXL, "v_pred": (0,), "ztsnr": (0,)}) == ("v", True)


def test_prediction_by_a_yaml_beside_it(tmp_path: Path) -> None:
    yaml = tmp_path / "model.yaml"
    yaml.write_text('model:\n  params:\n    parameterization: "v"  # v-prediction\n')
    assert told(tmp_path, SD15) == ("v", None)
    yaml.write_text('model:\n  params:\n    parameterization: "eps"\n')
    assert told(tmp_path, SD15) == ("epsilon", False)


@pytest.mark.parametrize("name", ["NoobAI-XL-Vpred-v1.0", "x-v-pred", "fluffyrock-terminal-snr", "y_zsnr"])
def test_a_name_alone_only_raises_doubt(tmp_path: Path, name: str) -> None:
    assert told(tmp_path, SDXL, name)[0] is None


@pytest.mark.parametrize("dtype", ["F16", "F32", "BF16"])
@pytest.mark.parametrize(("spread", "expected"), [(0.12, "v"), (0.05, "epsilon")])
def test_stable_diffusion_2_by_the_spread_of_one_norm(
    tmp_path: Path, dtype: str, spread: float, expected: str
) -> None:
    values = [spread, -spread] * 160
    raw = b"".join(
        struct.pack("<f", value)[2:]
        if dtype == "BF16"
        else struct.pack("<e" if dtype == "F16" else "<f", value)
        for value in values
    )
    name = f"{U}output_blocks.11.1.transformer_blocks.0.norm1.bias"
    header: dict[str, Any] = {name: {"dtype": dtype, "shape": [320], "data_offsets": [0, len(raw)]}}
    data = raw
    for name, shape in SD2.items():
        size = math.prod(shape)
        header[name] = {"dtype": "U8", "shape": list(shape), "data_offsets": [len(data), len(data) + size]}
        data += bytes(size)
    file = tmp_path / "model.safetensors"
    file.write_bytes(pack(header, data))
    assert (inspect(file).family, inspect(file).prediction) == ("sd2", expected)


def test_a_lora_says_what_its_metadata_says(tmp_path: Path) -> None:
    shapes = {"lora_unet_x.lora_down.weight": (4, 4)}
    file = write_shapes(
        tmp_path / "l.safetensors",
        shapes,
        {"modelspec.architecture": "stable-diffusion-xl-v1-base/lora", "modelspec.prediction_type": "v"},
    )
    found = inspect(file)
    assert (found.kind, found.family, found.prediction) == ("lora", "sdxl", "v")


def folder(
    tmp_path: Path, configs: Mapping[str, object], weights: tuple[str, ...] = ("unet", "vae", "text_encoder")
) -> Path:
    for name, config in configs.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(config))
    for name in weights:
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
        write_shapes(tmp_path / name / "model.safetensors", {"x": (1,)})
    return tmp_path


def pipeline(kind: str) -> dict[str, object]:
    return {"model_index.json": {"_class_name": kind}}


def unet(**config: object) -> dict[str, object]:
    return {"unet/config.json": {"_class_name": "UNet2DConditionModel", "in_channels": 4, **config}}


SCHEDULER = "scheduler/scheduler_config.json"


@pytest.mark.parametrize(
    ("configs", "family", "prediction", "zero_snr"),
    [
        (pipeline("StableDiffusionPipeline") | unet(cross_attention_dim=768), "sd15", "epsilon", False),
        (pipeline("StableDiffusionPipeline") | unet(cross_attention_dim=32), "sd15", "epsilon", False),
        (unet(cross_attention_dim=32), "sd15", "epsilon", False),
        (
            unet(cross_attention_dim=1024) | {SCHEDULER: {"prediction_type": "v_prediction"}},
            "sd2",
            "v",
            False,
        ),
        (
            pipeline("StableDiffusionXLPipeline")
            | unet(cross_attention_dim=24, addition_embed_type="text_time")
            | {SCHEDULER: {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True}},
            "sdxl",
            "v",
            True,
        ),
    ],
)
def test_folders_are_told_by_their_configs(
    tmp_path: Path, configs: Mapping[str, object], family: str, prediction: str, zero_snr: bool
) -> None:
    path = folder(tmp_path, configs)
    found = require_base(path)
    assert found == ModelFile(path, "base", family, prediction, zero_snr, True, found.evidence)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("configs", "weights", "words"),
    [
        (unet(in_channels=9, cross_attention_dim=768), ("unet",), "an inpainting model"),
        (
            unet(addition_embed_type="text_time", cross_attention_dim=1280),
            ("unet", "vae", "text_encoder_2"),
            "the SDXL refiner",
        ),
        (pipeline("FluxPipeline"), (), "sd-scripts wants its single .safetensors file"),
        (pipeline("StableDiffusion3Pipeline"), (), "family sd3"),
        ({"config.json": {"_class_name": "AutoencoderKL"}}, (), "only a VAE"),
        ({"config.json": {"architectures": ["CLIPTextModel"]}}, (), "only a text encoder"),
        ({"config.json": {"_class_name": "UNet2DConditionModel"}}, (), "its parent is the model"),
        ({}, ("unet",), "no model_index.json"),
        (unet(cross_attention_dim=768), ("unet", "vae"), "text_encoder has no .safetensors file"),
    ],
)
def test_why_a_folder_cannot_be_trained_on(
    tmp_path: Path, configs: Mapping[str, object], weights: tuple[str, ...], words: str
) -> None:
    with pytest.raises(UserError, match=words) as caught:
        require_base(folder(tmp_path, configs, weights))
    assert "\n" not in str(caught.value)


def test_pickled_weights_in_a_folder(tmp_path: Path) -> None:
    path = folder(tmp_path, unet(cross_attention_dim=768), ("vae", "text_encoder"))
    (path / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"PK")
    with pytest.raises(UserError, match=r"unet is there as a pickled \.bin file only"):
        require_base(path)


def test_weights_in_a_folder_that_are_cut_short(tmp_path: Path) -> None:
    path = folder(tmp_path, unet(cross_attention_dim=768))
    file = path / "unet" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"unet/model\.safetensors: it is cut off"):
        require_base(path)


def test_a_damaged_config(tmp_path: Path) -> None:
    path = folder(tmp_path, unet(cross_attention_dim=768))
    (path / "unet" / "config.json").write_text("{")
    with pytest.raises(UserError, match="not valid JSON"):
        require_base(path)


def test_a_folder_that_holds_a_single_file(tmp_path: Path) -> None:
    write_shapes(tmp_path / "hero.safetensors", SD15)
    with pytest.raises(UserError, match=r"Name the file in it: hero\.safetensors"):
        require_base(tmp_path)


def test_a_missing_model(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such model"):
        require_base(tmp_path / "gone.safetensors")


@pytest.mark.parametrize("name", ["model.ckpt", "model.PT", "model.bin"])
def test_pickled_checkpoints_are_never_opened(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(b"PK\x03\x04")
    file.chmod(0)
    with pytest.raises(UserError, match="can run any code when opened"):
        require_base(file)


def test_a_truncated_model(tmp_path: Path) -> None:
    file = write_shapes(tmp_path / "model.safetensors", SD15)
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size - 1)
    with pytest.raises(UserError, match="cut off"):
        require_base(file)


def test_nothing_heavy_is_imported() -> None:
    code = "import sys, loratui.models.inspect; sys.exit(bool({'torch', 'numpy', 'PIL'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
