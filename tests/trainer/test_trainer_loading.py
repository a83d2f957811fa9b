"""Base models: families by their keys, single files, and Kohya's names on the real topologies."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from loratui.problems import UserError
from loratui.trainer.base_model import detect_family
from loratui.trainer.loading import diffusers_classes, encoder_classes, load
from loratui.trainer.targets import text_targets, unet_targets
from loratui.trainer.text import encode
from loratui.trainer.tokenizer import ASSETS, LENGTH, read_tokenizer

RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
UNET_ENDS = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
VAE_PARTS = {
    "mid_block.resnets.0": "mid.block_1",
    "mid_block.resnets.1": "mid.block_2",
    "mid_block.attentions.0": "mid.attn_1",
    "conv_shortcut": "nin_shortcut",
    "conv_norm_out": "norm_out",
    "group_norm": "norm",
    "to_q": "q",
    "to_k": "k",
    "to_v": "v",
    "to_out.0": "proj_out",
}
SMALL_UNET = {
    "sd15": {"block_out_channels": [8, 16, 24, 24], "attention_head_dim": 2, "cross_attention_dim": 8},
    "sdxl": {
        "block_out_channels": [8, 16, 24],
        "attention_head_dim": [1, 2, 3],
        "cross_attention_dim": 16,
        "transformer_layers_per_block": [1, 1, 2],
        "projection_class_embeddings_input_dim": 8 + 6 * 256,
    },
}


def original_unet(name: str, attentions: set[str]) -> str:
    """A U-Net key of diffusers as Stability's code calls it."""
    for ours, theirs in UNET_ENDS.items():
        if name.startswith(f"{ours}."):
            return name.replace(ours, theirs)
    found = re.fullmatch(r"(down|up|mid)_block(?:s\.(\d+))?\.(\w+)\.(\d+)\.(.*)", name)
    assert found
    side, block, kind, layer, rest = found[1], int(found[2] or 0), found[3], int(found[4]), found[5]
    if kind == "resnets":
        part, _, end = rest.partition(".")
        rest = f"{RESNET[part]}.{end}"
    if side == "mid":
        return f"middle_block.{1 if kind == 'attentions' else 2 * layer}.{rest}"
    number = 3 * block + layer
    if kind == "downsamplers":
        return f"input_blocks.{3 * block + 3}.0.{rest.replace('conv', 'op')}"
    if kind == "upsamplers":
        return f"output_blocks.{3 * block + 2}.{2 if f'up_blocks.{block}' in attentions else 1}.{rest}"
    place = f"input_blocks.{number + 1}" if side == "down" else f"output_blocks.{number}"
    return f"{place}.{1 if kind == 'attentions' else 0}.{rest}"


def original_vae(name: str) -> str:
    for ours, theirs in VAE_PARTS.items():
        name = re.sub(rf"(^|\.){re.escape(ours)}\.", rf"\1{theirs}.", name)
    name = re.sub(r"down_blocks\.(\d)\.resnets\.", r"down.\1.block.", name)
    name = re.sub(r"down_blocks\.(\d)\.downsamplers\.0\.", r"down.\1.downsample.", name)
    name = re.sub(r"up_blocks\.(\d)\.resnets\.", lambda m: f"up.{3 - int(m[1])}.block.", name)
    return re.sub(r"up_blocks\.(\d)\.upsamplers\.0\.", lambda m: f"up.{3 - int(m[1])}.upsample.", name)


