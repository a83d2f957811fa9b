"""Adafactor over stacks of weights, beside transformers' own, weight by weight."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn
from transformers.optimization import Adafactor

from loratui.trainer.optimizing.adafactor import StackedAdafactor

SHAPES = [
    (4, 16),
    (16, 4),
    (4, 16),
    (4, 8, 1, 1),
    (8, 4, 1, 1),
    (4, 8, 1, 1),
    (4, 8, 3, 3),
    (16,),
    (4, 16),
    (300, 300),
]
"""As a LoRA and a LoCon have them, with one too large for one norm over a stack."""


def weights(dtype: torch.dtype) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(8)
    found = [torch.randn(shape, generator=generator) * 0.1 for shape in SHAPES]
    found[1].zero_()  # as up begins
    return [nn.Parameter(one.to(dtype)) for one in found]


def give_gradients(own: list[nn.Parameter], step: int, *, all_of_them: bool = True) -> None:
    generator = torch.Generator().manual_seed(step)
    for number, weight in enumerate(own):
        gradient = torch.randn(weight.shape, generator=generator).to(weight.dtype) * 10.0 ** (number % 4 - 2)
        weight.grad = gradient if all_of_them or number % 3 else None


def groups(own: list[nn.Parameter]) -> list[dict[str, Any]]:
    return [{"params": own[:6]}, {"params": own[6:], "lr": 0.02}]


@pytest.mark.parametrize(
    ("settings", "dtype"),
    [
        ({"relative_step": False, "scale_parameter": False, "weight_decay": 0.1}, torch.float32),
        ({"relative_step": False, "beta1": 0.9, "clip_threshold": 0.3, "decay_rate": -0.6}, torch.float32),
        ({"relative_step": True, "warmup_init": True, "lr": None, "weight_decay": 0.5}, torch.float32),
        ({"relative_step": False, "eps": (1e-20, 0.2)}, torch.bfloat16),
    ],
)
def test_the_same_steps_as_transformers_takes(settings: dict[str, Any], dtype: torch.dtype) -> None:
    made = []
    for kind in (Adafactor, StackedAdafactor):
        own = weights(dtype)
        given = [{"params": own}] if settings.get("relative_step") else groups(own)
        made.append((own, kind(given, **{"lr": 0.01, **settings})))
    # In between some weights are without a gradient, as with module_dropout.
    for step in range(6):
        for own, optimizer in made:
            give_gradients(own, step, all_of_them=step != 3)
            optimizer.step()
    (wanted, theirs), (found, ours) = made
    tolerance = 1e-5 if dtype == torch.float32 else 1e-2
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance * 0.01)
    states = [optimizer.state_dict()["state"] for optimizer in (theirs, ours)]
    assert states[0].keys() == states[1].keys()
    for number, known in states[0].items():
        assert known.keys() == states[1][number].keys()
        for key, value in known.items():
            if isinstance(value, torch.Tensor):
                torch.testing.assert_close(states[1][number][key], value, rtol=1e-4, atol=1e-9)
            else:
                assert states[1][number][key] == value


def test_a_state_goes_on_in_either() -> None:
    """Of ours in ours to the last bit."""
    own = weights(torch.float32)
    first = StackedAdafactor(groups(own), lr=0.01, relative_step=False)
    for step in range(2):
        give_gradients(own, step)
        first.step()
    state = copy.deepcopy(first.state_dict())
    after: list[list[nn.Parameter]] = [own]
    optimizers: list[Any] = [first]
    for kind in (StackedAdafactor, Adafactor):
        after.append([nn.Parameter(weight.detach().clone()) for weight in own])
        optimizers.append(kind(groups(after[-1]), lr=0.01, relative_step=False))
        optimizers[-1].load_state_dict(copy.deepcopy(state))
    for step in range(2, 4):
        for mine, optimizer in zip(after, optimizers, strict=True):
            give_gradients(mine, step)
            optimizer.step()
    assert all(torch.equal(one, other) for one, other in zip(after[1], own, strict=True))
    for one, other in zip(after[2], own, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)
