"""What is trained: the LoRA on a loaded model, its parameters in groups of one learning rate, and their
optimizer."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import torch

from loratui.builtin.support import LYCORIS_MODULE
from loratui.problems import Problem
from loratui.trainer.base.base_precision import DTYPES
from loratui.trainer.base.loading import BaseModel
from loratui.trainer.distributed import Together
from loratui.trainer.lora import lora_file
from loratui.trainer.lora.blocks import block_number
from loratui.trainer.lora.half_copies import HalfCopies
from loratui.trainer.lora.held import held_parts
from loratui.trainer.lora.lora_layer import Dropout, LoraLayer
from loratui.trainer.lora.lycoris import lycoris_on
from loratui.trainer.lora.network import Layer, Network, Sizes, attach
from loratui.trainer.lora.shared_inputs import join
from loratui.trainer.lora.targets import Targets, text_targets, unet_targets
from loratui.trainer.optimizing import optimizers
from loratui.trainer.optimizing.flat_parameters import Flat
from loratui.trainer.optimizing.optimizers import Chosen
from loratui.trainer.optimizing.rates import rates_for
from loratui.trainer.optimizing.scaling import allow_half_gradients
from loratui.trainer.settings.config import ConfigRefusedError, TrainConfig
from loratui.trainer.stepping import Diffusion, Stepper


def trained_rates(config: TrainConfig) -> dict[str, float]:
    """Learning rates by group, text encoders first (networks/lora.py:1148-1240); untrained parts left out."""
    names = ("text_encoder", "text_encoder_2")
    rates = dict(zip(names, config.text_encoder_rates, strict=False)) | {"unet": config.unet_rate}
    return {name: rate for name, rate in rates.items() if rate}


def network_on(config: TrainConfig, model: BaseModel, device: torch.device) -> Network:
    """A fresh network on the parts of the model that are trained, or held. Raises ``UserError`` when the file
    that network_weights names, or lycoris-lora, refuses."""
    held = held_parts(config)
    network = _network_on(config, model, held | trained_rates(config).keys(), device)
    for group in held:
        network.hold(group)
    return network


def _network_on(
    config: TrainConfig, model: BaseModel, wanted: AbstractSet[str], device: torch.device
) -> Network:
    if config.network_module == LYCORIS_MODULE:
        try:
            return lycoris_on(config, model, wanted, device)
        except (ValueError, TypeError, KeyError, AssertionError) as error:
            problem = Problem("network_args", f"lycoris-lora refuses them: {error}.", "Change or remove it.")
            raise ConfigRefusedError(str(config.source), problem) from None
    sizes = Sizes(config.rank, config.alpha, config.convolution, _sizes_of_weights(config), config.blocks)
    targets: Targets = {}
    prefixes = ("lora_te1", "lora_te2") if config.family == "sdxl" else ("lora_te",)
    for group, prefix, encoder in zip(
        ("text_encoder", "text_encoder_2"), prefixes, model.text_encoders, strict=False
    ):
        if group in wanted:
            targets[group] = text_targets(encoder, prefix)
    if "unet" in wanted:
        targets["unet"] = unet_targets(
            model.unet, sgm=config.family == "sdxl", convolutions=sizes.convolutions
        )
    arguments = config.network_arguments
    dropout = Dropout(
        config.network_dropout or 0.0,
        float(arguments.get("rank_dropout", 0.0)),
        float(arguments.get("module_dropout", 0.0)),
    )
    for part in (model.unet, *model.text_encoders):
        join(part)
    # Made from weights, a LoRA knows no dropout (networks/lora.py:829-837).
    return attach(targets, sizes, device, None if sizes.modules is not None else dropout)


def _sizes_of_weights(config: TrainConfig) -> dict[str, tuple[int, float]] | None:
    if not config.dim_from_weights:
        return None
    return lora_file.sizes_in(Path(config.network_weights or "").expanduser())


def parameter_groups(config: TrainConfig, network: Network) -> dict[str, dict[str, Any]]:
    """The optimizer's groups by name, in the order of ``network.groups``. With LoRA+ what it raises stands in
    a group of its own (networks/lora.py:1160-1225)."""
    rates = trained_rates(config)
    groups: dict[str, dict[str, Any]] = {}
    for name, layers, rate in _of_one_rate(config, network, rates):
        ratio = _plus_ratio(config, name)
        raised = {id(weight) for layer in layers.values() for weight in layer.raised} if ratio else set()
        weights = [weight for layer in layers.values() for weight in layer.weights]
        plain = [weight for weight in weights if id(weight) not in raised]
        plus = [weight for weight in weights if id(weight) in raised]
        if plain:
            groups[name] = {"params": plain, "lr": rate}
        if plus:
            groups[f"{name}_plus"] = {"params": plus, "lr": rate * (ratio or 1.0)}
    return groups


def _of_one_rate(
    config: TrainConfig, network: Network, rates: dict[str, float]
) -> Iterator[tuple[str, dict[str, Layer], float]]:
    """The network's groups, the U-Net by its blocks where they have rates of their own."""
    blocks = config.blocks
    for name, layers in network.groups.items():
        if name not in rates:
            continue
        if name != "unet" or blocks is None or blocks.rates is None:
            yield name, layers, rates[name]
            continue
        by_block: dict[int, dict[str, Layer]] = {}
        for key, layer in layers.items():
            by_block.setdefault(block_number(key, sdxl=blocks.sdxl), {})[key] = layer
        # sd-scripts' own order: there SDXL's middle block stands before the way up.
        order = sorted(by_block) if blocks.sdxl else list(by_block)
        for number in order:
            own = by_block[number]
            yield f"unet_block{number}", own, rates[name] * blocks.rates[number]


def _plus_ratio(config: TrainConfig, group: str) -> float | None:
    arguments = config.network_arguments
    own = "loraplus_unet_lr_ratio" if group.startswith("unet") else "loraplus_text_encoder_lr_ratio"
    return float(arguments.get(own, 0)) or float(arguments.get("loraplus_lr_ratio", 0)) or None


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
    if config.full_fp16:
        allow_half_gradients(accelerator.scaler)
    scaled = accelerator.scaler is not None
    made = optimizers.create(config, chosen, list(groups.values()), scaled=scaled)
    optimizer = accelerator.prepare(made)
    # With module_dropout other weights are without a gradient in each step.
    drops = float(config.network_arguments.get("module_dropout") or 0) > 0
    flat = Flat(made, chosen.joinable) if chosen.joinable and not drops else None
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
        Together.of(accelerator),
        flat,
        _half_copies(config, network),
    )


def _half_copies(config: TrainConfig, network: Network) -> HalfCopies | None:
    """Where autocast is on, and the weights are not in its precision already."""
    dtype = DTYPES[config.mixed_precision]
    layers = [one for one in network.layers.values() if isinstance(one, LoraLayer) and one.can_be_whole]
    wide = [one for one in layers if all(weight.dtype == torch.float32 for weight in one.weights)]
    return HalfCopies(wide, dtype) if dtype != torch.float32 and wide else None
