"""Where in the model a module sits: one name for a layer, however a file spells it. Pure text.

The one name is Kohya's with diffusers' blocks: ``lora_unet_down_blocks_1_attentions_0_proj_in``,
``lora_te1_text_model_encoder_layers_0_mlp_fc1``.
"""

from __future__ import annotations

import re

from loratui.lora.files.module_names import read_key

_STARTS = (
    ("base_model.model.", ""),
    ("model.diffusion_model.", "lora_unet_"),
    ("diffusion_model.", "lora_unet_"),
    ("unet.", "lora_unet_"),
    ("text_encoder.", "lora_te1_"),
    ("text_encoder_2.", "lora_te2_"),
    ("text_encoder_3.", "lora_te3_"),
    ("transformer.", "lora_transformer_"),
    ("lora_te_", "lora_te1_"),
    ("lycoris_", "lora_unet_"),
    ("down_blocks.", "lora_unet_down_blocks."),
    ("mid_block.", "lora_unet_mid_block."),
    ("up_blocks.", "lora_unet_up_blocks."),
    ("text_model.", "lora_te1_text_model."),
)

_LONGEST = 300
"""Characters; no model has longer names, and a hostile file's are left as they are."""

_COMPONENTS = {
    "lora_te1_": "text encoder",
    "lora_te2_": "text encoder 2",
    "lora_te3_": "text encoder 3",
    "lora_unet_": "unet",
    "lora_transformer_": "transformer",
}
_PARTS = re.compile(
    r"^(?:down_blocks_(?P<down>\d{1,4})_|(?P<mid>mid_block)_|up_blocks_(?P<up>\d{1,4})_"
    r"|(?P<stack>(?:single_transformer|transformer|double|single|joint)_blocks|layers|blocks)_\d{1,4}_)"
)


def canonical(name: str, layers_per_block: int = 2) -> str:
    """The one name of a layer. ``layers_per_block`` is the U-Net's (2 in every released model)."""
    if len(name) > _LONGEST:
        return name
    for start, instead in _STARTS:
        if name.startswith(start):
            name = instead + name.removeprefix(start)
            if instead:
                break
    name = name.replace(".processor.", ".").replace(".", "_")
    if name.startswith(("lora_te1_encoder_", "lora_te2_encoder_")):  # transformers 5.6 dropped this level
        name = f"{name[:9]}text_model_{name[9:]}"
    if name.endswith(("_attn1_to_out", "_attn2_to_out")):  # diffusers' older names
        name += "_0"
    known = read_key(f"{name}.alpha", layers_per_block) if name.startswith("lora_unet_") else None
    return f"lora_unet_{known.module.path.replace('.', '_')}" if known else name  # Stability's block names


def component(name: str) -> str:
    """The part of the pipeline a canonical name belongs to: ``unet``, ``text encoder`` ..."""
    return next((words for start, words in _COMPONENTS.items() if name.startswith(start)), "other")


def block(name: str) -> str:
    """The block a canonical name belongs to, in words: ``unet down 1``, ``unet mid``, ``text encoder``."""
    part = component(name)
    start = next((start for start in _COMPONENTS if name.startswith(start)), "")
    if part.startswith("text encoder"):
        return part
    found = _PARTS.match(name.removeprefix(start))
    if not found:
        return f"{part} other"
    if found["down"]:
        return f"{part} down {int(found['down'])}"
    if found["up"]:
        return f"{part} up {int(found['up'])}"
    return f"{part} mid" if found["mid"] else f"{part} {found['stack'].replace('_', ' ')}"


def block_order(label: str) -> tuple[int, int, str]:
    """For sorting blocks as the model runs them: text encoders, down, mid, up, the rest."""
    words = label.split()
    number = int(words[-1]) if words[-1].isdecimal() and len(words[-1]) < 9 else 0
    if label.startswith("text encoder"):
        return 0, number, label
    place = next((index for index, word in enumerate(("down", "mid", "up"), 1) if word in words), 4)
    return place, number, label
