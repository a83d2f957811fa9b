"""Copies of a LoRA's weights in 16 bits: what autocast would make of each, to the last bit."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from loratui.trainer.lora.half_copies import HalfCopies
from loratui.trainer.lora.lora_layer import Dropout, LoraLayer
from loratui.trainer.lora.low_rank import joined


class Net(nn.Module):
    """Layers alone, two that share an input, a 1x1 convolution, and one computed twice."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.first, self.query, self.key, self.twice = (nn.Linear(8, 8) for _ in range(4))
        self.point = nn.Conv2d(1, 2, 1)
        self.requires_grad_(False)
        layers = (self.first, self.query, self.key, self.twice, self.point)
        self.loras = [LoraLayer(layer, 2, 1.0) for layer in layers]
        for lora in self.loras:
            nn.init.normal_(lora.weights[1])

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        parts = [lora.part for lora in self.loras[1:3]]
        query, key = joined(x, [part for part in parts if part is not None])
        x = checkpoint(lambda x: self.twice(torch.tanh(x)), query * key, use_reentrant=False)
        found: Tensor = self.point(x[None, None]).float().square().sum()
        return found


def gradients(net: Net, copies: HalfCopies | None) -> list[Tensor | None]:
    """After two passes with other weights in between."""
    weights = [weight for lora in net.loras for weight in lora.weights]
    for weight in weights:
        weight.grad = None
    torch.manual_seed(5)
    for _ in range(2):
        x = torch.randn(3, 8)
        if copies is None:
            with torch.autocast("cpu", torch.bfloat16):
                loss = net(x)
            torch.autograd.backward(loss)
        else:
            with copies.lent():
                with torch.autocast("cpu", torch.bfloat16):
                    loss = net(x)
                torch.autograd.backward(loss)
        with torch.no_grad():
            for weight in weights:
                weight.mul_(0.9)
    with torch.no_grad():
        for weight in weights:
            weight.div_(0.81)
    return [None if weight.grad is None else weight.grad.clone() for weight in weights]


def test_gradients_are_those_without_copies() -> None:
    net = Net()
    net.loras[0].weights[0].requires_grad_(False)
    start = [weight.detach().clone() for lora in net.loras for weight in lora.weights]
    wanted = gradients(net, None)
    with torch.no_grad():
        for weight, was in zip((weight for lora in net.loras for weight in lora.weights), start, strict=True):
            weight.copy_(was)
    found = gradients(net, HalfCopies(net.loras, torch.bfloat16))
    assert found[0] is wanted[0] is None
    for mine, theirs in zip(found[1:], wanted[1:], strict=True):
        assert mine is not None
        assert theirs is not None
        assert mine.dtype == torch.float32
        assert torch.equal(mine, theirs)
        assert mine.any()


def test_outside_a_pass_the_weights_themselves_count() -> None:
    net = Net()
    copies = HalfCopies(net.loras, torch.bfloat16)
    with pytest.raises(KeyError), copies.lent():
        part = net.loras[0].part
        assert part is not None
        assert part.down.dtype == torch.bfloat16
        raise KeyError  # as where a loss is no number
    part = net.loras[0].part
    assert part is not None
    assert part.down is net.loras[0].weights[0]
    assert all(weight.grad is None for lora in net.loras for weight in lora.weights)


def test_layers_that_leave_something_out_have_none() -> None:
    assert LoraLayer(nn.Linear(4, 4).requires_grad_(False), 2, 1.0).can_be_whole
    assert not LoraLayer(nn.Linear(4, 4), 2, 1.0).can_be_whole
    assert not LoraLayer(nn.Linear(4, 4).requires_grad_(False), 2, 1.0, Dropout(ranks=0.1)).can_be_whole
