"""LoHa and LoKr of lycoris-lora, computed without the matrix they stand for.

The package builds the whole [out,in] addition of a LoHa in every pass, which costs a gradient as large as the
base layer's, and walks a LoKr through a dozen operators. Here a LoHa is the LoRA that it is of the square of
its rank, and a LoKr reshapes its input; both are one step of autograd with their frozen layer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from loratui.trainer.lora import low_rank
from loratui.trainer.nets.frozen import precision
from loratui.trainer.nets.skinny_matmul import weight_for

_Layer = nn.Linear | nn.Conv2d


def shortened(module: Any, layer: _Layer) -> Any:
    """What stands in for the forward of ``layer`` in place of the package's ``module`` in bypass mode; None
    where nothing is won, or something may be left out at random."""
    if not module.bypass_mode or module.dropout or module.rank_dropout or module.module_dropout:
        return None
    if module.name == "loha" and not module.tucker and not module.wd:
        outer, inner = layer.weight.flatten(1).shape
        if module.lora_dim**2 * (inner + outer) > inner * outer:
            return None
        if low_rank.fits(layer):
            return _Hadamard(module, layer)
        return _HadamardKernel(module, layer) if _is_plain_convolution(layer) else None
    if module.name == "kron" and not module.wd and isinstance(layer, nn.Linear) and low_rank.fits(layer):
        return _Kronecker(module, layer)
    return None


def _is_plain_convolution(layer: _Layer) -> bool:
    if not isinstance(layer, nn.Conv2d):
        return False
    return (layer.groups, layer.padding_mode) == (1, "zeros") and not isinstance(layer.padding, str)


class _Short:
    def __init__(self, module: Any, layer: _Layer) -> None:
        self._module, self._layer = module, layer
        self._forward: Callable[[Tensor], Tensor] = layer.forward

    def __call__(self, x: Tensor) -> Tensor:
        if not self._module.multiplier:
            return self._forward(x)
        return self.both(x, self._module.scale * self._module.multiplier)

    def both(self, x: Tensor, scale: float) -> Tensor:
        """What the frozen layer and the addition make of ``x``."""
        raise NotImplementedError

    def scaled(self, factor: Tensor) -> Tensor:
        """Times the module's own scalar, which is 1 unless it is trained, was loaded, or limits a norm."""
        scalar = self._module.scalar
        return factor * scalar if isinstance(scalar, nn.Parameter) or scalar._version else factor


class _Hadamard(_Short):
    """(A1 B1) ∘ (A2 B2) = A B, where a row of A [out,r²] has all products of a row of A1 and one of A2, a
    column of B [r²,in] those of B1 and B2 (arXiv:2108.06098, proposition 1)."""

    def factors(self) -> tuple[Tensor, Tensor]:
        """A and B."""
        module = self._module
        up = _Rows.apply(self.scaled(module.hada_w1_a), module.hada_w2_a)  # type: ignore[no-untyped-call]
        down = _Rows.apply(module.hada_w1_b.t(), module.hada_w2_b.t()).t()  # type: ignore[no-untyped-call]
        return up, down

    def both(self, x: Tensor, scale: float) -> Tensor:
        up, down = self.factors()
        if isinstance(self._layer, nn.Conv2d):
            up, down = up[:, :, None, None], down[:, :, None, None]
        return low_rank.one(x, low_rank.Part(self._layer, down, up, scale))


class _HadamardKernel(_Hadamard):
    """The same of a convolution: B has its kernel, and A is 1x1."""

    def both(self, x: Tensor, scale: float) -> Tensor:
        up, down = self.factors()
        layer = self._layer
        assert isinstance(layer, nn.Conv2d)
        kernel = down.reshape(-1, layer.in_channels, *layer.kernel_size)
        inner = nn.functional.conv2d(x, kernel, None, layer.stride, layer.padding, layer.dilation)
        result = self._forward(x)
        return torch.add(result, nn.functional.conv2d(inner, up[:, :, None, None]), alpha=scale)


class _Rows(torch.autograd.Function):
    """[n,rs] of [n,r] and [n,s]: the outer products of their rows."""

    @staticmethod
    def forward(ctx: Any, one: Tensor, other: Tensor) -> Tensor:
        ctx.save_for_backward(one, other)
        return torch.bmm(one[:, :, None], other[:, None, :]).flatten(1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        one, other = ctx.saved_tensors
        gradient = gradient.reshape(len(one), one.shape[1], other.shape[1])
        return torch.bmm(gradient, other[:, :, None])[:, :, 0], torch.bmm(one[:, None, :], gradient)[:, 0]


class _Kronecker(_Short):
    """kron(w1, w2) x is w1 X w2ᵀ with x as rows [c,d] (``w1`` [a,c], ``w2`` [b,d])."""

    def both(self, x: Tensor, scale: float) -> Tensor:
        module, layer, dtype = self._module, self._layer, precision(x)
        first = module.lokr_w1 if module.use_w1 else module.lokr_w1_a @ module.lokr_w1_b
        if module.use_w2:
            inner, outer = None, module.lokr_w2
        else:
            inner, outer = module.lokr_w2_b, module.lokr_w2_a
        weight = weight_for(layer, x.numel() // x.shape[-1], dtype)
        given = [x, layer.bias, self.scaled(first), inner, outer]
        given = [one if one is None else one.to(dtype) for one in given]
        given.insert(1, weight)
        result: Tensor = _Linear.apply(*given, scale)  # type: ignore[no-untyped-call]
        return result


class _Linear(torch.autograd.Function):
    """``weight`` [ab,cd]; ``first`` [a,c]; ``inner`` [r,d] and ``outer`` [b,r], or ``outer`` [b,d] alone."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        first: Tensor,
        inner: Tensor | None,
        outer: Tensor,
        scale: float,
    ) -> Tensor:
        flat = x.contiguous().flatten(0, -2)
        rows, (a, c) = len(flat), first.shape
        parts = flat.view(rows * c, -1)
        low = parts if inner is None else parts @ inner.t()
        # [m,a,r or d]: the smaller of the two products first, and the larger one added where it belongs.
        turned = torch.bmm(first.expand(rows, -1, -1), low.view(rows, c, -1))
        result = low_rank.layer_forward(flat, weight, bias)
        result.view(rows * a, -1).addmm_(turned.view(rows * a, -1), outer.t(), alpha=scale)
        ctx.save_for_backward(flat, weight, first, inner, outer, low, turned)
        ctx.scale, ctx.shape = scale, x.shape
        return result.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        flat, weight, first, inner, outer, low, turned = ctx.saved_tensors
        rows, (a, c) = len(flat), first.shape
        gradient = gradient.contiguous().view(rows, -1)
        own = gradient.view(rows * a, -1)
        of_outer = low_rank.scaled_product(own.t(), turned.view(rows * a, -1), ctx.scale)
        of_turned = low_rank.scaled_product(own, outer, ctx.scale).view(rows, a, -1)
        of_first = torch.bmm(of_turned, low.view(rows, c, -1).mT).sum(0)
        of_low = torch.bmm(first.t().expand(rows, -1, -1), of_turned).view(rows * c, -1)
        of_inner = None if inner is None else of_low.t() @ flat.view(rows * c, -1)
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = low_rank.layer_backward(gradient, weight)
            if inner is None:
                of_x += of_low.view(of_x.shape)
            else:
                of_x.view(rows * c, -1).addmm_(of_low, inner)
            of_x = of_x.view(ctx.shape)
        return of_x, None, None, of_first, of_inner, of_outer, None
