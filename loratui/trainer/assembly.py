"""What is trained: the LoRA on a loaded model, its parameters in groups of one learning rate, and their
optimizer."""

from __future__ import annotations

from typing import Any

import torch

from loratui.trainer import optimizers
from loratui.trainer.config import TrainConfig
from loratui.trainer.loading import BaseModel
from loratui.trainer.network import Dropout, Network, attach, text_targets, unet_targets
from loratui.trainer.optimizers import Chosen
from loratui.trainer.rates import rates_for
from loratui.trainer.stepping import Diffusion, Stepper


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


def parameter_groups(config: TrainConfig, network: Network) -> dict[str, dict[str, Any]]:
    """The optimizer's groups by name, in the order of ``network.groups``."""
    rates = trained_rates(config)
    return {name: {"params": network.parameters(name), "lr": rates[name]} for name in network.groups}


def stepper_for(
    config: TrainConfig,
    chosen: Chosen,
    accelerator: Any,
    unet: Any,
    network: Network,
    total_steps: int,
    done: int = 0,
) -> Stepper:
    """Everything that one optimizer step moves; ``done`` steps of the schedule are behind it. Raises
    ``ConfigRefusedError`` for values that the optimizer or the scheduler does not take."""
    groups = parameter_groups(config, network)
    optimizer = accelerator.prepare(optimizers.create(config, chosen, list(groups.values())))
    base_rates = [group["lr"] for group in groups.values()]
    return Stepper(
        config,
        accelerator,
        unet,
        network,
        optimizer,
        rates_for(config, chosen, optimizer, base_rates, total_steps, done),
        Diffusion.of(config, accelerator.device),
        tuple(groups),
    )
