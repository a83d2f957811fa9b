"""What kind of base model a path holds, from names and headers alone; no torch."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

from loratui.problems import Problem, UserError
from loratui.tensorfile import read_header

_PICKLES = frozenset({".bin", ".ckpt", ".pt", ".pth"})


def detect_family(path: Path) -> str:
    """``"sd15"`` or ``"sdxl"`` for a diffusers folder or a single .safetensors file.

    Raises ``UserError`` for everything that cannot be trained: missing or truncated files, pickles,
    LoRA files, other families.
    """
    if path.is_dir():
        return _family_of_folder(path)
    if not path.exists():
        raise refusal(path, "there is no such model.", "Check pretrained_model_name_or_path.")
    if path.suffix.lower() in _PICKLES:
        raise refusal(
            path,
            f"{path.suffix} files are pickles, which can run code when they are opened.",
            "Use the model's .safetensors file instead.",
        )
    return _family_of_keys(path, read_header(path).tensors.keys())


def _family_of_keys(path: Path, names: Collection[str]) -> str:
    if any(".lora_down." in name or ".lora_A." in name or ".hada_w1_a" in name for name in names):
        raise refusal(path, "this is a LoRA file, not a base model.", "Choose the model it was made for.")
    if "model.diffusion_model.input_blocks.0.0.weight" not in names:
        raise refusal(
            path,
            "no Stable Diffusion U-Net is in this file.",
            'The builtin trainer takes SD 1.x and SDXL checkpoints; for others choose engine = "kohya".',
        )
    if any(name.startswith("conditioner.embedders.1.model.") for name in names):
        return "sdxl"
    if any(name.startswith("conditioner.embedders.0.model.") for name in names):
        raise refusal(path, "this is an SDXL refiner.", "Choose an SDXL base model.")
    if any(name.startswith("cond_stage_model.model.") for name in names):
        raise refusal(path, "this is a Stable Diffusion 2.x model.", 'Choose engine = "kohya" for it.')
    if any(name.startswith("cond_stage_model.transformer.") for name in names):
        return "sd15"
    raise refusal(path, "it has a U-Net but no text encoder.", "Choose a full checkpoint.")


def _family_of_folder(path: Path) -> str:
    try:
        config = json.loads((path / "unet" / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise refusal(
            path,
            "this folder is no diffusers model (unet/config.json is missing).",
            "Give a folder with unet, vae, text_encoder and tokenizer in it, or a .safetensors file.",
        ) from None
    except (OSError, ValueError):
        raise refusal(path / "unet" / "config.json", "it cannot be read.", "Download it again.") from None
    if config.get("addition_embed_type") == "text_time":
        if not (path / "text_encoder").is_dir():
            raise refusal(path, "this is an SDXL refiner.", "Choose an SDXL base model.")
        return "sdxl"
    if config.get("_class_name") != "UNet2DConditionModel" or config.get("use_linear_projection"):
        raise refusal(path, "this is neither an SD 1.x nor an SDXL model.", 'Choose engine = "kohya".')
    return "sd15"


def refusal(path: Path, message: str, fix: str) -> UserError:
    """A sentence about one file."""
    return UserError(str(path), Problem("", message, fix))
