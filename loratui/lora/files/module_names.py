"""What the modules of a LoRA are called: Kohya's underscores, diffusers' and peft's dots. Pure text.

Every name is read into a ``Module``: a part of the model and a path in diffusers' names.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from loratui.formats.layouts.text_layout import with_text_model
from loratui.formats.layouts.unet_layout import unet_to_diffusers, unet_to_sgm

Naming = Literal["kohya", "diffusers"]

_WORDS = (  # every word of a module's path that has an underscore in it
    "down_blocks",
    "up_blocks",
    "mid_block",
    "input_blocks",
    "output_blocks",
    "middle_block",
    "transformer_blocks",
    "in_layers",
    "out_layers",
    "emb_layers",
    "skip_connection",
    "time_embed",
    "label_emb",
    "time_embedding",
    "add_embedding",
    "linear_1",
    "linear_2",
    "time_emb_proj",
    "conv_in",
    "conv_out",
    "conv_shortcut",
    "conv_norm_out",
    "proj_in",
    "proj_out",
    "to_q",
    "to_k",
    "to_v",
    "to_out",
    "text_model",
    "self_attn",
    "q_proj",
    "k_proj",
    "v_proj",
    "out_proj",
    "final_layer_norm",
    "layer_norm1",
    "layer_norm2",
    "token_embedding",
    "position_embedding",
    "text_projection",
)
_PIECE = re.compile(f"(?:{'|'.join(sorted(_WORDS, key=len, reverse=True))})(?=_|$)|[^_]+")
_PARTS = {
    "lora_unet": "unet",
    "lora_te": "text_encoder",
    "lora_te1": "text_encoder",
    "lora_te2": "text_encoder_2",
}
_KOHYA = re.compile(r"(lora_unet|lora_te1|lora_te2|lora_te)_([^.]+)\.(.+)")
_DIFFUSERS = re.compile(r"(unet|text_encoder_2|text_encoder)\.(.+)")
_ENDINGS = (
    # (ending, what takes its place in the path, role)
    (re.compile(r"\.lora_A(?:\.[^.]+)?\.weight$"), "", "down"),
    (re.compile(r"\.lora_B(?:\.[^.]+)?\.weight$"), "", "up"),
    (re.compile(r"\.lora_magnitude_vector(?:\.[^.]+)?(?:\.weight)?$"), "", "dora_scale"),
    (re.compile(r"\.(?:lora|lora_linear_layer)\.down\.weight$"), "", "down"),
    (re.compile(r"\.(?:lora|lora_linear_layer)\.up\.weight$"), "", "up"),
    (re.compile(r"(?:\.processor)?\.(to_[qkv]|to_out)_lora\.down\.weight$"), r".\1", "down"),
    (re.compile(r"(?:\.processor)?\.(to_[qkv]|to_out)_lora\.up\.weight$"), r".\1", "up"),
    (re.compile(r"\.alpha$"), "", "alpha"),
)


class Module(NamedTuple):
    """One layer of the model."""

    part: str
    """``unet``, ``text_encoder`` or ``text_encoder_2``."""
    path: str
    """In diffusers' names; a text encoder's with ``text_model``."""


class Key(NamedTuple):
    """What one tensor of a LoRA file is."""

    module: Module
    role: str
    """``down``, ``up``, ``mid``, ``alpha``, ``dora_scale``, or LyCORIS' own word (``hada_w1_a`` ...)."""
    naming: Naming
    sgm: bool = False
    """Whether it is one of Kohya's names for SDXL: Stability's blocks, or the second text encoder."""


def read_key(key: str, layers: int = 2) -> Key | None:
    """What a tensor's name says; None when it names no module of Stable Diffusion.

    ``layers``: the U-Net's ``layers_per_block``, 2 in every published model.
    """
    kohya = _KOHYA.fullmatch(key)
    if kohya is not None:
        role = {"lora_down.weight": "down", "lora_up.weight": "up", "lora_mid.weight": "mid"}.get(
            kohya[3], kohya[3]
        )
        part = _PARTS[kohya[1]]
        path = ".".join(_PIECE.findall(kohya[2]))
        if part != "unet":
            return Key(Module(part, with_text_model(path)), role, "kohya", kohya[1] == "lora_te2")
        known = unet_to_diffusers(path, layers)
        return Key(Module(part, known or path), role, "kohya", known is not None)
    dotted = _DIFFUSERS.fullmatch(key)
    if dotted is None:
        return None
    for ending, replacement, role in _ENDINGS:
        path, count = ending.subn(replacement, dotted[2])
        if count:
            path = f"{path}.0" if path.endswith(".to_out") else path
            if dotted[1] != "unet":
                path = with_text_model(path)
            return Key(Module(dotted[1], path), role, "diffusers")
    return None


def kohya_name(module: Module, *, sdxl: bool, layers: int = 2) -> str:
    """``lora_unet_...``, ``lora_te_...``: Stability's block names for SDXL, diffusers' for SD 1.x and 2.x."""
    path = module.path
    if module.part == "unet":
        start = "lora_unet"
        if sdxl:
            path = unet_to_sgm(path, layers) or path
    elif sdxl:
        start = "lora_te2" if module.part == "text_encoder_2" else "lora_te1"
    else:
        start = "lora_te"
    return f"{start}_{path.replace('.', '_')}"


def diffusers_name(module: Module) -> str:
    """``unet.down_blocks...``: what ``.lora_A.weight`` is put behind."""
    return f"{module.part}.{module.path}"
