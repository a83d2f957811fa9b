"""A VAE of its own, in place of the one in the base model."""

from __future__ import annotations

from pathlib import Path

import torch

from loratui.models.inspect import inspect
from loratui.problems import UserError, refusal
from loratui.trainer.base.loading import configs_for, folder_weights, part_of
from loratui.trainer.base.single_file import vae_weights
from loratui.trainer.nets.vae import AutoencoderKL

_PREFIX = "first_stage_model."


def load_vae(path: Path, base: Path, family: str, *, decodes: bool = True) -> AutoencoderKL:
    """From a .safetensors file, in the names of Stability's code or of diffusers, or a diffusers folder; in
    float32, frozen. ``base`` and ``family`` are those of the base model, whose config it has. Without
    ``decodes`` it is its encoder alone.

    Raises ``UserError`` when it is missing, pickled, no VAE, or of another shape.
    """
    from safetensors.torch import load_file

    if not path.exists():
        raise refusal(path, "there is no such VAE.", "Check vae, or remove it.", "model_missing")
    kind = inspect(path).kind
    if kind not in ("vae", "base"):
        raise refusal(path, f"this is no VAE ({kind}).", "Choose a VAE for vae, or remove it.", "wrong_arch")
    try:
        if path.is_dir():
            folder = path / "vae" if (path / "vae").is_dir() else path
            own = vae_weights(folder_weights(folder))
            return part_of(AutoencoderKL, own, folder, torch.float32, decodes=decodes)
        weights = load_file(path)
        prefix = _PREFIX if any(key.startswith(_PREFIX) for key in weights) else ""
        own = vae_weights(weights, prefix)
        return part_of(AutoencoderKL, own, configs_for(base, family) / "vae", torch.float32, decodes=decodes)
    except UserError:
        raise
    except Exception as error:  # what a damaged file raises depends on the library that reads it
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        message = f"this VAE does not fit {family} models: {first}"
        raise refusal(path, message, "Choose another.", "wrong_arch") from error
