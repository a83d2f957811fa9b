"""What kind of model a set of tensor names and shapes is.

The tests and their order: facts from diffusers' ``infer_diffusers_model_type``
(loaders/single_file_utils.py), sd-scripts' loaders (library/flux_utils.py, sd3_utils.py) and ComfyUI's
model_detection. No weight is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from loratui.formats.lora_family import family_of_shapes
from loratui.formats.lora_names import is_lora_key
from loratui.formats.tensorfile import Tensor

Kind = Literal["base", "lora", "vae", "text_encoder", "unknown"]

_PREFIXES = ("model.diffusion_model.", "net.")
_VAE_STARTS = (
    "first_stage_model.",
    "encoder.",
    "decoder.",
    "quant_conv.",
    "post_quant_conv.",
    "conv1.",
    "conv2.",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What the names say."""

    kind: Kind
    family: str | None
    evidence: str
    refusal: str = ""
    """Why it cannot be trained on though it is a model."""


def classify(tensors: Mapping[str, Tensor]) -> Finding:
    """The first test that holds."""
    if any(is_lora_key(name) for name in tensors):
        family, evidence = family_of_shapes({name: tensor.shape for name, tensor in tensors.items()})
        return Finding("lora", family, evidence)
    model = _Names(tensors)
    for test in (_stable_diffusion, _transformer):
        finding = test(model, tensors)
        if finding is not None:
            return finding
    return _part(tensors)


