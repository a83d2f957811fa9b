"""LoRAs that are merged into the base model before a new one is trained on it (base_weights)."""

from __future__ import annotations

from pathlib import Path

import torch

from loratui.problems import refusal
from loratui.trainer.base.loading import BaseModel
from loratui.trainer.lora import lora_file
from loratui.trainer.lora.targets import Target, text_targets, unet_targets
from loratui.trainer.settings.config import TrainConfig

_SAME = "Choose a LoRA of the same family."


def merge_base_weights(config: TrainConfig, model: BaseModel, dtype: torch.dtype | None = None) -> list[str]:
    """Add every file of base_weights to the model, times its base_weights_multiplier, or 1 where none is
    given (train_network.py:646-661). Returns remarks for the person.

    Under sd-scripts the residual blocks' 1x1 layers are trained too from then on, by accident: the list of
    targets that such a file widens is that of the class (networks/lora.py). Here it changes nothing else.
    Call it before captions are encoded: sd-scripts merges after cached ones, which a text encoder's part then
    does not reach. Merged weights are kept in ``dtype``, or in their own precision. Raises ``UserError`` for
    a file that is broken, or of which nothing fits.
    """
    layers = _layers(config, model)
    factors = [*(config.base_weights_multiplier or ()), *[1.0] * len(config.base_weights or ())]
    remarks = []
    for name, factor in zip(config.base_weights or (), factors, strict=False):
        path = Path(name).expanduser()
        sizes = lora_file.sizes_in(path)
        fitting = sizes.keys() & layers.keys()
        if not fitting:
            raise refusal(path, "nothing in it fits this model.", _SAME, "net_dim_mismatch")
        if len(fitting) < len(sizes):
            remarks.append(
                f"{path.name}: {len(sizes) - len(fitting)} of its {len(sizes)} modules fit nowhere."
            )
        _merge(path, {key: layers[key] for key in sorted(fitting)}, sizes, factor, dtype)
    return remarks


def _layers(config: TrainConfig, model: BaseModel) -> dict[str, Target]:
    sdxl = config.family == "sdxl"
    layers = dict(unet_targets(model.unet, sgm=sdxl, convolutions=True))
    prefixes = ("lora_te1", "lora_te2") if sdxl else ("lora_te",)
    for prefix, encoder in zip(prefixes, model.text_encoders, strict=True):
        layers |= text_targets(encoder, prefix)
    return layers


@torch.no_grad()
def _merge(
    path: Path,
    layers: dict[str, Target],
    sizes: dict[str, tuple[int, float]],
    factor: float,
    dtype: torch.dtype | None,
) -> None:
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        keys = set(file.keys())
        for name, layer in layers.items():
            rank, alpha = sizes[name]
            up = f"{name}.lora_up.weight"
            if up not in keys or f"{name}.lora_mid.weight" in keys:
                raise refusal(path, f"its {name} is no plain LoRA.", "Merge it with: loratui lora merge")
            factors = [file.get_tensor(key).float().flatten(1) for key in (up, f"{name}.lora_down.weight")]
            added = factors[0] @ factors[1] * (factor * alpha / rank)
            weight = layer.weight
            if added.numel() != weight.numel() or len(added) != len(weight):
                raise refusal(path, f"its {name} has another shape.", _SAME, "net_dim_mismatch")
            kept = weight.data.to(dtype or weight.dtype)
            weight.data = (kept.float() + added.view_as(kept)).to(kept.dtype)
