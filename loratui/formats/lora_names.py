"""How the tensors of a LoRA file are named."""

from __future__ import annotations

_LORA_STARTS = ("lora_unet_", "lora_te", "lora_transformer", "lycoris_")
_LORA_PARTS = (
    ".lora_A.",
    ".lora_B.",
    ".lora_down.",
    ".lora_up.",
    "_lora.down.",
    "_lora.up.",
    ".lora.down.",
    ".lora.up.",
    ".lora_linear_layer.",
    ".hada_w",
    ".lokr_w",
)


def is_lora_key(name: str) -> bool:
    """Whether a tensor belongs to a LoRA (or a LoHa, LoKr): Kohya's, diffusers' and peft's names."""
    return name.startswith(_LORA_STARTS) or any(part in name for part in _LORA_PARTS)
