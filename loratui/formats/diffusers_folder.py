"""What a diffusers model folder says about itself."""

from __future__ import annotations

from typing import Any


def model_index(family: str, scheduler: str) -> dict[str, Any]:
    """The content of ``model_index.json`` for a Stable Diffusion 1.x, 2.x or XL folder; ``scheduler`` is
    the class named in its scheduler's config."""
    index: dict[str, Any] = {
        "_class_name": "StableDiffusionPipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "scheduler": ["diffusers", scheduler],
    }
    if family == "sdxl":
        return index | {
            "_class_name": "StableDiffusionXLPipeline",
            "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
            "tokenizer_2": ["transformers", "CLIPTokenizer"],
            "force_zeros_for_empty_prompt": True,
        }
    return index | {
        "safety_checker": [None, None],
        "feature_extractor": [None, None],
        "requires_safety_checker": False,
    }
