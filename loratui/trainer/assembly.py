"""What is trained: the LoRA on a loaded model, and its parameters in groups of one learning rate."""

from __future__ import annotations

from typing import Any

import torch

from loratui.trainer.config import TrainConfig
from loratui.trainer.loading import BaseModel
from loratui.trainer.network import Dropout, Network, attach, text_targets, unet_targets


def trained_rates(config: TrainConfig) -> dict[str, float]:
    """Learning rates by group, text encoders first (networks/lora.py:1148-1240); untrained parts left out."""
    names = ("text_encoder", "text_encoder_2")
    rates = dict(zip(names, config.text_encoder_rates, strict=False)) | {"unet": config.unet_rate}
    return {name: rate for name, rate in rates.items() if rate}


def network_on(config: TrainConfig, model: BaseModel, device: torch.device) -> Network:
    """A fresh LoRA on the parts of the model that are trained."""
    targets = {}
    prefixes = ("lora_te1", "lora_te2") if config.family == "sdxl" else ("lora_te",)
    wanted = trained_rates(config)
    for group, prefix, encoder in zip(
        ("text_encoder", "text_encoder_2"), prefixes, model.text_encoders, strict=False
    ):
        if group in wanted:
            targets[group] = text_targets(encoder, prefix)
    if "unet" in wanted:
        targets["unet"] = unet_targets(
            model.unet, sgm=config.family == "sdxl", convolutions=config.convolution is not None
        )
    arguments = config.network_arguments
    dropout = Dropout(
        config.network_dropout or 0.0,
        float(arguments.get("rank_dropout", 0.0)),
        float(arguments.get("module_dropout", 0.0)),
    )
    return attach(targets, config.rank, config.alpha, device, config.convolution, dropout)


def parameter_groups(config: TrainConfig, network: Network) -> list[dict[str, Any]]:
    """The optimizer's groups, in the order of ``network.groups``."""
    rates = trained_rates(config)
    return [{"params": network.parameters(name), "lr": rates[name]} for name in network.groups]
