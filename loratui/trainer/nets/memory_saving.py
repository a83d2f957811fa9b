"""Steps of a frozen network that keep no more for their backward pass than they need.

Autograd keeps what lies between a norm, an activation and a product. Here the inputs alone are kept, and what
follows from them is worked out again. The numbers are autograd's own, to the last bit.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

_aten = torch.ops.aten


def _frozen(layer: nn.Module) -> bool:
    """Whether it has no weight to learn, and computes as torch's own."""
    return "forward" not in vars(layer) and not any(weight.requires_grad for weight in layer.parameters())


def norm_silu(norm: nn.GroupNorm, x: Tensor) -> Tensor:
    """[B,C,h,w]: ``silu(norm(x))``. Under CUDA's autocast in float32, as torch has norms there."""
    if not (torch.is_grad_enabled() and x.requires_grad and _frozen(norm)):
        return functional.silu(norm(x))
    found: Tensor = _NormSilu.apply(  # type: ignore[no-untyped-call]
        x, norm.weight, norm.bias, norm.num_groups, norm.eps, norm_precision(x)
    )
    return found


def norm_precision(x: Tensor) -> torch.dtype:
    """What a norm computes in."""
    return torch.float32 if x.is_cuda and torch.is_autocast_enabled("cuda") else x.dtype


class _NormSilu(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float, dtype: torch.dtype
    ) -> Tensor:
        ctx.save_for_backward(x, weight, bias)
        ctx.settings = groups, eps, dtype
        normed, _, _ = _normed(x.to(dtype), weight, bias, groups, eps)
        return functional.silu(normed)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        x, weight, bias = ctx.saved_tensors
        groups, eps, dtype = ctx.settings
        wide = x.to(dtype)
        normed, mean, spread = _normed(wide, weight, bias, groups, eps)
        gradient = _aten.silu_backward(gradient, normed)
        batch, channels = x.shape[:2]
        found = _aten.native_group_norm_backward(
            gradient,
            wide,
            mean,
            spread,
            weight.to(dtype),
            batch,
            channels,
            x[0, 0].numel(),
            groups,
            (True, False, False),
        )
        return found[0].to(x.dtype), None, None, None, None, None


def _normed(
    x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The norm, and each group's mean and reciprocal deviation."""
    batch, channels = x.shape[:2]
    weight, bias = weight.to(x.dtype), bias.to(x.dtype)
    found: tuple[Tensor, Tensor, Tensor] = torch.native_group_norm(
        x.contiguous(), weight, bias, batch, channels, x[0, 0].numel(), groups, eps
    )
    return found


def gated(x: Tensor) -> Tensor:
    """[...,C] from [...,2C]: the first half times the GELU of the second."""
    if torch.is_grad_enabled() and x.requires_grad:
        found: Tensor = _Gated.apply(x)  # type: ignore[no-untyped-call]
        return found
    value, gate = x.chunk(2, dim=-1)
    return value * functional.gelu(gate)


class _Gated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        value, gate = x.chunk(2, dim=-1)
        return functional.gelu(gate).mul_(value)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        value, gate = x.chunk(2, dim=-1)
        of_x = torch.empty_like(x)
        of_value, of_gate = of_x.chunk(2, dim=-1)
        torch.mul(gradient, functional.gelu(gate), out=of_value)
        _aten.gelu_backward.grad_input(gradient * value, gate, grad_input=of_gate)
        return of_x
