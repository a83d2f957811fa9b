"""LoHa, LoKr and the other algorithms of lycoris-lora (network_module ``lycoris.kohya``), on our models.

The package makes the layers from network_args, as under sd-scripts; which layers it takes, its names for them
and their files stay Kohya's. Where an algorithm can add its part to a layer's output (bypass mode) it does,
since a weight rebuilt in every pass costs a gradient as large as the base layer's.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Any

import torch
from torch import Tensor, nn

from loratui.trainer.base.loading import BaseModel
from loratui.trainer.lora.names import text_encoder_name, unet_name
from loratui.trainer.lora.network import Layer, Network
from loratui.trainer.lora.products import shortened
from loratui.trainer.settings.config import TrainConfig
from loratui.trainer.settings.network_rules import can_bypass

_OUTSIDE_BLOCKS = frozenset({"conv_in", "conv_out", "time_embedding.linear_1", "time_embedding.linear_2"})
"""Trained in SD 1.x; sd-scripts' own SDXL U-Net has other names for them, so there they are not found."""


class LycorisLayer:
    """One module of the package, as the trainer sees it."""

    def __init__(self, module: Any) -> None:
        self._module = module

    @property
    def enabled(self) -> bool:
        return bool(self._module.multiplier)

    @enabled.setter
    def enabled(self, enabled: bool) -> None:
        self._module.multiplier = 1.0 if enabled else 0.0

    @property
    def weights(self) -> tuple[nn.Parameter, ...]:
        """What is trained."""
        return tuple(self._module.parameters())

    @property
    def raised(self) -> tuple[nn.Parameter, ...]:
        """As the package's own ``prepare_optimizer_params`` chooses."""
        return tuple(weight for name, weight in self._module.named_parameters() if "lora_up" in name)

    def tensors(self) -> dict[str, Tensor]:
        """What a file holds of it; the package multiplies its scalar in."""
        return {key: tensor.detach() for key, tensor in self._module.state_dict().items()}

    def stored(self) -> dict[str, Tensor]:
        """Its parameters and buffers as they are."""
        return {
            key: tensor.detach()
            for key, tensor in (*self._module.named_parameters(), *self._module.named_buffers())
            if key != "dtype_tensor"
        }

    def take(self, tensors: dict[str, Tensor]) -> None:
        """Put what a file holds in place. Raises ``ValueError`` for another shape."""
        try:
            self._module.load_state_dict(tensors, strict=False)
        except RuntimeError:
            raise ValueError("has another shape than the network's") from None

    def training_mode(self, on: bool) -> None:
        """Whether something may be left out at random."""
        self._module.train(on)

    def limit_norm(self, most: float) -> None:
        """By the package's own rule; algorithms that have none are left alone."""
        self._module.apply_max_norm(most, None)


def lycoris_on(
    config: TrainConfig, model: BaseModel, wanted: AbstractSet[str], device: torch.device
) -> Network:
    """A fresh network on the wanted parts (``text_encoder``, ``text_encoder_2``, ``unet``), in float32.

    Raises ``ValueError`` when the package refuses its arguments.
    """
    from lycoris.kohya import create_network

    with _quiet():
        arguments = dict(config.network_arguments)
        arguments["preset"] = _preset(arguments.get("preset", "full"), sgm=model.family == "sdxl")
        arguments.setdefault("dropout", str(config.network_dropout or 0.0))
        arguments.setdefault("bypass_mode", str(can_bypass(arguments)))
        # A list numbers its names (lora_te1), which is for SDXL alone; untrained, they may be gone already.
        encoders = model.text_encoders if model.family == "sdxl" else next(iter(model.text_encoders), None)
        made = create_network(
            1.0,
            config.network_dim,
            config.network_alpha,
            None,
            encoders,
            model.unet,
            warn_on_unmatched=False,
            **arguments,
        )
    groups: dict[str, dict[str, Layer]] = {}
    names = dict(_names(model))
    for module in (*made.text_encoder_loras, *made.unet_loras):
        group, name = names.get(module.lora_name, ("", ""))
        if group in wanted:
            layer = module.org_module[0]
            short = shortened(module, layer)
            if short is None:
                module.apply_to()
            else:
                layer.forward = short
            groups.setdefault(group, {})[name] = LycorisLayer(module.to(device, torch.float32))
    return Network({group: groups[group] for group in sorted(groups)})


def _preset(name: str, *, sgm: bool) -> str:
    """The name of a preset fitted to diffusers' U-Net; files of a person's own are left as they are.

    Where lycoris-lora 4.1 names the layers of ``TimestepEmbedding`` as well it takes them twice over, and
    stops; sd-scripts' own SDXL U-Net has no such class. What its U-Nets call ``CrossAttention`` is
    ``Attention`` here.
    """
    from lycoris.config import PRESET

    if name not in PRESET:
        return name
    fitted = dict(PRESET[name])
    classes = list(fitted["unet_target_module"])
    named = any(target.startswith("time_embedding.") for target in fitted["unet_target_name"])
    if "TimestepEmbedding" in classes and (sgm or named):
        classes.remove("TimestepEmbedding")
    fitted["unet_target_module"] = classes + (["Attention"] if "CrossAttention" in classes else [])
    own = f"loratui-{name}-{'sgm' if sgm else 'plain'}"
    PRESET[own] = fitted
    return own


def _names(model: BaseModel) -> Iterator[tuple[str, tuple[str, str]]]:
    """The package's name of each module: its group, and Kohya's name."""
    sgm = model.family == "sdxl"
    per_block = int(getattr(model.unet, "config", {}).get("layers_per_block", 2))
    for module, _ in model.unet.named_modules():
        if not (sgm and module in _OUTSIDE_BLOCKS):
            name = unet_name(module, sgm=sgm, layers_per_block=per_block)
            yield "lora_unet_" + module.replace(".", "_"), ("unet", name)
    for number, encoder in enumerate(model.text_encoders):
        prefix = f"lora_te{number + 1}" if sgm else "lora_te"
        group = "text_encoder_2" if number else "text_encoder"
        for module, _ in encoder.named_modules():
            yield f"{prefix}_{module}".replace(".", "_"), (group, text_encoder_name(module, prefix))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The package tells of every step on its own logger."""
    logger = logging.getLogger("LyCORIS")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
