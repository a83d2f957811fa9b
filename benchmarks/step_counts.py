"""What a training step does, in numbers that no machine's speed or load changes: how many kernels it starts,
and how much it keeps for the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode

_NO_KERNELS = frozenset(
    ("detach", "lift_fresh", "empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided")
)
"""Operators that only make or name a tensor."""


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kernels = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        view = func.is_view or func._schema.name.endswith("_unsafe_view")
        if not view and func._schema.name.partition("::")[2] not in _NO_KERNELS:
            self.kernels += 1
        return func(*args, **(kwargs or {}))


def kernels_of(work: Callable[[], object]) -> int:
    """Operators of ATen that compute something. On a GPU each is a kernel or several; what one operator does
    over many tensors (``_foreach``, fused optimizers) counts as one."""
    with _Counter() as counter:
        work()
    return int(counter.kernels)


def kept_bytes(forward: Callable[[], object], known: Iterable[Tensor]) -> int:
    """Bytes that a forward pass keeps for its backward pass, each storage once, without those ``known``
    before it: weights and inputs."""
    left_out = {tensor.untyped_storage()._cdata for tensor in known}
    found: dict[int, int] = {}
    alive = []

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in left_out:
            found[storage._cdata] = storage.nbytes()
            alive.append(storage)  # no other may get its address
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor), torch.enable_grad():
        forward()
    return sum(found.values())
