"""Frozen layers and their LoRA as one step of autograd.

Autograd on its own walks through a dozen small operators for each layer, adds the gradients of its input in
passes of their own, and makes weight gradients for each sample before it sums them. Here every product goes
where it is wanted at once. All compute in autocast's precision where that is on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from loratui.trainer.nets.frozen import Conv2d, Linear, precision
from loratui.trainer.nets.skinny_matmul import goes_in_blocks, product, product_back, weight_for


class Part(NamedTuple):
    """One layer, its LoRA, and how much that counts."""

    layer: nn.Linear | nn.Conv2d
    down: Tensor
    """[r,in], of a convolution [r,in,1,1]."""
    up: Tensor
    """[out,r], or [out,r,1,1]."""
    scale: float


def fits(layer: nn.Linear | nn.Conv2d) -> bool:
    """Whether a layer is linear or a plain 1x1 convolution, computes as torch's own does, and keeps its
    frozen weights as they are."""
    if "forward" in vars(layer) or any(weight.requires_grad for weight in layer.parameters()):
        return False
    if type(layer) in (nn.Conv2d, Conv2d):
        assert isinstance(layer, nn.Conv2d)
        sizes = (layer.kernel_size, layer.stride, layer.padding, layer.groups)
        return sizes == ((1, 1), (1, 1), (0, 0), 1)
    return type(layer) in (nn.Linear, Linear)


def one(x: Tensor, part: Part) -> Tensor:
    """``layer(x) + up(down(x)) * scale``: [...,out] from [...,in], or [B,out,h,w] from [B,in,h,w]."""
    dtype = precision(x)
    layer, down, up, scale = part
    linear = isinstance(layer, nn.Linear)
    rows = x.numel() // x.shape[-1 if linear else 1]
    given = [x, layer.bias, down, up]
    given = [one if one is None or one.dtype == dtype else one.to(dtype) for one in given]
    given.insert(1, weight_for(layer, rows, dtype))
    function = _Linear if linear else _Pointwise
    found: Tensor = function.apply(*given, scale)  # type: ignore[no-untyped-call]
    return found


def joined(x: Tensor, parts: Sequence[Part]) -> Sequence[Tensor]:
    """The same [...,out] of each of several linear layers that share their input [...,in]. The LoRAs' downs
    are one product."""
    dtype, rows = precision(x), x.numel() // x.shape[-1]
    tensors: list[Tensor | None] = []
    for part in parts:
        rest = (part.layer.bias, part.down, part.up)
        tensors.append(weight_for(part.layer, rows, dtype))
        tensors += [one if one is None or one.dtype == dtype else one.to(dtype) for one in rest]
    scales = [part.scale for part in parts]
    found: Sequence[Tensor] = _Joined.apply(x.to(dtype), scales, *tensors)  # type: ignore[no-untyped-call]
    return found


def layer_forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The frozen layer alone: [m,out] from ``x`` [m,in]."""
    if goes_in_blocks(weight, len(x), x.dtype):
        return product(x, weight, bias)
    return functional.linear(x, weight, bias)


def layer_backward(gradient: Tensor, weight: Tensor) -> Tensor:
    """[m,in] from its ``gradient`` [m,out]."""
    if goes_in_blocks(weight, len(gradient), gradient.dtype):
        return product_back(gradient, weight)
    return gradient @ weight


