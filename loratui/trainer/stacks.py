"""How many small tensors one operator takes at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import torch

Some = TypeVar("Some")

_MOST = {"cpu": 1 << 18}
_MOST_ELSEWHERE = 1 << 24


def most_elements(device: torch.device) -> int:
    """On a CPU as many as its cache holds, and as a product there sums up exactly enough in float32;
    elsewhere few kernels, with room for what is worked out in between."""
    return _MOST.get(device.type, _MOST_ELSEWHERE)


def chunks(same: Sequence[Some], elements: int, device: torch.device) -> Iterator[Sequence[Some]]:
    """Parts of ``same`` that together have no more than ``most_elements``, but for a single one; each has
    ``elements``."""
    count = max(most_elements(device) // elements, 1)
    for first in range(0, len(same), count):
        yield same[first : first + count]
