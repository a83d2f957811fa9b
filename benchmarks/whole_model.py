"""A Stable Diffusion 1.5 with random weights in one .safetensors file, in the layout of Stability's code."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from narrow_kohya import NARROW
from torch import Tensor

from loratui.formats.layouts import unet_layout, vae_layout
from loratui.trainer.captions.tokenizer import ASSETS


def make(path: Path, *, tiny: bool, stored: str = "float16") -> None:
    """Write it in float16 (2.1 GB, tiny: 20 MB) or float32 (twice that); beside a tiny one its configs."""
    from safetensors.torch import save_file

    torch.manual_seed(0)
    pool = torch.randn(1 << 22).to(getattr(torch, stored))
    tensors = {name: _values(name, shape, pool) for name, shape in _shapes(path, tiny)}
    positions = "cond_stage_model.transformer.text_model.embeddings.position_ids"
    tensors[positions] = torch.arange(77).unsqueeze(0)
    save_file(tensors, path)


def _values(name: str, shape: torch.Size, pool: Tensor) -> Tensor:
    """As large as an untrained layer has them. A norm's weights are 1."""
    if len(shape) < 2:
        return torch.full(shape, 1.0 if name.endswith("weight") else 0.0, dtype=pool.dtype)
    size = math.prod(shape)
    values = pool.repeat(math.ceil(size / len(pool)))[:size].view(shape)
    return values * (0.5 / math.sqrt(size / shape[0]))


def _shapes(path: Path, tiny: bool) -> Iterator[tuple[str, torch.Size]]:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from transformers.models.clip.configuration_clip import CLIPTextConfig
    from transformers.models.clip.modeling_clip import CLIPTextModel

    configs = {part: _config(path, part, tiny) for part in NARROW}
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(configs["unet"]).state_dict()
        vae = AutoencoderKL.from_config(configs["vae"]).state_dict()
        encoder = CLIPTextModel(CLIPTextConfig(**configs["text_encoder"])).state_dict()
    attention = unet_layout.attention_blocks(unet)
    for key, tensor in unet.items():
        yield f"model.diffusion_model.{unet_layout.unet_to_sgm(key, 2, attention)}", tensor.shape
    for key, tensor in vae.items():
        square = vae_layout.is_vae_attention_weight(key)
        shape = torch.Size([*tensor.shape, 1, 1]) if square else tensor.shape
        yield f"first_stage_model.{vae_layout.vae_to_single(key, 4)}", shape
    for key, tensor in encoder.items():
        if not key.endswith("position_ids"):
            name = key.removeprefix("text_model.")
            yield f"cond_stage_model.transformer.text_model.{name}", tensor.shape


def _config(path: Path, part: str, tiny: bool) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((ASSETS / "sd15" / part / "config.json").read_text("utf-8"))
    if tiny:
        config |= NARROW[part]
        folder = path.with_suffix("") / part
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps(config))
    return config
