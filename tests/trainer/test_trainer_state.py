"""States of one shape, for a network of another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers.optimization import Adafactor

from loratui.problems import UserError
from loratui.trainer.lora.lora_layer import LoraLayer
from loratui.trainer.lora.network import Network
from loratui.trainer.saving import state
from loratui.trainer.saving.state import Progress

PROGRESS = Progress(1, 1, 7, 4, 1)


def stepped(layer: nn.Linear | nn.Conv2d, kind: Any, steps: int) -> tuple[Network, torch.optim.Optimizer]:
    """A LoRA of rank 2 on one layer, and its optimizer after some steps."""
    torch.manual_seed(3)
    network = Network({"unet": {"lora_unet_proj_in": LoraLayer(layer, 2, 1.0)}})
    optimizer = kind(network.parameters(), lr=0.01)
    for _ in range(steps):
        step(network, optimizer)
    return network, optimizer


def step(network: Network, optimizer: torch.optim.Optimizer) -> None:
    for number, weight in enumerate(network.parameters()):
        weight.grad = torch.linspace(-1, 1 + number, weight.numel()).view(weight.shape)
    optimizer.step()


def matrix() -> nn.Linear:
    return nn.Linear(6, 4).requires_grad_(False)


def kernel() -> nn.Conv2d:
    return nn.Conv2d(6, 4, 1).requires_grad_(False)


@pytest.mark.parametrize(("before", "after"), [(matrix, kernel), (kernel, matrix)])
def test_a_state_of_matrices_goes_on_with_kernels_and_the_other_way_round(
    before: Any, after: Any, tmp_path: Path
) -> None:
    network, optimizer = stepped(before(), torch.optim.AdamW, 2)
    state.save(tmp_path / "state", network, optimizer.state_dict(), PROGRESS)
    resumed, other = stepped(after(), torch.optim.AdamW, 0)
    state.load(tmp_path / "state", resumed, other)
    for one in ((network, optimizer), (resumed, other)):
        step(*one)
    for key, tensor in network.tensors().items():
        found = resumed.tensors()[key]
        assert torch.equal(found.flatten(), tensor.flatten())
        assert found.shape == resumed.stored()[key].shape


def test_an_optimizer_that_goes_by_rows_and_columns_refuses_it(tmp_path: Path) -> None:
    def adafactor(weights: Any, lr: float) -> Any:
        return Adafactor(weights, lr=lr, relative_step=False)

    network, optimizer = stepped(matrix(), adafactor, 1)
    state.save(tmp_path / "state", network, optimizer.state_dict(), PROGRESS)
    state.load(tmp_path / "state", *stepped(matrix(), adafactor, 0))
    with pytest.raises(UserError, match=r"Adafactor depends on it.*network_weights"):
        state.load(tmp_path / "state", *stepped(kernel(), adafactor, 0))
