"""Linear layers and convolutions with weights that are not trained."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from loratui.trainer.nets.skinny_matmul import FEW, goes_in_blocks, product, product_back, weight_for

_aten = torch.ops.aten


def precision(x: Tensor) -> torch.dtype:
    """What a product of ``x`` computes in: autocast's where that is on."""
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype


class Linear(nn.Linear):
    """A linear layer that, while it is frozen, may have its weight as a file stores it."""

    brief = False
    """Whether it serves for too short a time for its weight to be widened for good."""

    def forward(self, input: Tensor) -> Tensor:
        if self.weight.requires_grad:
            return super().forward(input)
        rows, dtype = input.numel() // self.in_features, precision(input)
        weight = weight_for(self, rows, dtype)
        if weight.dtype == dtype and not goes_in_blocks(weight, rows, dtype):
            return functional.linear(input, weight, self.bias)
        found: Tensor = _Few.apply(input, weight, self.bias)  # type: ignore[no-untyped-call]
        return found


class _Few(torch.autograd.Function):
    """A linear layer whose weight is read in blocks."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.shape = x.shape
        found = product(x.flatten(0, -2), weight, bias)
        # An ordinary view made in here could not be written into, which a LoRA does.
        shaped: Tensor = _aten._unsafe_view(found, [*x.shape[:-1], len(weight)])
        return shaped

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (weight,) = ctx.saved_tensors
        return product_back(gradient.flatten(0, -2), weight).view(ctx.shape), None, None


class Conv2d(nn.Conv2d):
    """A convolution that, while it is frozen, keeps its weight alone for the backward pass, where autograd
    keeps its input too, and may have it as a file stores it."""

    def forward(self, input: Tensor) -> Tensor:
        if self.weight.requires_grad:
            return super().forward(input)
        dtype, rows = precision(input), self._rows(input)
        weight = weight_for(self, rows, dtype)
        if not torch.is_grad_enabled() and not goes_in_blocks(weight, rows, dtype):
            plain: Tensor = self._conv_forward(input, weight, self.bias)
            return plain
        bias = None if self.bias is None else self.bias.to(dtype)
        places = (self.stride, self.padding, self.dilation, self.groups)
        function = _FewPlaces if goes_in_blocks(weight, rows, dtype) else _Convolution
        found: Tensor = function.apply(input.to(dtype), weight, bias, places)  # type: ignore[no-untyped-call]
        return found

    def _rows(self, x: Tensor) -> int:
        """Places that come out, of the whole batch; more than few where it would be another product."""
        if self.groups > 1 or isinstance(self.padding, str) or self.padding_mode != "zeros":
            return FEW + 1
        height, width = _sides(x.shape, self.kernel_size, self.stride, self.padding, self.dilation)
        return len(x) * height * width


def _sides(shape: torch.Size, *sizes: Any) -> list[int]:
    """Height and width of what a convolution makes of [B,C,h,w]; ``sizes`` are those of its kernel, stride,
    padding and dilation."""
    return [
        (side + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
        for side, kernel, stride, padding, dilation in zip(shape[2:], *sizes, strict=True)
    ]


class _FewPlaces(torch.autograd.Function):
    """A convolution of which few places come out: torch's own goes through most of its weight for nothing
    then, forward twice and backward four times as long as a plain product."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, places: Any) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.places, ctx.shape = places, x.shape
        stride, padding, dilation, _ = places
        rows = functional.unfold(x, weight.shape[2:], dilation, padding, stride).mT.flatten(0, 1)
        sides = _sides(x.shape, weight.shape[2:], stride, padding, dilation)
        found = product(rows, weight.flatten(1), bias).view(len(x), -1, len(weight)).mT.contiguous()
        shaped: Tensor = _aten._unsafe_view(found, [*found.shape[:2], *sides])
        return shaped

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        (weight,) = ctx.saved_tensors
        stride, padding, dilation, _ = ctx.places
        rows = gradient.flatten(2).mT.flatten(0, 1)
        found = product_back(rows, weight.flatten(1))
        found = found.view(len(gradient), -1, found.shape[1]).mT
        found = functional.fold(found, ctx.shape[2:], weight.shape[2:], dilation, padding, stride)
        return found, None, None, None


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, places: Any) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.places, ctx.shape = places, x.shape
        return functional.conv2d(x, weight, bias, *places)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        (weight,) = ctx.saved_tensors
        stride, padding, dilation, groups = ctx.places
        # The gradient of the input hangs on its shape alone.
        x = gradient.new_empty(1).expand(ctx.shape)
        found = _aten.convolution_backward(
            gradient, x, weight, None, stride, padding, dilation, False, (0, 0), groups, (True, False, False)
        )
        return found[0], None, None, None
