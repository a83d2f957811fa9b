"""Copies of a LoRA's weights in autocast's 16 bits, made together before a pass.

Left to itself every layer casts its own two weights forward and their gradients backward: four kernels for
each layer and pass, where all together take a few. The values are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from loratui.trainer.lora.lora_layer import LoraLayer


class HalfCopies:
    """Of the weights of layers that are computed as one with their frozen layer."""

    def __init__(self, layers: Sequence[LoraLayer], dtype: torch.dtype) -> None:
        """``layers`` keep their weights in one wider precision, and hold those that they will hold."""
        self._layers = layers
        self._weights: list[Tensor] = [weight for layer in layers for weight in layer.weights]
        self._copies = [
            torch.empty_like(weight, dtype=dtype).requires_grad_(weight.requires_grad)
            for weight in self._weights
        ]

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Inside, the layers compute with copies of what their weights are now; go backward in here too, as
        checkpointed blocks are computed again there. Afterwards the weights have their gradients."""
        with torch.no_grad():
            torch._foreach_copy_(self._copies, self._weights)
        pairs = zip(self._copies[::2], self._copies[1::2], strict=True)
        for layer, pair in zip(self._layers, pairs, strict=True):
            layer.copies = pair
        try:
            yield
            self._collect()
        finally:
            for layer in self._layers:
                layer.copies = None
            for copy in self._copies:
                copy.grad = None

    def _collect(self) -> None:
        found = [
            (weight, copy.grad)
            for weight, copy in zip(self._weights, self._copies, strict=True)
            if copy.grad is not None
        ]
        if not found:
            return
        wide = torch.cat([gradient.flatten() for _, gradient in found]).to(found[0][0].dtype)
        parts = torch.split(wide, [gradient.numel() for _, gradient in found])
        for (weight, _), part in zip(found, parts, strict=True):
            if weight.grad is None:
                weight.grad = part.view(weight.shape)
            else:
                weight.grad += part.view(weight.shape)