def _places_through(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The same of a 1x1 convolution: [B,out,h,w] from ``x`` [B,in,h,w]."""
    rows = len(x) * x.shape[2] * x.shape[3]
    if not goes_in_blocks(weight, rows, x.dtype):
        return functional.conv2d(x, weight, bias)
    found = product(x.permute(0, 2, 3, 1).flatten(0, 2), weight.flatten(1), bias)
    return found.view(len(x), *x.shape[2:], -1).permute(0, 3, 1, 2).contiguous()


def _places_back(gradient: Tensor, weight: Tensor) -> Tensor:
    """[B,in,hw] from its ``gradient`` [B,out,hw]; ``weight`` [out,in]."""
    if not goes_in_blocks(weight, len(gradient) * gradient.shape[2], gradient.dtype):
        return weight.t() @ gradient
    found = product_back(gradient.mT.flatten(0, 1), weight)
    return found.view(len(gradient), -1, weight.shape[1]).mT.contiguous()


def scaled_product(left: Tensor, right: Tensor, scale: float, out: Tensor | None = None) -> Tensor:
    """``left @ right * scale`` in one pass."""
    if out is None:
        out = left.new_empty(len(left), right.shape[1])
    return torch.addmm(out, left, right, beta=0, alpha=scale, out=out)


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, down: Tensor, up: Tensor, scale: float
    ) -> Tensor:
        flat = x.flatten(0, -2)
        inner = flat @ down.t()
        result = layer_forward(flat, weight, bias).addmm_(inner, up.t(), alpha=scale)
        ctx.save_for_backward(flat, weight, down, up, inner)
        ctx.scale, ctx.shape = scale, x.shape
        return result.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, down, up, inner = ctx.saved_tensors
        gradient = gradient.flatten(0, -2)
        through = scaled_product(gradient, up, ctx.scale)
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = layer_backward(gradient, weight).addmm_(through, down).view(ctx.shape)
        return of_x, None, None, through.t() @ x, scaled_product(gradient.t(), inner, ctx.scale), None


class _Joined(torch.autograd.Function):
    """Of each layer four tensors are given: its weight and bias, and its LoRA's down and up."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scales: list[float], *tensors: Any) -> tuple[Tensor, ...]:
        weights, biases, downs, ups = (tensors[first::4] for first in range(4))
        flat, down = x.flatten(0, -2), torch.cat(downs)
        ranks = [len(own) for own in downs]
        inner = flat @ down.t()
        results = []
        parts = zip(weights, biases, ups, torch.split(inner, ranks, 1), scales, strict=True)
        for weight, bias, up, own, scale in parts:
            result = layer_forward(flat, weight, bias).addmm_(own, up.t(), alpha=scale)
            results.append(result.view(*x.shape[:-1], -1))
        ctx.save_for_backward(flat, down, inner, *weights, *ups)
        ctx.scales, ctx.ranks, ctx.shape = scales, ranks, x.shape
        return tuple(results)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        x, down, inner, *rest = ctx.saved_tensors
        count, ranks = len(gradients), ctx.ranks
        weights, ups = rest[:count], rest[count:]
        flat = [gradient.flatten(0, -2) for gradient in gradients]
        through = torch.empty_like(inner)
        of_ups = []
        halves = torch.split(through, ranks, 1), torch.split(inner, ranks, 1)
        parts = zip(flat, ups, *halves, ctx.scales, strict=True)
        for gradient, up, place, own, scale in parts:
            scaled_product(gradient, up, scale, place)
            of_ups.append(scaled_product(gradient.t(), own, scale))
        of_downs = torch.split(through.t() @ x, ranks)
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = layer_backward(flat[0], weights[0])
            for gradient, weight in zip(flat[1:], weights[1:], strict=True):
                if goes_in_blocks(weight, len(gradient), gradient.dtype):
                    of_x += product_back(gradient, weight)
                else:
                    of_x.addmm_(gradient, weight)
            of_x = of_x.addmm_(through, down).view(ctx.shape)
        found = [item for pair in zip(of_downs, of_ups, strict=True) for item in (None, None, *pair)]
        return of_x, None, *found


class _Pointwise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, down: Tensor, up: Tensor, scale: float
    ) -> Tensor:
        down, up = down.flatten(1), up.flatten(1)
        flat = x.flatten(2)
        inner = down @ flat
        result = _places_through(x, weight, bias)
        result.view(*result.shape[:2], -1).baddbmm_(up.expand(len(x), -1, -1), inner, alpha=scale)
        ctx.save_for_backward(flat, weight, down, up, inner)
        ctx.scale, ctx.shape = scale, x.shape
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, down, up, inner = ctx.saved_tensors
        gradient = gradient.flatten(2)
        through = (up.t() * ctx.scale) @ gradient
        of_down = (through @ x.mT).sum(0)
        of_up = (gradient @ inner.mT).sum(0).mul_(ctx.scale)
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = _places_back(gradient, weight.flatten(1))
            of_x = of_x.baddbmm_(down.t().expand(len(x), -1, -1), through).view(ctx.shape)
        return of_x, None, None, of_down[:, :, None, None], of_up[:, :, None, None], None
