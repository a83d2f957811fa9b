"""LoRA: low-rank additions to frozen layers (arXiv:2106.09685), in Kohya's form."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from loratui.trainer.names import text_encoder_name, unet_name

_UNET_PARENTS = frozenset({"Transformer2DModel"})
_UNET_CONVOLUTION_PARENTS = frozenset({"ResnetBlock2D", "Downsample2D", "Upsample2D"})
_TEXT_PARENTS = frozenset({"CLIPAttention", "CLIPSdpaAttention", "CLIPMLP"})
"""Classes whose layers get a LoRA (sd-scripts networks/lora.py:867-875)."""


@dataclass(frozen=True, slots=True)
class Dropout:
    """What is left out at random while training (networks/lora.py:88-120); 0 is nothing."""

    neurons: float = 0.0
    """network_dropout: the share of the inner values."""
    ranks: float = 0.0
    """rank_dropout: the share of ranks, for each sample; the rest is scaled up in its place."""
    modules: float = 0.0
    """module_dropout: the chance that a whole layer stays as it was."""


class LoraLayer(nn.Module):
    """``original(x) + up(down(x)) * alpha / rank``, in place of one linear layer or convolution.

    Of a convolution, ``down`` has its kernel, stride and padding, and ``up`` is 1x1. ``down`` starts as
    Kaiming-uniform with a = sqrt(5), ``up`` as zeros, so a fresh LoRA changes nothing
    (networks/lora.py:30-110).
    """

    def __init__(
        self, original: nn.Linear | nn.Conv2d, rank: int, alpha: float, dropout: Dropout | None = None
    ) -> None:
        super().__init__()
        self.down: nn.Module
        self.up: nn.Module
        if isinstance(original, nn.Conv2d):
            self.down = nn.Conv2d(
                original.in_channels,
                rank,
                original.kernel_size,  # type: ignore[arg-type]
                original.stride,  # type: ignore[arg-type]
                original.padding,  # type: ignore[arg-type]
                bias=False,
            )
            self.up = nn.Conv2d(rank, original.out_channels, 1, bias=False)
        else:
            self.down = nn.Linear(original.in_features, rank, bias=False)
            self.up = nn.Linear(rank, original.out_features, bias=False)
        nn.init.kaiming_uniform_(self.weights[0], a=math.sqrt(5))
        nn.init.zeros_(self.weights[1])
        self.alpha = alpha
        self.scale = alpha / rank
        self.dropout = dropout or Dropout()
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
        if not self.enabled:
            return result
        # Without gradients, as when a sample is drawn, nothing is left out.
        if self.dropout != Dropout() and torch.is_grad_enabled():
            return result + self._with_dropout(x)
        added: Tensor = self.up(self.down(x)) * self.scale
        return result + added

    def _with_dropout(self, x: Tensor) -> Tensor | float:
        if self.dropout.modules and float(torch.rand(1)) < self.dropout.modules:
            return 0.0
        inner = self.down(x)
        if self.dropout.neurons:
            inner = nn.functional.dropout(inner, self.dropout.neurons)
        scale = self.scale
        if self.dropout.ranks:
            shape = [len(inner)] + [1] * (inner.dim() - 1)
            shape[1 if isinstance(self.down, nn.Conv2d) else -1] = len(self.weights[0])
            inner = inner * (torch.rand(shape, device=inner.device) > self.dropout.ranks)
            scale /= 1 - self.dropout.ranks
        added: Tensor = self.up(inner) * scale
        return added

    @torch.no_grad()
    def limit_norm(self, most: float) -> bool:
        """Shrink both factors alike until the norm of what the layer adds is at most ``most``
        (networks/lora.py:1369-1410). Whether it was above."""
        down, up = self.weights
        norm = float((up.flatten(1) @ down.flatten(1)).norm()) * self.scale
        if norm <= most:
            return False
        for weight in (down, up):
            weight.mul_(math.sqrt(most / norm))
        return True


@dataclass(frozen=True, slots=True)
class Network:
    """All layers of one LoRA, by group and Kohya name. Groups: ``text_encoder``,
    ``text_encoder_2``, ``unet``."""

    rank: int
    alpha: float
    """Of linear layers and 1x1 convolutions; the others have their own (LoCon)."""
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
            found[f"{name}.alpha"] = torch.tensor(float(layer.alpha))
        return found


def unet_targets(
    unet: nn.Module, *, sgm: bool, convolutions: bool = False
) -> dict[str, nn.Linear | nn.Conv2d]:
    """The U-Net's layers that get a LoRA, by Kohya name: those of its attention, and with ``convolutions``
    (LoCon) those of its residual blocks and samplers."""
    per_block = int(getattr(unet, "config", {}).get("layers_per_block", 2))
    parents = _UNET_PARENTS | _UNET_CONVOLUTION_PARENTS if convolutions else _UNET_PARENTS
    return {
        unet_name(name, sgm=sgm, layers_per_block=per_block): layer
        for name, layer in _layers(unet, parents, convolutions)
    }


def text_targets(encoder: nn.Module, prefix: str) -> dict[str, nn.Linear | nn.Conv2d]:
    """A text encoder's layers that get a LoRA, by Kohya name."""
    return {text_encoder_name(name, prefix): layer for name, layer in _layers(encoder, _TEXT_PARENTS, False)}


def attach(
    targets: dict[str, dict[str, nn.Linear | nn.Conv2d]],
    rank: int,
    alpha: float,
    device: torch.device,
    convolution: tuple[int, float] | None = None,
    dropout: Dropout | None = None,
) -> Network:
    """A fresh LoRA on the targets of each group, in float32 on ``device``. ``convolution`` is (rank, alpha)
    of kernels larger than 1x1."""

    def fresh(layer: nn.Linear | nn.Conv2d) -> LoraLayer:
        own = (rank, alpha) if convolution is None or _is_pointwise(layer) else convolution
        return LoraLayer(layer, *own, dropout).to(device)

    groups = {
        group: {name: fresh(layer) for name, layer in layers.items()} for group, layers in targets.items()
    }
    return Network(rank, alpha, groups)


def _layers(
    root: nn.Module, parents: frozenset[str], convolutions: bool
) -> Iterator[tuple[str, nn.Linear | nn.Conv2d]]:
    for parent_name, parent in root.named_modules():
        if type(parent).__name__ not in parents:
            continue
        for name, layer in parent.named_modules():
            if isinstance(layer, nn.Linear | nn.Conv2d) and (convolutions or _is_pointwise(layer)):
                yield f"{parent_name}.{name}", layer


def _is_pointwise(layer: nn.Linear | nn.Conv2d) -> bool:
    return isinstance(layer, nn.Linear) or tuple(layer.kernel_size) == (1, 1)
