"""A VAE of its own, in place of the one in the base model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from loratui.models.inspect import inspect
from loratui.problems import UserError, refusal
from loratui.trainer.loading import configs_for, diffusers_classes, part_of_file

_PREFIX = "first_stage_model."


def load_vae(path: Path, base: Path, family: str) -> Any:
    """From a .safetensors file, in the names of Stability's code or of diffusers, or a diffusers folder; in
    float32, frozen. ``base`` and ``family`` are those of the base model, whose config it has.

    Raises ``UserError`` when it is missing, pickled, no VAE, or of another shape.
    """
    from safetensors.torch import load_file

    if not path.exists():
        raise refusal(path, "there is no such VAE.", "Check vae, or remove it.")
    kind = inspect(path).kind
    if kind not in ("vae", "base"):
        raise refusal(path, f"this is no VAE ({kind}).", "Choose a VAE for vae, or remove it.")
    _, vae_class = diffusers_classes()
    try:
        if path.is_dir():
            folder = path / "vae" if (path / "vae").is_dir() else path
            vae = vae_class.from_pretrained(folder, torch_dtype=torch.float32, local_files_only=True)
        else:
            weights = load_file(path)
            configs = configs_for(base, family)
            if any(".down_blocks." in key for key in weights):
                config = json.loads((configs / "vae" / "config.json").read_text(encoding="utf-8"))
                vae = vae_class.from_config(config)
                vae.load_state_dict({key: tensor.float() for key, tensor in weights.items()})
            else:
                if not any(key.startswith(_PREFIX) for key in weights):
                    weights = {_PREFIX + key: tensor for key, tensor in weights.items()}
                vae = part_of_file(vae_class, weights, _PREFIX, configs, "vae", torch.float32)
    except UserError:
        raise
    except Exception as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise refusal(path, f"this VAE does not fit {family} models: {first}", "Choose another.") from error
    vae.requires_grad_(False)
    return vae.eval()
