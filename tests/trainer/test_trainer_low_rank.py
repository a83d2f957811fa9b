"""A layer and its LoRA as one step of autograd, beside autograd's own way through the same formula."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from loratui.trainer.lora import low_rank
from loratui.trainer.lora.lora_layer import Dropout, LoraLayer
from loratui.trainer.lora.low_rank import Part
from loratui.trainer.lora.shared_inputs import project


def part(rank: int, scale: float, *, bias: bool = True, kernel: bool = False, outer: int = 5) -> Part:
    layer: nn.Linear | nn.Conv2d = nn.Conv2d(7, outer, 1, bias=bias) if kernel else nn.Linear(7, outer, bias)
    more = (1, 1) if kernel else ()
    down, up = torch.randn(rank, 7, *more).double(), torch.randn(outer, rank, *more).double()
    return Part(layer.double().requires_grad_(False), down.requires_grad_(), up.requires_grad_(), scale)


def by_formula(x: Tensor, parts: Sequence[Part]) -> list[Tensor]:
    found = []
    for layer, down, up, scale in parts:
        if isinstance(layer, nn.Conv2d):
            added = nn.functional.conv2d(nn.functional.conv2d(x, down), up)
        else:
            added = x @ down.t() @ up.t()
        found.append(layer(x) + scale * added)
    return found


def gradients(results: Sequence[Tensor], wanted: Sequence[Tensor]) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(3)
    given = [torch.randn(result.shape, generator=generator, dtype=result.dtype) for result in results]
    return torch.autograd.grad(list(results), list(wanted), given)


@pytest.mark.parametrize("with_gradient", [True, False])
@pytest.mark.parametrize(
    ("shape", "parts"),
    [
        ((6, 7), [part(3, 0.5)]),
        ((2, 6, 7), [part(3, 2.0, bias=False)]),
        ((1, 7, 3, 4), [part(2, 0.5, kernel=True)]),
        ((3, 7, 2, 2), [part(4, 1.5, kernel=True, bias=False)]),
        ((2, 6, 7), [part(3, 0.5, bias=False), part(1, 2.0, outer=4), part(5, 1.0)]),
    ],
)
def test_the_same_numbers_as_the_formula(
    shape: tuple[int, ...], parts: list[Part], with_gradient: bool
) -> None:
    x = torch.randn(shape, dtype=torch.float64, requires_grad=with_gradient)
    found = [low_rank.one(x, parts[0])] if len(parts) == 1 else low_rank.joined(x, parts)
    wanted = by_formula(x, parts)
    assert [one.shape for one in found] == [one.shape for one in wanted]
    torch.testing.assert_close(list(found), wanted)
    trained = [weight for one in parts for weight in (one.down, one.up)] + ([x] if with_gradient else [])
    torch.testing.assert_close(gradients(found, trained), gradients(wanted, trained))


def test_half_precision_leaves_whole_gradients() -> None:
    layer = nn.Linear(64, 64).to(torch.bfloat16).requires_grad_(False)
    down, up = (torch.randn(shape, requires_grad=True) for shape in ((4, 64), (64, 4)))
    x = torch.randn(2, 8, 64)
    with torch.autocast("cpu", torch.bfloat16):
        found = low_rank.one(x, Part(layer, down, up, 0.5))
        (own,) = by_formula(x, [Part(layer, down, up, 0.5)])
    assert found.dtype == torch.bfloat16
    assert float((found - own).detach().norm() / own.detach().norm()) < 0.01
    pairs = zip(gradients([found], (down, up)), gradients([own], (down, up)), strict=True)
    for mine, plain in pairs:
        assert mine.dtype == torch.float32
        assert float((mine - plain).norm() / plain.norm()) < 0.02


def test_what_shares_an_input_is_joined_only_where_all_leave_nothing_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted: list[int] = []
    real = low_rank.joined

    def joined(x: Tensor, parts: Sequence[Part]) -> Sequence[Tensor]:
        counted.append(len(parts))
        return real(x, parts)

    monkeypatch.setattr(low_rank, "joined", joined)
    layers = [nn.Linear(7, 5).requires_grad_(False) for _ in range(3)]
    x = torch.randn(2, 7)
    plain = [layer(x) for layer in layers]
    loras = [LoraLayer(layer, rank, 1.0) for layer, rank in zip(layers, (2, 3, 4), strict=True)]
    for lora in loras:
        nn.init.normal_(lora.weights[1])
    each = [layer(x) for layer in layers]
    torch.testing.assert_close(list(project(x, *layers)), each)
    assert counted == [3]
    # Disabled, as for a picture without the LoRA.
    for lora in loras:
        lora.enabled = False
    assert all(map(torch.equal, project(x, *layers), plain))
    loras[0].enabled = loras[2].enabled = True
    found = project(x, *layers)
    torch.testing.assert_close([found[0], found[1], found[2]], [each[0], plain[1], each[2]])
    assert counted == [3]
    # One that drops out goes its own way while it is trained, and not when a sample is drawn.
    free = nn.Linear(7, 5).requires_grad_(False)
    LoraLayer(free, 2, 1.0, Dropout(ranks=0.5))
    project(x, layers[0], free)
    assert counted == [3]
    with torch.no_grad():
        project(x, layers[0], free)
    assert counted == [3, 2]
    # One without a LoRA, too.
    project(x, layers[0], nn.Linear(7, 5))
    assert counted == [3, 2]


def test_what_does_not_compute_as_torch_does_is_left_alone() -> None:
    assert low_rank.fits(nn.Linear(4, 4).requires_grad_(False))
    assert low_rank.fits(nn.Conv2d(4, 4, 1).requires_grad_(False))
    assert not low_rank.fits(nn.Linear(4, 4))
    assert not low_rank.fits(nn.Conv2d(4, 4, 1, stride=2).requires_grad_(False))
    assert not low_rank.fits(nn.Conv2d(4, 4, 3, padding=1).requires_grad_(False))
    packed = nn.Linear(4, 4).requires_grad_(False)
    packed.forward = lambda x: x  # type: ignore[method-assign,assignment]
    assert not low_rank.fits(packed)
