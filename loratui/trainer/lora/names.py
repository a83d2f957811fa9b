"""Kohya's names for the modules of a LoRA. Pure text."""

from __future__ import annotations

import re

_BLOCK_PART = re.compile(
    r"(down_blocks|up_blocks)\.(\d+)\.(attentions|resnets|downsamplers|upsamplers)\.(\d+)\.(.+)"
)
_MIDDLE_PART = re.compile(r"mid_block\.(attentions|resnets)\.(\d+)\.(.+)")
_RESNET = {
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
"""The layers of a residual block: diffusers' names, and Stability's."""


def unet_name(module: str, *, sgm: bool, layers_per_block: int = 2) -> str:
    """``lora_unet_...`` for a module of diffusers' U-Net.

    SD 1.x keeps diffusers' block names. SDXL takes those of Stability's own code (``sgm``): a down
    block has ``layers_per_block`` layers and a downsampler, after one first convolution; an up block
    has one layer more, and the upsampler stands behind the last one's attention.
    """
    return "lora_unet_" + (_sgm_name(module, layers_per_block) if sgm else module).replace(".", "_")


def _sgm_name(module: str, layers_per_block: int) -> str:
    middle = _MIDDLE_PART.fullmatch(module)
    if middle:
        if middle[1] == "attentions":
            return f"middle_block.1.{middle[3]}"
        return f"middle_block.{2 * int(middle[2])}.{_RESNET.get(middle[3], middle[3])}"
    found = _BLOCK_PART.fullmatch(module)
    if not found:
        return module
    side, block, kind, layer, rest = found[1], int(found[2]), found[3], int(found[4]), found[5]
    number = (layers_per_block + 1) * block + layer
    if kind == "downsamplers":
        return f"input_blocks.{(layers_per_block + 1) * (block + 1)}.0.op"
    if kind == "upsamplers":
        return f"output_blocks.{(layers_per_block + 1) * (block + 1) - 1}.2.conv"
    place = f"input_blocks.{number + 1}" if side == "down_blocks" else f"output_blocks.{number}"
    if kind == "attentions":
        return f"{place}.1.{rest}"
    return f"{place}.0.{_RESNET.get(rest, rest)}"


def text_encoder_name(module: str, prefix: str) -> str:
    """``lora_te_text_model_...`` (SD 1.x) or ``lora_te1_``/``lora_te2_`` (SDXL) for a module of CLIP.

    transformers 5.6 dropped the ``text_model`` level of ``CLIPTextModel``; Kohya's names keep it.
    """
    if not module.startswith("text_model."):
        module = f"text_model.{module}"
    return f"{prefix}_" + module.replace(".", "_")
