"""LoRA: low-rank additions to frozen layers (arXiv:2106.09685), in Kohya's form."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from loratui.trainer.names import text_encoder_name, unet_name

_UNET_PARENTS = frozenset({"Transformer2DModel"})
_TEXT_PARENTS = frozenset({"CLIPAttention", "CLIPSdpaAttention", "CLIPMLP"})
"""Classes whose layers get a LoRA (sd-scripts networks/lora.py:867-875)."""


class LoraLayer(nn.Module):
    """``original(x) + up(down(x)) * alpha / rank``, in place of one linear layer or 1x1 convolution.

    ``down`` starts as Kaiming-uniform with a = sqrt(5), ``up`` as zeros, so a fresh LoRA changes nothing
    (networks/lora.py:30-110).
    """

    def __init__(self, original: nn.Linear | nn.Conv2d, rank: int, alpha: float) -> None:
        super().__init__()
        self.down: nn.Module
        self.up: nn.Module
        if isinstance(original, nn.Conv2d):
            self.down = nn.Conv2d(original.in_channels, rank, 1, bias=False)
            self.up = nn.Conv2d(rank, original.out_channels, 1, bias=False)
        else:
            self.down = nn.Linear(original.in_features, rank, bias=False)
            self.up = nn.Linear(rank, original.out_features, bias=False)
        nn.init.kaiming_uniform_(self.weights[0], a=math.sqrt(5))
        nn.init.zeros_(self.weights[1])
        self.scale = alpha / rank
        self.enabled = True
        self._forward = original.forward
        original.forward = self.forward  # type: ignore[method-assign,assignment]

    @property
    def weights(self) -> tuple[nn.Parameter, nn.Parameter]:
        """(down, up)."""
        down, up = self.down.weight, self.up.weight
        assert isinstance(down, nn.Parameter)
        assert isinstance(up, nn.Parameter)
        return down, up

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self._forward(x)
        return result + self.up(self.down(x)) * self.scale if self.enabled else result


@dataclass(frozen=True, slots=True)
class Network:
    """All layers of one LoRA, by group and Kohya name. Groups: ``text_encoder``,
    ``text_encoder_2``, ``unet``."""

    rank: int
    alpha: float
    groups: dict[str, dict[str, LoraLayer]]

    @property
    def layers(self) -> dict[str, LoraLayer]:
        """All layers by Kohya name, text encoders first."""
        return {name: layer for group in self.groups.values() for name, layer in group.items()}

    def parameters(self, group: str | None = None) -> list[nn.Parameter]:
        """The trained tensors of one group, or of all."""
        layers = self.layers if group is None else self.groups[group]
        return [weight for layer in layers.values() for weight in layer.weights]

    def enable(self, enabled: bool) -> None:
        """Switch the LoRA's effect on or off."""
        for layer in self.layers.values():
            layer.enabled = enabled

    def tensors(self) -> dict[str, Tensor]:
        """The weights by Kohya key: each layer's ``lora_down.weight``, ``lora_up.weight`` and ``alpha``."""
        found: dict[str, Tensor] = {}
        for name, layer in self.layers.items():
            down, up = layer.weights
            found[f"{name}.lora_down.weight"] = down.detach()
            found[f"{name}.lora_up.weight"] = up.detach()
            found[f"{name}.alpha"] = torch.tensor(float(self.alpha))
        return found


def unet_targets(unet: nn.Module, *, sgm: bool) -> dict[str, nn.Linear | nn.Conv2d]:
    """The U-Net's layers that get a LoRA, by Kohya name."""
    per_block = int(getattr(unet, "config", {}).get("layers_per_block", 2))
    return {
        unet_name(name, sgm=sgm, layers_per_block=per_block): layer
        for name, layer in _layers(unet, _UNET_PARENTS)
    }


def text_targets(encoder: nn.Module, prefix: str) -> dict[str, nn.Linear | nn.Conv2d]:
    """A text encoder's layers that get a LoRA, by Kohya name."""
    return {text_encoder_name(name, prefix): layer for name, layer in _layers(encoder, _TEXT_PARENTS)}


def attach(
    targets: dict[str, dict[str, nn.Linear | nn.Conv2d]], rank: int, alpha: float, device: torch.device
) -> Network:
    """A fresh LoRA on the targets of each group, in float32 on ``device``."""
    groups = {
        group: {name: LoraLayer(layer, rank, alpha).to(device) for name, layer in layers.items()}
        for group, layers in targets.items()
    }
    return Network(rank, alpha, groups)


def _layers(root: nn.Module, parents: frozenset[str]) -> Iterator[tuple[str, nn.Linear | nn.Conv2d]]:
    for parent_name, parent in root.named_modules():
        if type(parent).__name__ not in parents:
            continue
        for name, layer in parent.named_modules():
            if isinstance(layer, nn.Linear) or (
                isinstance(layer, nn.Conv2d) and tuple(layer.kernel_size) == (1, 1)
            ):
                yield f"{parent_name}.{name}", layer
