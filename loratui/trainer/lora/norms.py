"""The limit on what a LoRA's layers add to theirs (scale_weight_norms), for all of them together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import torch

from loratui.trainer.lora.lora_layer import LoraLayer
from loratui.trainer.lora.lycoris import LycorisLayer
from loratui.trainer.lora.network import Layer
from loratui.trainer.stacks import chunks


@torch.no_grad()
def limit_norms(layers: Iterable[Layer], most: float) -> None:
    """Shrink both factors of a layer alike until the norm of what it adds is at most ``most``
    (networks/lora.py:1369-1410). Asks its device for no number of a LoRA; other algorithms go by their own
    rule, layer by layer."""
    alike: dict[object, list[LoraLayer]] = defaultdict(list)
    for layer in layers:
        if isinstance(layer, LoraLayer):
            down, up = layer.weights
            alike[down.shape, up.shape, layer.scale, down.dtype, down.device].append(layer)
        elif isinstance(layer, LycorisLayer):
            layer.limit_norm(most)
    for same in alike.values():
        down, up = same[0].weights
        for part in chunks(same, down.numel() + up.numel(), down.device):
            _limit(part, most)


def _limit(layers: Sequence[LoraLayer], most: float) -> None:
    """Of one shape and scale."""
    downs = torch.stack([layer.weights[0] for layer in layers]).flatten(2).float()
    ups = torch.stack([layer.weights[1] for layer in layers]).flatten(2).float()
    # The norm of a product of two thin matrices, without the product: |BA|^2 = sum(B'B * AA').
    squares = ((ups.mT @ ups) * (downs @ downs.mT)).sum((1, 2))
    norms = squares.clamp(min=0).sqrt() * layers[0].scale
    factors = list((most / norms).clamp(max=1).sqrt().unbind())
    for number in range(2):
        torch._foreach_mul_([layer.weights[number] for layer in layers], factors)
