"""Kohya's names for the modules of a LoRA. Pure text."""

from __future__ import annotations

import re

_XL_PARTS = re.compile(r"^(down_blocks|up_blocks)\.(\d+)\.attentions\.(\d+)\.(.*)$")


def unet_name(module: str, *, sgm: bool, layers_per_block: int = 2) -> str:
    """``lora_unet_...`` for a module of diffusers' U-Net.

    SD 1.x keeps diffusers' block names. SDXL takes those of Stability's own code (``sgm``): a down
    block has ``layers_per_block`` layers and a downsampler, after one first convolution; an up block
    has one layer more and no place of its own for the upsampler.
    """
    if sgm:
        found = _XL_PARTS.match(module)
        if found:
            side, block, layer, rest = found[1], int(found[2]), int(found[3]), found[4]
            number = (layers_per_block + 1) * block + layer
            place = f"input_blocks.{number + 1}.1" if side == "down_blocks" else f"output_blocks.{number}.1"
            module = f"{place}.{rest}"
        else:
            module = module.replace("mid_block.attentions.0.", "middle_block.1.")
    return "lora_unet_" + module.replace(".", "_")


def text_encoder_name(module: str, prefix: str) -> str:
    """``lora_te_text_model_...`` (SD 1.x) or ``lora_te1_``/``lora_te2_`` (SDXL) for a module of CLIP.

    transformers 5.6 dropped the ``text_model`` level of ``CLIPTextModel``; Kohya's names keep it.
    """
    if not module.startswith("text_model."):
        module = f"text_model.{module}"
    return f"{prefix}_" + module.replace(".", "_")
