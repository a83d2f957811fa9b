"""Several processes that train one network, each on batches of its own.

Nothing is wrapped: a LoRA's layers are called inside the U-Net, and DistributedDataParallel around them never
sees that, so its copies drift apart without a word. Gradients are averaged once for each optimizer step, as
one tensor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Together:
    """The processes; one alone by default."""

    accelerator: Any = None
    rank: int = 0
    world: int = 1

    @staticmethod
    def of(accelerator: Any) -> Together:
        """Those that accelerate or torchrun started with this one."""
        return Together(accelerator, accelerator.process_index, accelerator.num_processes)

    @property
    def leads(self) -> bool:
        """Whether this process speaks and writes for all."""
        return self.rank == 0

    def share(self, batches: Sequence[T]) -> list[T]:
        """Every ``world``-th batch. All get as many: the first ones fill up what is missing, as accelerate
        does it (data_loader.py, ``BatchSamplerShard`` with ``even_batches``)."""
        missing = -len(batches) % self.world
        filled = [*batches, *(batches[index % len(batches)] for index in range(missing))]
        return filled[self.rank :: self.world]

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in one of them. All must call it."""
        if self.world == 1:
            return flag
        return bool(self._mean(torch.tensor([float(flag)])) > 0)

    def gather(self, found: T) -> list[T]:
        """What each of them found, by their number. All must call it."""
        if self.world == 1:
            return [found]
        from torch import distributed

        everything: list[Any] = [None] * self.world
        distributed.all_gather_object(everything, found)
        return everything

    def mean(self, values: Sequence[float]) -> list[float]:
        """The mean of each value over all. All must call it."""
        if self.world == 1:
            return list(values)
        found: list[float] = self._mean(torch.tensor(values, dtype=torch.float64)).tolist()
        return found

    def average_gradients(self, weights: Sequence[nn.Parameter]) -> None:
        """Give all the mean of their gradients. All must call it."""
        if self.world == 1:
            return
        for weight in weights:
            if weight.grad is None:  # module dropout left it out here, and perhaps only here
                weight.grad = torch.zeros_like(weight)
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        mean = self._mean(torch.cat([gradient.flatten() for gradient in gradients]))
        first = 0
        for gradient in gradients:
            gradient.copy_(mean[first : first + gradient.numel()].view_as(gradient))
            first += gradient.numel()

    def _mean(self, tensor: Tensor) -> Tensor:
        mean: Tensor = self.accelerator.reduce(tensor.to(self.accelerator.device), "mean")
        return mean
