"""All random generators that a training draws from."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def seed_all(seed: int) -> None:
    """Start them from a number below 2**63."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


@contextmanager
def set_apart(seed: int) -> Iterator[None]:
    """Inside, Python's and PyTorch's start from ``seed``; afterwards they stand where they stood (sd-scripts
    train_network.py:1371-1403)."""
    python, cpu = random.getstate(), torch.get_rng_state()
    cards = [torch.cuda.get_rng_state(number) for number in range(torch.cuda.device_count())]
    random.seed(seed)
    torch.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(python)
        torch.set_rng_state(cpu)
        for number, kept in enumerate(cards):
            torch.cuda.set_rng_state(kept, number)
