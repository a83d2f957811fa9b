"""All layers that are trained, by group and Kohya name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from loratui.trainer.lora.blocks import Blocks
from loratui.trainer.lora.lora_layer import Dropout, LoraLayer
from loratui.trainer.lora.targets import Target, Targets, is_pointwise


class Layer(Protocol):
    """One trained addition to a frozen layer."""

    enabled: bool

    @property
    def weights(self) -> tuple[nn.Parameter, ...]:
        """What is trained."""

    @property
    def raised(self) -> tuple[nn.Parameter, ...]:
        """Those of ``weights`` that LoRA+ gives a higher rate."""

    def tensors(self) -> dict[str, Tensor]:
        """What a file holds of it, by the end of its key."""

    def stored(self) -> dict[str, Tensor]:
        """What a state holds of it; written to, they change the layer."""

    def take(self, tensors: dict[str, Tensor]) -> None:
        """Put what a file holds in place. Raises ``ValueError`` saying what does not fit."""

    def training_mode(self, on: bool) -> None:
        """Whether something may be left out at random."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Rank and alpha of each layer."""

    rank: int
    alpha: float
    convolution: tuple[int, float] | None = None
    """Of kernels larger than 1x1 (LoCon), where they are trained."""
    modules: dict[str, tuple[int, float]] | None = None
    """dim_from_weights: those of a file, by Kohya name; nothing else is trained then."""
    blocks: Blocks | None = None
    """What is said for each block of the U-Net, in place of the first three."""

    def of(self, name: str, layer: Target) -> tuple[int, float] | None:
        """None leaves the layer as it is."""
        if self.modules is not None:
            return self.modules.get(name)
        if self.blocks is not None and name.startswith("lora_unet_"):
            return self.blocks.size(name, pointwise=is_pointwise(layer))
        return (self.rank, self.alpha) if is_pointwise(layer) else self.convolution

    @property
    def convolutions(self) -> bool:
        """Whether kernels larger than 1x1 are looked at."""
        by_block = self.blocks is not None and self.blocks.convolution_ranks is not None
        return self.convolution is not None or self.modules is not None or by_block


@dataclass(frozen=True, slots=True)
class Network:
    """Groups: ``text_encoder``, ``text_encoder_2``, ``unet``."""

    groups: dict[str, dict[str, Layer]]

    @property
    def layers(self) -> dict[str, Layer]:
        """All layers by Kohya name, text encoders first."""
        return {name: layer for group in self.groups.values() for name, layer in group.items()}

    def parameters(self, group: str | None = None) -> list[nn.Parameter]:
        """The trained tensors of one group, or of all."""
        layers = self.layers if group is None else self.groups[group]
        return [weight for layer in layers.values() for weight in layer.weights if weight.requires_grad]

    def is_finite(self) -> bool:
        """Whether all trained tensors are numbers; their device is asked once."""
        found = [weight.isfinite().all() for weight in self.parameters()]
        return not found or bool(torch.stack(found).all())

    def hold(self, group: str) -> None:
        """Leave a group's weights as they are."""
        for layer in self.groups.get(group, {}).values():
            for weight in layer.weights:
                weight.requires_grad_(False)

    def enable(self, enabled: bool) -> None:
        """Switch the network's effect on or off."""
        for layer in self.layers.values():
            layer.enabled = enabled

    @contextmanager
    def switched_off(self) -> Iterator[None]:
        """The base model alone, for a while."""
        self.enable(False)
        try:
            yield
        finally:
            self.enable(True)

    def training_mode(self, on: bool) -> None:
        """Whether something may be left out at random."""
        for layer in self.layers.values():
            layer.training_mode(on)

    def cast(self, dtype: torch.dtype) -> None:
        """Keep the weights at another precision. Call it before an optimizer takes them."""
        for layer in self.layers.values():
            for weight in layer.weights:
                weight.data = weight.data.to(dtype)

    def tensors(self) -> dict[str, Tensor]:
        """What a file holds, by Kohya key."""
        return {
            f"{name}.{key}": tensor
            for name, layer in self.layers.items()
            for key, tensor in layer.tensors().items()
        }

    def stored(self) -> dict[str, Tensor]:
        """What a state holds, by key; written to, they change the network."""
        return {
            f"{name}.{key}": tensor
            for name, layer in self.layers.items()
            for key, tensor in layer.stored().items()
        }


def attach(targets: Targets, sizes: Sizes, device: torch.device, dropout: Dropout | None = None) -> Network:
    """A fresh LoRA on the targets of each group, in float32 on ``device``."""
    groups: dict[str, dict[str, Layer]] = {}
    for group, layers in targets.items():
        groups[group] = {}
        for name, layer in layers.items():
            size = sizes.of(name, layer)
            if size is not None and size[0]:
                groups[group][name] = LoraLayer(layer, *size, dropout).to(device)
    return Network({group: layers for group, layers in groups.items() if layers})
