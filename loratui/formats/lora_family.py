"""Which family a LoRA belongs to, from its tensors' names and shapes, and from its metadata.

Names: sd-scripts' ``networks/*.py`` (the prefixes and target modules of each family) and diffusers'
transformers; widths: the cross-attention's input (768, 1024, 2048 for SD 1.x, 2.x, XL) and the hidden
size of the transformers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

Shapes = Mapping[str, tuple[int, ...]]
"""Tensors by name."""

_ARCHITECTURES = (
    # modelspec.architecture as sd-scripts writes it (library/sai_model_spec.py)
    ("stable-diffusion-xl", "sdxl"),
    ("stable-diffusion-v1", "sd15"),
    ("stable-diffusion-v2", "sd2"),
    ("stable-diffusion-3", "sd3"),
    ("flux-1", "flux"),
    ("flux-2", "flux2"),
    ("chroma", "chroma"),
    ("lumina", "lumina"),
    ("hunyuan-image", "hunyuan_image"),
    ("anima", "anima"),
)

_BASE_VERSIONS = (
    # ss_base_model_version (each training script's get_sai_model_spec / update_metadata)
    ("sdxl", "sdxl"),
    ("sd_v1", "sd15"),
    ("sd_v2", "sd2"),
    ("sd3", "sd3"),
    ("flux", "flux"),
    ("lumina", "lumina"),
    ("hunyuan_image", "hunyuan_image"),
    ("anima", "anima"),
)

_ATTENTION_WIDTHS = {768: "sd15", 1024: "sd2", 2048: "sdxl"}
_SDXL_NAMES = ("lora_unet_input_blocks_", "lora_unet_output_blocks_", "lora_unet_middle_block_")


_LOOKALIKES = {"flux": frozenset({"chroma"}), "sd15": frozenset({"sd2"})}
"""Families whose LoRA keys may be the same, so that the metadata decides between them."""


def family_of_lora(shapes: Shapes, metadata: Mapping[str, str]) -> tuple[str | None, str]:
    """The family (None when unknown) and why, in words: the tensors' before the metadata's word."""
    by_shape, by_word = family_of_shapes(shapes), family_of_metadata(metadata)
    known = by_shape[0]
    if known is None or by_word[0] in _LOOKALIKES.get(known, ()):
        return by_word if by_word[0] else by_shape
    return by_shape


def family_of_shapes(tensors: Shapes) -> tuple[str | None, str]:
    """The family (None when unknown) and why, in words."""
    found = _transformer(tensors)
    if found:
        return found
    for width in _attention_widths(tensors):
        return _ATTENTION_WIDTHS[width], f"LoRA keys on attention over {width} values"
    if any(name.startswith((*_SDXL_NAMES, "lora_te2_", "text_encoder_2.")) for name in tensors):
        return "sdxl", "LoRA keys in SDXL's names"
    if any(re.search(r"down_blocks[._]0[._]attentions", name) for name in tensors):
        return "sd15", "LoRA keys on attention in the first block, as Stable Diffusion 1.x has"
    return None, "LoRA keys of no known family"


def family_of_metadata(metadata: Mapping[str, str]) -> tuple[str | None, str]:
    """The family that ``modelspec.architecture`` or ``ss_base_model_version`` names, and why."""
    for key, starts in (
        ("modelspec.architecture", _ARCHITECTURES),
        ("ss_base_model_version", _BASE_VERSIONS),
    ):
        for start, family in starts:
            if metadata.get(key, "").lower().startswith(start):
                return family, f"{key}: {start}"
    return None, "the metadata names no family"


def _transformer(tensors: Shapes) -> tuple[str, str] | None:
    def has(part: str) -> bool:
        return any(part in name for name in tensors)

    if has("joint_blocks"):
        return "sd3", "LoRA keys on joint_blocks"
    if has("llm_adapter"):
        return "anima", "LoRA keys on llm_adapter"
    if has("double_blocks"):
        if has("individual_token_refiner") or any(
            3584 in shape for name, shape in tensors.items() if "double_blocks" in name
        ):
            return "hunyuan_image", "LoRA keys on double_blocks of HunyuanImage's width"
        return "flux", "LoRA keys on double_blocks"
    if has("single_transformer_blocks"):
        if has("to_qkv_mlp_proj"):
            return "flux2", "LoRA keys on single_transformer_blocks with one projection, as FLUX.2 has"
        return "flux", "LoRA keys on single_transformer_blocks"
    if has("single_blocks"):
        return "flux", "LoRA keys on single_blocks"
    if has("cap_embedder") or any(
        re.search(r"[._]layers[._]\d+[._]attention[._]qkv", name) for name in tensors
    ):
        return "lumina", "LoRA keys on layers with one qkv projection, as Lumina has"
    return None


def _attention_widths(tensors: Shapes) -> Iterator[int]:
    """The inputs' widths of the cross-attention's key projections."""
    for name, shape in tensors.items():
        if "attn2" in name and "to_k" in name and re.search(r"lora_down|lora_A|lora\.down|w1_b$", name):
            width = shape[1] if len(shape) > 1 else 0
            if width in _ATTENTION_WIDTHS:
                yield width
