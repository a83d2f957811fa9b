"""LoHa and LoKr as one step with their frozen layer, beside lycoris-lora's own layers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from lycoris.modules.loha import LohaModule
from lycoris.modules.lokr import LokrModule
from torch import Tensor, nn

from loratui.trainer.lora.products import shortened

Layer = nn.Linear | nn.Conv2d


def layer_of(kind: str) -> Layer:
    torch.manual_seed(2)
    kernel = 3 if kind == "kernel" else 1
    layer: Layer = (
        nn.Linear(24, 36) if kind == "linear" else nn.Conv2d(24, 36, kernel, 1 + kernel // 3, kernel // 3)
    )
    return layer.requires_grad_(False)


def results(layer: Layer, module: Any, kind: str, forward: Any) -> list[Tensor]:
    """Output, and all gradients of a fixed loss."""
    torch.manual_seed(3)
    x = torch.randn((2, 5, 24) if kind == "linear" else (2, 24, 5, 4), requires_grad=True)
    out = forward(x)
    given = [x, *module.parameters()]
    return [out.detach(), *torch.autograd.grad((out**2).sum(), given)]


@pytest.mark.parametrize("kind", ["linear", "point", "kernel"])
@pytest.mark.parametrize(
    ("algorithm", "settings"),
    [
        (LohaModule, {"lora_dim": 3}),
        (LohaModule, {"lora_dim": 2, "use_scalar": True, "rs_lora": True}),
        (LokrModule, {"lora_dim": 2, "factor": 4}),
        (LokrModule, {"lora_dim": 2, "factor": -1, "decompose_both": True, "use_scalar": True}),
        (LokrModule, {"lora_dim": 2, "factor": 2, "full_matrix": True}),
        (LokrModule, {"lora_dim": 100, "factor": 4, "unbalanced_factorization": True}),
    ],
)
def test_the_same_as_the_packages_own(algorithm: Any, settings: dict[str, Any], kind: str) -> None:
    layer = layer_of(kind)
    module = algorithm("one", layer, 1.0, alpha=1.5, bypass_mode=True, **settings)
    for weight in module.parameters():
        nn.init.normal_(weight, std=0.5)
    if not isinstance(module.scalar, nn.Parameter):
        module.scalar.fill_(0.7)  # as a limit of its norm leaves it
    short = shortened(module, layer)
    if algorithm is LokrModule and kind != "linear":
        assert short is None
        return
    found = results(layer, module, kind, short)
    module.apply_to()
    for one, other in zip(found, results(layer, module, kind, layer), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    module.multiplier = 0.0
    assert torch.equal(short(torch.ones_like(found[1])), layer(torch.ones_like(found[1])))


@pytest.mark.parametrize(
    "settings",
    [
        {"lora_dim": 8},  # its square is no less work
        {"lora_dim": 2, "rank_dropout": 0.1},
        {"lora_dim": 2, "module_dropout": 0.1},
        {"lora_dim": 2, "weight_decompose": True},
        {"lora_dim": 2, "bypass_mode": False},
    ],
)
def test_where_nothing_is_won_or_more_is_asked_the_package_does_it(settings: dict[str, Any]) -> None:
    layer = layer_of("linear")
    assert shortened(LohaModule("one", layer, 1.0, **{"bypass_mode": True, **settings}), layer) is None
