"""Frozen layers that keep their weights in fewer bits than they compute in.

A layer unpacks its weight for as long as it computes, forward and backward alike: autograd would otherwise
keep every unpacked weight until the backward pass, and with it the memory that was to be saved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.grad import conv2d_input

FLOAT8 = torch.float8_e4m3fn
"""The format of sd-scripts' fp8_base (train_network.py:835): 4 bits of exponent, 3 of mantissa, no scale."""
_BLOCK = 64
"""Weights that share a scale (arXiv:2305.14314, section 3)."""

_Layer = nn.Linear | nn.Conv2d
_NORMS = (nn.GroupNorm, nn.LayerNorm)


def pack_float8(part: nn.Module, dtype: torch.dtype, device: torch.device) -> None:
    """Cast all weights and biases of a frozen part to float8, but for embeddings. Layers compute in
    ``dtype``, norms in float32, as under torch's CUDA autocast.

    Call it before a LoRA takes over the layers' forward.
    """
    for layer in part.modules():
        if not isinstance(layer, (nn.Linear, nn.Conv2d, *_NORMS)):
            continue
        layer.to(device)
        for weight in layer.parameters(recurse=False):
            weight.data = weight.data.to(FLOAT8)
        if isinstance(layer, nn.Linear | nn.Conv2d):
            _unpack_for(_Packed(layer, dtype))
        else:
            layer.forward = _Norm(layer)  # type: ignore[method-assign,assignment]


def pack_4bit(unet: nn.Module, dtype: torch.dtype, device: torch.device) -> None:
    """Keep the linear layers and convolutions of a U-Net's blocks as 4-bit NormalFloat, with their scales
    packed too (arXiv:2305.14314); all else, a hundredth of the weights, in ``dtype``.

    Needs the package bitsandbytes. Call it before a LoRA takes over the layers' forward.
    """
    from bitsandbytes.functional import quantize_4bit

    for name, layer in unet.named_modules():
        if isinstance(layer, nn.Linear | nn.Conv2d) and "_block" in name:
            layer.to(device)
            # As a matrix: of odd rows, as kernels have, bitsandbytes makes much ado on a CPU.
            weight = layer.weight.data.flatten(1)
            packed, scales = quantize_4bit(
                weight, blocksize=_BLOCK, quant_type="nf4", compress_statistics=True
            )
            scales.dtype = dtype
            shape = layer.weight.shape
            layer.weight = nn.Parameter(packed, requires_grad=False)
            _unpack_for(_Packed(layer, dtype, shape, scales))
    for tensor in unet.parameters():
        if tensor.is_floating_point():
            tensor.data = tensor.data.to(dtype)


def weight_bytes(part: nn.Module) -> int:
    """What all weights of a part take as they are kept; with the scales of 4-bit ones."""
    total = sum(tensor.numel() * tensor.element_size() for tensor in part.parameters())
    for layer in part.modules():
        forward = getattr(layer, "forward", None)
        if isinstance(forward, _Unpacking) and forward.packed.scales is not None:
            total += _scale_bytes(forward.packed.scales)
    return total


def round_to_float8(tensor: Tensor) -> Tensor:
    """What is left of a tensor after float8."""
    return tensor.to(FLOAT8).to(tensor.dtype)


def _scale_bytes(scales: Any) -> int:
    kept = [scales.absmax] + ([scales.state2.absmax] if scales.nested else [])
    return sum(tensor.numel() * tensor.element_size() for tensor in kept)


@dataclass(frozen=True, slots=True)
class _Packed:
    """A layer with a weight that is kept otherwise than it is used."""

    layer: _Layer
    dtype: torch.dtype
    """It computes in."""
    shape: torch.Size | None = None
    """Of a 4-bit weight."""
    scales: Any = None

    def weight(self) -> Tensor:
        if self.shape is None:
            return self.layer.weight.to(self.dtype)
        from bitsandbytes.functional import dequantize_4bit

        weight: Tensor = dequantize_4bit(self.layer.weight.data, self.scales)
        return weight.view(self.shape)

    def bias(self) -> Tensor | None:
        return None if self.layer.bias is None else self.layer.bias.to(self.dtype)


class _Unpacking:
    """Stands in for the forward of a packed layer."""

    def __init__(self, packed: _Packed) -> None:
        self.packed = packed

    def __call__(self, x: Tensor) -> Tensor:
        function = _Linear if isinstance(self.packed.layer, nn.Linear) else _Convolution
        result: Tensor = function.apply(x, self.packed)  # type: ignore[no-untyped-call]
        return result


def _unpack_for(packed: _Packed) -> None:
    packed.layer.forward = _Unpacking(packed)  # type: ignore[method-assign,assignment]


class _Linear(torch.autograd.Function):
    """A linear layer that keeps nothing for its backward pass but where its weight lies."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, packed: _Packed) -> Tensor:
        ctx.packed, ctx.dtype = packed, x.dtype
        result = functional.linear(x.to(packed.dtype).flatten(0, -2), packed.weight(), packed.bias())
        # An ordinary view made in here could not be written into, which a LoRA does.
        shaped: Tensor = torch.ops.aten._unsafe_view(result, [*x.shape[:-1], result.shape[-1]])
        return shaped

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        gradient = gradients[0].to(ctx.packed.dtype)
        return (gradient @ ctx.packed.weight()).to(ctx.dtype), None


class _Convolution(torch.autograd.Function):
    """A convolution that does the same."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, packed: _Packed) -> Tensor:
        ctx.packed, ctx.dtype, ctx.shape = packed, x.dtype, x.shape
        layer = packed.layer
        assert isinstance(layer, nn.Conv2d)
        result: Tensor = layer._conv_forward(x.to(packed.dtype), packed.weight(), packed.bias())
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        layer = ctx.packed.layer
        gradient: Tensor = conv2d_input(  # type: ignore[no-untyped-call]
            ctx.shape,
            ctx.packed.weight(),
            gradients[0].to(ctx.packed.dtype),
            layer.stride,
            layer.padding,
            layer.dilation,
            layer.groups,
        )
        return gradient.to(ctx.dtype), None


class _Norm:
    """Computes in float32, whatever comes in and whatever its weights are kept in."""

    def __init__(self, norm: nn.Module) -> None:
        self._norm: Any = norm

    def __call__(self, x: Tensor) -> Tensor:
        norm = self._norm
        weight, bias = (None if tensor is None else tensor.float() for tensor in (norm.weight, norm.bias))
        if isinstance(norm, nn.GroupNorm):
            return functional.group_norm(x.float(), norm.num_groups, weight, bias, norm.eps)
        return functional.layer_norm(x.float(), norm.normalized_shape, weight, bias, norm.eps)
