"""What keeps little for its backward pass computes what torch's own steps do, to the last bit."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional

from loratui.trainer.nets import memory_saving
from loratui.trainer.nets.frozen import Conv2d


def gated_by_torch(x: Tensor) -> Tensor:
    value, gate = x.chunk(2, dim=-1)
    return value * functional.gelu(gate)


CONVOLUTION = nn.Conv2d(8, 6, 3, padding=1).requires_grad_(False)
HALVING = nn.Conv2d(8, 8, 3, stride=2, bias=False).requires_grad_(False)
NORM = nn.GroupNorm(4, 8).requires_grad_(False)
PLACES, TOKENS = (2, 8, 9, 7), (2, 5, 16)


def own(layer: nn.Conv2d) -> Conv2d:
    made = Conv2d(layer.in_channels, layer.out_channels, 3, layer.stride, layer.padding)  # type: ignore[arg-type]
    made.weight, made.bias = layer.weight, layer.bias
    return made


@pytest.mark.parametrize(
    ("shape", "ours", "torchs"),
    [
        (PLACES, own(CONVOLUTION), CONVOLUTION),
        (PLACES, own(HALVING), HALVING),
        (PLACES, lambda x: memory_saving.norm_silu(NORM, x), lambda x: functional.silu(NORM(x))),
        (TOKENS, memory_saving.gated, gated_by_torch),
    ],
)
def test_the_same_numbers_and_less_is_kept(
    shape: tuple[int, ...], ours: Callable[[Tensor], Tensor], torchs: Callable[[Tensor], Tensor]
) -> None:
    x = torch.randn(shape, requires_grad=True)
    kept: dict[bool, int] = {}

    def passed(function: Callable[[Tensor], Tensor], mine: bool) -> tuple[Tensor, Tensor]:
        seen: dict[int, int] = {}

        def keep(tensor: Tensor) -> Tensor:
            seen[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with saved_tensors_hooks(keep, lambda tensor: tensor):
            result = function(x)
        kept[mine] = sum(seen.values())
        return result.detach(), torch.autograd.grad(result, x, torch.ones_like(result).cumsum(-1))[0]

    found, wanted = passed(ours, True), passed(torchs, False)
    assert all(map(torch.equal, found, wanted))
    assert kept[True] < kept[False]
    with torch.no_grad():
        assert torch.equal(ours(x), wanted[0])


def test_a_norm_may_compute_in_more_than_its_weights_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """As under CUDA's autocast."""
    norm = nn.GroupNorm(4, 8).to(torch.bfloat16).requires_grad_(False)
    x = torch.randn(2, 8, 5, 5, dtype=torch.bfloat16, requires_grad=True)
    monkeypatch.setattr(memory_saving, "norm_precision", lambda x: torch.float32)
    found = memory_saving.norm_silu(norm, x)
    wanted = functional.silu(functional.group_norm(x.float(), 4, norm.weight.float(), norm.bias.float()))
    assert found.dtype == torch.float32
    assert torch.equal(found, wanted)
    gradients = [torch.autograd.grad(one.square().sum(), x)[0] for one in (found, wanted)]
    assert gradients[0].dtype == torch.bfloat16
    assert torch.equal(*gradients)


def test_a_norm_that_is_trained_or_packed_goes_its_own_way() -> None:
    norm, x = nn.GroupNorm(4, 8), torch.randn(PLACES, requires_grad=True)
    memory_saving.norm_silu(norm, x).sum().backward()  # type: ignore[no-untyped-call]
    assert norm.weight.grad is not None
    layer = Conv2d(8, 6, 3)
    layer(x).sum().backward()
    assert layer.weight.grad is not None
    frozen = nn.GroupNorm(4, 8).requires_grad_(False)
    frozen.forward = lambda x: x * 2  # type: ignore[method-assign,assignment]
    assert torch.equal(memory_saving.norm_silu(frozen, x), functional.silu(x * 2))
