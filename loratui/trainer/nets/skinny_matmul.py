"""Products of few rows with a large weight, on a CPU in float32.

Such a product costs what it takes to read its weight once, and reading it is cheaper as the file has it: a
weight in half the bits is widened block by block, just before it is used and while it is in the cache. What a
training at small sizes mostly does, it does without a wide copy of its base model: half the memory, and none
of the time in which the system makes its pages. With more rows the same weight is widened once and for all.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

FEW = 16
"""Rows. Up to here blocks take no longer than the whole weight in float32 (benchmarks/README.md)."""
_LARGE = 1 << 20
"""Values of a weight for which a few calls more do not matter."""
_BLOCK = 1 << 18
"""Values that are widened at a time, by each thread: in float32 a mebibyte, as a core's own cache."""
_LEAST = 64
"""Rows of a block, below which the matrix kernels are slow."""
_HALF = (torch.float16, torch.bfloat16)


def can_wait(weight: Tensor, dtype: torch.dtype) -> bool:
    """Whether a frozen weight may stay as it is stored until a product in ``dtype`` needs it otherwise."""
    return (
        dtype == torch.float32
        and weight.dtype in _HALF
        and weight.device.type == "cpu"
        and weight.dim() > 1
        and weight.numel() >= _LARGE
    )


def goes_in_blocks(weight: Tensor, rows: int, dtype: torch.dtype) -> bool:
    """Whether a product of so many rows, in ``dtype``, is one for ``product``. It hangs on nothing that
    changes while a training goes on, so that a resumed one computes the same."""
    return (
        rows <= FEW
        and dtype == torch.float32
        and weight.numel() >= _LARGE
        and weight.device.type == "cpu"
        and (weight.dtype == dtype or weight.dtype in _HALF)
    )


def weight_for(layer: nn.Linear | nn.Conv2d, rows: int, dtype: torch.dtype) -> Tensor:
    """A frozen layer's weight for a product of so many rows in ``dtype``: as it is stored where ``product``
    takes it so. One that waited until now is widened for good, unless the layer is ``brief``."""
    weight = layer.weight
    if weight.dtype == dtype or goes_in_blocks(weight, rows, dtype):
        return weight
    if can_wait(weight, dtype) and not weight.requires_grad:
        if getattr(layer, "brief", False):
            return weight
        weight.data = weight.data.to(dtype)
        return weight
    return weight.to(dtype)


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """[m,out] from ``x`` [m,in]: ``x @ weight.T + bias``. The same to the last bit whatever the weight
    [out,in] is stored in."""
    found = x.new_empty(len(x), len(weight))
    for first, block in _blocks(weight, x.dtype):
        place = found[:, first : first + len(block)]
        if bias is None:
            place.copy_(x @ block.t())
        else:
            place.copy_(torch.addmm(bias[first : first + len(block)], x, block.t()))
    return found


def product_back(gradient: Tensor, weight: Tensor) -> Tensor:
    """[m,in] from ``gradient`` [m,out]: ``gradient @ weight``."""
    found: Tensor | None = None
    for first, block in _blocks(weight, gradient.dtype):
        part = gradient[:, first : first + len(block)]
        found = part @ block if found is None else found.addmm_(part, block)
    assert found is not None
    return found


def _blocks(weight: Tensor, dtype: torch.dtype) -> Iterator[tuple[int, Tensor]]:
    """Rows of a weight, widened, and the number of the first. Each lies where the last one did."""
    rows, width = weight.shape
    each = min(rows, max(_LEAST, _BLOCK // width) * torch.get_num_threads())
    place = None if weight.dtype == dtype else weight.new_empty(each, width, dtype=dtype)
    for first in range(0, rows, each):
        block = weight[first : first + each]
        yield first, block if place is None else place[: len(block)].copy_(block)