class _Names:
    """The denoiser's tensors by name without prefix."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        prefix = next((p for p in _PREFIXES if any(name.startswith(p) for name in tensors)), "")
        self.shapes = {
            name.removeprefix(prefix): tensor.shape
            for name, tensor in tensors.items()
            if name.startswith(prefix)
        }

    def has(self, *names: str) -> bool:
        return any(name in self.shapes for name in names)

    def size(self, name: str, dimension: int) -> int | None:
        """The size of one dimension, or None when there is no such tensor."""
        shape = self.shapes.get(name, ())
        return shape[dimension] if -len(shape) <= dimension < len(shape) else None


def _stable_diffusion(model: _Names, tensors: Mapping[str, Tensor]) -> Finding | None:
    channels = model.size("input_blocks.0.0.weight", 1)
    if channels is None:
        return None
    family, evidence = _unet_family(model, tensors)
    special = {9: "an inpainting model", 8: "an instruct-pix2pix model", 7: "an upscaler"}.get(channels)
    if special:
        return Finding("base", family, f"the U-Net takes {channels} channels: {special}", special)
    if model.has("edm_mean", "edm_std") or "edm_mean" in tensors:
        return Finding("base", "sdxl", "edm_mean: Playground v2.5", "Playground v2.5, which no engine trains")
    if family == "refiner":
        return Finding("base", None, evidence, "the SDXL refiner")
    if family is None:
        return Finding("unknown", None, evidence)
    return Finding("base", family, evidence)


def _unet_family(model: _Names, tensors: Mapping[str, Tensor]) -> tuple[str | None, str]:
    if _any_starts(tensors, "conditioner.embedders.1.model."):
        return "sdxl", "conditioner.embedders.1.model: two text encoders, as SDXL has"
    if _any_starts(tensors, "conditioner.embedders.0.model."):
        return "refiner", "conditioner.embedders.0.model without embedders.1: the SDXL refiner"
    label = model.size("label_emb.0.0.weight", 1)
    if label == 2816:
        return "sdxl", "label_emb takes 2816 values, as SDXL's"
    if label == 2560:
        return "refiner", "label_emb takes 2560 values, as the SDXL refiner's"
    context = model.size("input_blocks.2.1.transformer_blocks.0.attn2.to_k.weight", -1)
    if context is None:
        context = model.size("input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight", -1)
        if context == 2048:
            return "sdxl", "attention over 2048 values from input_blocks.4, as SDXL"
    elif context in (768, 1024):
        family = "sd15" if context == 768 else "sd2"
        return (
            family,
            f"attention over {context} values, as Stable Diffusion {'1' if context == 768 else '2'}.x",
        )
    if label is None and _any_starts(tensors, "cond_stage_model.transformer."):
        return "sd15", f"one CLIP text encoder and a U-Net of unusual width ({context})"
    if label is None and _any_starts(tensors, "cond_stage_model.model."):
        return "sd2", f"one OpenCLIP text encoder and a U-Net of unusual width ({context})"
    return None, "a U-Net of no known family"


def _transformer(model: _Names, tensors: Mapping[str, Tensor]) -> Finding | None:
    if model.has("joint_blocks.0.context_block.adaLN_modulation.1.bias"):
        return Finding("base", "sd3", "joint_blocks: Stable Diffusion 3")
    for key, family in _OTHERS_BEFORE_FLUX:
        if model.has(key):
            return Finding("base", family, key, _not_trained(family))
    if model.has("double_blocks.0.img_attn.norm.key_norm.scale") and not model.has(_HUNYUAN):
        return _flux(model)
    if model.has("transformer_blocks.0.attn.add_k_proj.bias") and model.has(
        "single_transformer_blocks.0.attn.to_k.weight"
    ):
        dev = model.has("time_text_embed.guidance_embedder.linear_1.bias")
        return Finding("base", "flux", f"FLUX.1 {'dev' if dev else 'schnell'} in diffusers' names")
    for key, family in _OTHERS:
        if model.has(key):
            return Finding("base", family, key, _not_trained(family))
    if model.has(_HUNYUAN):
        if any(name.startswith("byt5_in.") for name in model.shapes):
            return Finding("base", "hunyuan_image", "byt5_in: HunyuanImage 2.1")
        return Finding("base", "hunyuan_video", _HUNYUAN, _not_trained("hunyuan_video"))
    return None


_HUNYUAN = "txt_in.individual_token_refiner.blocks.0.adaLN_modulation.1.bias"
_OTHERS_BEFORE_FLUX = (
    ("single_stream_modulation.lin.weight", "flux2"),
    ("distilled_guidance_layer.in_proj.bias", "chroma"),
)
_OTHERS = (
    # Z-Image also has Lumina's cap_embedder: it must come first.
    ("layers.0.adaLN_modulation.0.weight", "zimage"),
    ("cap_embedder.0.weight", "lumina"),
    ("llm_adapter.out_proj.weight", "anima"),
    ("x_embedder.proj.1.weight", "cosmos"),
    ("txt_in.text_norm.weight", "qwen_image"),
    ("txtfusion.projector.weight", "krea2"),
    ("double_stream_blocks.0.block.adaLN_modulation.1.bias", "hidream"),
    ("head.modulation", "wan"),
)
_TRAINED = frozenset({"lumina", "anima"})


def _not_trained(family: str) -> str:
    return "" if family in _TRAINED else f"a model of the family {family}, which no engine here trains"


def _flux(model: _Names) -> Finding:
    dev = model.has("guidance_in.in_layer.bias")
    evidence = f"double_blocks, {'with' if dev else 'without'} guidance: FLUX.1 {'dev' if dev else 'schnell'}"
    special = {384: "FLUX.1 Fill", 128: "FLUX.1 Depth or Canny"}.get(model.size("img_in.weight", 1) or 0)
    if special:
        return Finding(
            "base",
            "flux",
            f"{evidence}; its input is {special}'s",
            f"{special}, an inpainting or control model",
        )
    return Finding("base", "flux", evidence)


def _part(tensors: Mapping[str, Tensor]) -> Finding:
    """A text encoder, a VAE, a part of a diffusers folder, or nothing known."""
    if any(
        name.endswith(("token_embedding.weight", "embed_tokens.weight"))
        or ".SelfAttention.q.weight" in name
        or name.startswith(("text_model.", "transformer.text_model."))
        for name in tensors
    ):
        return Finding("text_encoder", None, "only the tensors of a text encoder")
    if (
        tensors
        and all(name.startswith(_VAE_STARTS) for name in tensors)
        and any("decoder." in name for name in tensors)
    ):
        return Finding("vae", None, "only encoder and decoder: a VAE")
    if _any_starts(tensors, "down_blocks.") and "conv_in.weight" in tensors:
        return Finding(
            "unknown",
            "sdxl" if _any_starts(tensors, "add_embedding.") else None,
            "the U-Net out of a diffusers folder; the folder with model_index.json is the model",
        )
    return Finding("unknown", None, "no tensor name that is known")


def _any_starts(tensors: Mapping[str, Tensor], *starts: str) -> bool:
    return any(name.startswith(starts) for name in tensors)
