"""Tensors on their way to a GPU."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """On ``device``. The program does not wait for a GPU to take it: a copy from pinned memory is queued
    behind the GPU's other work, where one from ordinary memory waits until that is done."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def stacked(tensors: Sequence[Tensor], device: torch.device) -> Tensor:
    """[N,...] on ``device``, wherever each lies now; in one copy where none is there yet."""
    if any(tensor.device.type != "cpu" for tensor in tensors):
        return torch.stack([moved(tensor, device) for tensor in tensors])
    return moved(torch.stack(list(tensors)), device)
