"""What is true of each model family. Facts only; nothing here decides."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Family:
    """The facts of one model family."""

    name: str
    title: str
    resolution: int
    """Side in pixels of the square images the family was trained on."""

    script: str
    """sd-scripts' network training script, without ``.py``; empty when it has none."""

    builtin: bool
    """Whether the builtin engine trains it."""

    latent_scale: float = 1.0
    """Factor from the VAE's output to the U-Net's input (sd-scripts library/train_util.py,
    ``0.18215``; sdxl_model_util.py, ``VAE_SCALE_FACTOR``)."""

    lora_module: str = "networks.lora"
    """sd-scripts' module with the LoRA of this family (its folder ``networks``)."""

    bucket_step: int = 64
    """Bucket sides must divide by this (each script's ``verify_bucket_reso_steps``, train_network.py:175
    and the like)."""


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family("sd15", "Stable Diffusion 1.x", 512, "train_network", True, 0.18215),
        Family("sd2", "Stable Diffusion 2.x", 768, "train_network", True, 0.18215),
        Family("sdxl", "Stable Diffusion XL", 1024, "sdxl_train_network", True, 0.13025, bucket_step=32),
        Family(
            "sd3",
            "Stable Diffusion 3",
            1024,
            "sd3_train_network",
            False,
            lora_module="networks.lora_sd3",
            bucket_step=32,
        ),
        Family(
            "flux",
            "FLUX.1",
            1024,
            "flux_train_network",
            False,
            lora_module="networks.lora_flux",
            bucket_step=32,
        ),
        Family(
            "lumina",
            "Lumina 2",
            1024,
            "lumina_train_network",
            False,
            lora_module="networks.lora_lumina",
            bucket_step=16,
        ),
        Family(
            "anima",
            "Anima",
            1024,
            "anima_train_network",
            False,
            lora_module="networks.lora_anima",
            bucket_step=16,
        ),
        Family(
            "hunyuan_image",
            "HunyuanImage 2.1",
            2048,
            "hunyuan_image_train_network",
            False,
            lora_module="networks.lora_hunyuan_image",
            bucket_step=32,
        ),
    )
}
