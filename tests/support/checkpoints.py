"""Small checkpoints in the ordinary single-file layout, with weights that follow from their names."""

from __future__ import annotations

import hashlib
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch

from loratui.trainer.base.loading import ENCODERS
from loratui.trainer.captions.tokenizer import ASSETS
from loratui.trainer.nets.unet import UNet2DConditionModel
from loratui.trainer.nets.vae import AutoencoderKL

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
    "sd2": {
        "block_out_channels": [8, 16, 24, 24],
        "attention_head_dim": [1, 2, 3, 3],
        "cross_attention_dim": 8,
    },
    "sdxl": {
        "block_out_channels": [8, 16, 32],
        "attention_head_dim": [2, 4, 8],
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


def hashed(name: str, shape: torch.Size) -> torch.Tensor:
    """Weights of about the size an untrained layer has, the same on every machine and exact in float16: bytes
    of a hash of the name, times a power of two. A norm's weights lie around 1."""
    size = math.prod(shape)
    # Module names differ between versions of transformers in this level alone.
    digest = hashlib.shake_128(name.replace("text_model.", "").encode()).digest(size)
    values = torch.from_numpy(np.frombuffer(digest, np.int8).astype(np.float32)).reshape(shape) / 128
    if len(shape) < 2:
        return values / 8 + (1.0 if name.endswith("weight") else 0.0)
    fan_in = size / shape[0]
    return values * 2.0 ** round(math.log2(math.sqrt(3 / fan_in)))


class Made:
    """A small checkpoint in the ordinary single-file layout, and the modules it was made from."""

    def __init__(self, family: str, folder: Path) -> None:
        from safetensors.torch import save_file

        self.configs = folder / "configs"
        self.path = folder / f"{family}.safetensors"
        self.unet = UNet2DConditionModel(
            self._config(family, "unet", norm_num_groups=4, **SMALL_UNET[family])
        )
        self.vae = AutoencoderKL(
            self._config(family, "vae", norm_num_groups=2, block_out_channels=[4, 4, 8, 8])
        )
        suffixes = ("", "_2") if family == "sdxl" else ("",)
        self.encoders = []
        for kind, suffix in zip(ENCODERS, suffixes, strict=False):
            sizes = {"hidden_size": 8, "intermediate_size": 16, "num_attention_heads": 2}
            # sd-scripts takes layer 11 of SDXL's first text encoder, however many it has.
            layers = 12 if family == "sdxl" and not suffix else 2
            config = self._config(
                family, f"text_encoder{suffix}", **sizes, num_hidden_layers=layers, projection_dim=8
            )
            self.encoders.append(kind(config))
        for name, part in (("unet", self.unet), ("vae", self.vae), *enumerate(self.encoders)):
            for key, tensor in part.state_dict().items():
                if tensor.is_floating_point():
                    tensor.copy_(hashed(f"{family} {name} {key}", tensor.shape))
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
        if family == "sd2":
            encoder = {
                f"text_model.{k.removeprefix('text_model.')}": t
                for k, t in self.encoders[0].state_dict().items()
            }
            # The last layer, which nobody takes, and the projection lie in every such file.
            last = {key.replace(".layers.1.", ".layers.23."): 0 * tensor for key, tensor in encoder.items()}
            for key, tensor in original_open_clip(
                last | encoder | {"text_projection.weight": torch.eye(8)}
            ).items():
                tensors[f"cond_stage_model.model.{key}"] = tensor
            return tensors
        prefix = "conditioner.embedders.0" if family == "sdxl" else "cond_stage_model"
        for key, tensor in self.encoders[0].state_dict().items():
            tensors[f"{prefix}.transformer.text_model.{key.removeprefix('text_model.')}"] = tensor
        if family == "sdxl":
            for key, tensor in original_open_clip(self.encoders[1].state_dict()).items():
                tensors[f"conditioner.embedders.1.model.{key}"] = tensor
        return tensors
