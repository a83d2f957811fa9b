"""Small LoRA files and checkpoints with random numbers, in the names of real ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from loratui.lora.files.checkpoint import read_checkpoint
from loratui.lora.files.module_names import Module, kohya_name

UNET = "model.diffusion_model."
_TEXT = "cond_stage_model.transformer.text_model."
SMALL: dict[str, tuple[int, ...]] = {
    f"{UNET}input_blocks.0.0.weight": (8, 4, 3, 3),
    f"{UNET}input_blocks.1.0.in_layers.2.weight": (8, 8, 3, 3),
    f"{UNET}input_blocks.1.0.in_layers.2.bias": (8,),
    f"{UNET}input_blocks.1.1.proj_in.weight": (8, 8, 1, 1),
    f"{UNET}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (8, 6),
    f"{UNET}input_blocks.3.0.op.weight": (8, 8, 3, 3),
    f"{_TEXT}encoder.layers.0.self_attn.q_proj.weight": (6, 6),
    "first_stage_model.encoder.conv_in.weight": (4, 3, 3, 3),
}
"""A checkpoint of SD 1.x with one layer of each kind."""
LINEAR = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
PLACES = {
    "lora_unet_down_blocks_0_resnets_0_conv1": f"{UNET}input_blocks.1.0.in_layers.2.weight",
    "lora_unet_down_blocks_0_attentions_0_proj_in": f"{UNET}input_blocks.1.1.proj_in.weight",
    LINEAR: f"{UNET}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight",
    "lora_te_text_model_encoder_layers_0_self_attn_q_proj": (
        f"{_TEXT}encoder.layers.0.self_attn.q_proj.weight"
    ),
}
"""Kohya's names of the layers in ``SMALL``, and their tensors."""
MODULES = {name: SMALL[place] for name, place in PLACES.items()}


def small_checkpoint(path: Path, seed: int = 0, dtype: torch.dtype = torch.float32) -> Path:
    """``SMALL``, and a tensor of whole numbers."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {name: torch.randn(shape, generator=generator).to(dtype) for name, shape in SMALL.items()}
    tensors[f"{_TEXT}embeddings.position_ids"] = torch.arange(7)[None]
    save_file(tensors, path, {"format": "pt", "note": "kept"})
    return path


def make_lora(
    path: Path,
    modules: Mapping[str, tuple[int, ...]] = MODULES,
    *,
    rank: int = 2,
    alpha: float | None = 1.0,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    size: float = 0.3,
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """A Kohya file over layers with weights of these shapes. ``alpha`` None leaves it out."""
    generator = torch.Generator().manual_seed(seed)
    tensors: dict[str, torch.Tensor] = {}
    for name, shape in modules.items():
        ones = (1, 1) if len(shape) == 4 else ()
        tensors[f"{name}.lora_down.weight"] = size * torch.randn((rank, *shape[1:]), generator=generator)
        tensors[f"{name}.lora_up.weight"] = size * torch.randn((shape[0], rank, *ones), generator=generator)
        if alpha is not None:
            tensors[f"{name}.alpha"] = torch.tensor(alpha)
    save_file({name: tensor.to(dtype) for name, tensor in tensors.items()}, path, dict(metadata or {}))
    return path


def deltas(path: Path) -> dict[str, torch.Tensor]:
    """What a Kohya file adds to each layer, straight from the formula, in float64."""
    tensors = {name: tensor.double() for name, tensor in load_file(path).items()}
    found = {}
    for name, down in tensors.items():
        if name.endswith(".lora_down.weight"):
            stem = name.removesuffix(".lora_down.weight")
            rank = down.shape[0]
            alpha = float(tensors.get(f"{stem}.alpha", torch.tensor(rank)))
            product = tensors[f"{stem}.lora_up.weight"].flatten(1) @ down.flatten(1)
            found[stem] = (product * alpha / rank).reshape(-1, *down.shape[1:])
    return found


def targets(folder: Path, *, convolutions: bool = False) -> dict[str, tuple[int, ...]]:
    """Kohya's names of the layers of a model that get a LoRA, with the shapes of their weights."""
    checkpoint = read_checkpoint(folder)
    found = {}
    for key, place in checkpoint.places.items():
        attention = ".attentions." in key.name and key.part == "unet"
        text = key.part.startswith("text") and ".layers." in key.name
        kinds = (".resnets.", ".downsamplers.", ".upsamplers.")
        more = convolutions and key.part == "unet" and any(kind in key.name for kind in kinds)
        if key.name.endswith(".weight") and len(place.shape) > 1 and (attention or text or more):
            module = Module(key.part, key.name.removesuffix(".weight"))
            found[kohya_name(module, sdxl=checkpoint.family == "sdxl")] = place.shape
    return found