def original_open_clip(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    out: dict[str, torch.Tensor] = {"logit_scale": torch.zeros(())}
    names = (
        ("text_model.encoder.layers.", "transformer.resblocks."),
        ("text_model.embeddings.token_embedding.", "token_embedding."),
        ("text_model.embeddings.position_embedding.weight", "positional_embedding"),
        ("text_model.final_layer_norm.", "ln_final."),
        ("layer_norm1.", "ln_1."),
        ("layer_norm2.", "ln_2."),
        ("mlp.fc1.", "mlp.c_fc."),
        ("mlp.fc2.", "mlp.c_proj."),
        ("self_attn.out_proj.", "attn.out_proj."),
    )
    for key, tensor in state.items():
        if ".q_proj." in key:
            three = [state[key.replace(".q_proj.", f".{part}_proj.")] for part in "qkv"]
            layer = key.split(".")[3]
            out[f"transformer.resblocks.{layer}.attn.in_proj_{key.rsplit('.', 1)[1]}"] = torch.cat(three)
        elif key == "text_projection.weight":
            out["text_projection"] = tensor.T.contiguous()
        elif ".k_proj." not in key and ".v_proj." not in key and not key.endswith("position_ids"):
            for ours, theirs in names:
                key = key.replace(ours, theirs)
            out[key] = tensor
    return out


class Made:
    """A small checkpoint in the ordinary single-file layout, and the modules it was made from."""

    def __init__(self, family: str, folder: Path) -> None:
        from safetensors.torch import save_file
        from transformers.models.clip.configuration_clip import CLIPTextConfig

        torch.manual_seed(5)
        self.configs = folder / "configs"
        self.path = folder / f"{family}.safetensors"
        unet_class, vae_class = diffusers_classes()
        self.unet = unet_class.from_config(
            self._config(family, "unet", norm_num_groups=4, **SMALL_UNET[family])
        )
        self.vae = vae_class.from_config(
            self._config(family, "vae", norm_num_groups=2, block_out_channels=[4, 4, 8, 8])
        )
        suffixes = ("", "_2") if family == "sdxl" else ("",)
        self.encoders = []
        for kind, suffix in zip(encoder_classes(), suffixes, strict=False):
            sizes = {"hidden_size": 8, "intermediate_size": 16, "num_attention_heads": 2}
            config = self._config(
                family, f"text_encoder{suffix}", **sizes, num_hidden_layers=2, projection_dim=8
            )
            self.encoders.append(kind(CLIPTextConfig(**config)))
        save_file({key: tensor.contiguous() for key, tensor in self._tensors(family).items()}, self.path)

    def _config(self, family: str, part: str, **changes: Any) -> dict[str, Any]:
        config: dict[str, Any] = json.loads((ASSETS / family / part / "config.json").read_text()) | changes
        (self.configs / part).mkdir(parents=True)
        (self.configs / part / "config.json").write_text(json.dumps(config))
        return config

    def _tensors(self, family: str) -> dict[str, torch.Tensor]:
        unet = self.unet.state_dict()
        attentions = {key.split(".attentions")[0] for key in unet if ".attentions." in key}
        tensors = {
            f"model.diffusion_model.{original_unet(key, attentions)}": tensor for key, tensor in unet.items()
        }
        for key, tensor in self.vae.state_dict().items():
            name = original_vae(key)
            if "mid.attn_1" in name and tensor.ndim == 2:
                tensor = tensor[:, :, None, None]
            tensors[f"first_stage_model.{name}"] = tensor
        prefix = "conditioner.embedders.0" if family == "sdxl" else "cond_stage_model"
        for key, tensor in self.encoders[0].state_dict().items():
            tensors[f"{prefix}.transformer.text_model.{key.removeprefix('text_model.')}"] = tensor
        if family == "sdxl":
            for key, tensor in original_open_clip(self.encoders[1].state_dict()).items():
                tensors[f"conditioner.embedders.1.model.{key}"] = tensor
        return tensors


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_a_single_file_gives_the_very_weights_it_was_made_from(family: str, tmp_path: Path) -> None:
    made = Made(family, tmp_path)
    assert detect_family(made.path) == family
    model = load(made.path, family, torch.float32, made.configs)
    pairs = [(made.unet, model.unet), (made.vae, model.vae)]
    pairs += list(zip(made.encoders, model.text_encoders, strict=True))
    for ours, loaded in pairs:
        theirs = loaded.state_dict()
        assert ours.state_dict().keys() == theirs.keys()
        assert all(torch.equal(tensor, theirs[key]) for key, tensor in ours.state_dict().items())
        assert not any(parameter.requires_grad for parameter in loaded.parameters())
    states = encode(model, ["a cat", "two"], 2).states
    assert states.shape == (2, LENGTH, 16 if family == "sdxl" else 8)
    with pytest.raises(UserError, match=f"not a {family} model of the usual shape"):
        load(made.path, family, torch.float32)
    made.configs.rename(made.path.with_suffix(""))
    assert load(made.path, family, torch.float32).family == family  # configs beside the file


@pytest.mark.parametrize(
    ("family", "count", "names"),
    [
        (
            "sd15",
            192,
            {
                "lora_unet_down_blocks_0_attentions_0_proj_in",
                "lora_unet_up_blocks_3_attentions_2_transformer_blocks_0_attn1_to_out_0",
                "lora_unet_mid_block_attentions_0_transformer_blocks_0_ff_net_0_proj",
            },
        ),
        (
            "sdxl",
            722,
            {
                "lora_unet_input_blocks_4_1_proj_in",
                "lora_unet_input_blocks_8_1_transformer_blocks_9_attn2_to_k",
                "lora_unet_middle_block_1_transformer_blocks_9_ff_net_2",
                "lora_unet_output_blocks_5_1_transformer_blocks_1_attn1_to_out_0",
            },
        ),
    ],
)
def test_the_real_models_get_kohyas_names(family: str, count: int, names: set[str]) -> None:
    from accelerate import init_empty_weights

    unet_class, _ = diffusers_classes()
    with init_empty_weights():
        config = unet_class.load_config(str(ASSETS / family), subfolder="unet")
        unet = unet_class.from_config(config)
    targets = unet_targets(unet, sgm=family == "sdxl")
    assert len(targets) == count
    assert names <= targets.keys()


def test_the_real_text_encoder_gets_kohyas_names() -> None:
    from accelerate import init_empty_weights
    from transformers.models.clip.configuration_clip import CLIPTextConfig

    config = CLIPTextConfig(**json.loads((ASSETS / "sd15/text_encoder/config.json").read_text()))
    with init_empty_weights():
        targets = text_targets(encoder_classes()[0](config), "lora_te")
    assert len(targets) == 72
    assert "lora_te_text_model_encoder_layers_11_self_attn_out_proj" in targets


def test_clip_skip_takes_an_earlier_layer_through_the_final_norm(tiny_models: dict[str, Path]) -> None:
    model = load(tiny_models["sd15"], "sd15", torch.float32)
    last, same, earlier = (encode(model, ["ohwx, cat"], skip).states for skip in (None, 1, 2))
    assert torch.equal(last, same)
    assert not torch.allclose(last, earlier)
    # A layer norm leaves every token with mean 0 and variance 1, as its weights are still 1 and 0.
    assert earlier.mean(dim=-1).abs().max() < 1e-5


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_our_tokenizer_agrees_with_transformers(family: str, tiny_models: dict[str, Path]) -> None:
    from transformers import CLIPTokenizer

    folder = tiny_models[family] / ("tokenizer_2" if family == "sdxl" else "tokenizer")
    theirs = CLIPTokenizer.from_pretrained(str(folder))
    ours = read_tokenizer(folder)
    for text in ("ohwx, a Cat", "two  words\n", "ein Käse, 100%", ""):
        wanted = theirs(text, padding="max_length", max_length=LENGTH, truncation=True).input_ids
        assert ours.encode(text) == wanted


def test_a_family_that_is_not_trained_is_named(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "flux.safetensors"
    save_file({"double_blocks.0.img_attn.norm.key_norm.scale": torch.zeros(1)}, path)
    with pytest.raises(UserError, match="flux models"):
        detect_family(path)
