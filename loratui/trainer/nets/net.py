"""What the U-Net, the VAE and the text encoders have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.utils.checkpoint import checkpoint

Config = dict[str, Any]


class Net(nn.Module):
    """A network of a known kind, made from its config.json."""

    fixed: ClassVar[Mapping[str, Any]] = {}
    """What these families' configs say, if they say it at all; anything else is another kind of network."""

    def __init__(self, config: Config) -> None:
        """Raises ``ValueError`` naming a setting that makes it another kind of network."""
        super().__init__()
        for key, known in self.fixed.items():
            value = config.get(key, known)
            if value != known and value is not None:
                raise ValueError(f"{key} = {value!r} in its config, where {known!r} is known.")
        self.config = config

    @classmethod
    def without_weights(cls, config: Config, **options: bool) -> Self:
        """On the meta device: made in no time, for ``take``. ``options`` are the class's own. Raises as the
        class does."""
        with torch.device("meta"), _uninitialised():
            return cls(config, **options)

    def take(self, weights: Mapping[str, Tensor]) -> Self:
        """Make these tensors its own, without a copy; what it has no place for is left out. Frozen, and ready
        for use. Raises ``ValueError`` for one that is missing or of another shape."""
        own = self.state_dict()
        missing = [key for key in own if key not in weights]
        if missing:
            raise ValueError(f"{len(missing)} tensors are missing, for example {missing[0]}.")
        for key, tensor in own.items():
            if weights[key].shape != tensor.shape:
                shapes = f"{list(weights[key].shape)}, and {list(tensor.shape)} is wanted"
                raise ValueError(f"{key} has the shape {shapes}.")
        self.load_state_dict({key: weights[key] for key in own}, assign=True)
        return self.requires_grad_(False).eval()

    @property
    def device(self) -> torch.device:
        """Where its weights lie."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The precision of its weights."""
        return next(self.parameters()).dtype

    def enable_gradient_checkpointing(self) -> None:
        """Keep a block's input in place of all it computes, and compute it again in the backward pass."""
        for module in self.modules():
            if isinstance(module, Block):
                module.checkpointed = True


class Block(nn.Module):
    """A part that may be computed twice to save memory."""

    checkpointed = False

    def forward(self, *inputs: Any) -> Tensor:
        if self.checkpointed and torch.is_grad_enabled():
            again: Callable[..., Tensor] = checkpoint
            return again(self.compute, *inputs, use_reentrant=False)
        return self.compute(*inputs)

    def compute(self, *inputs: Any) -> Tensor:
        """The block's own work."""
        raise NotImplementedError


_LAYERS: tuple[type[nn.Module], ...] = (nn.Linear, _ConvNd, nn.Embedding, nn.LayerNorm, nn.GroupNorm)


@contextmanager
def _uninitialised() -> Iterator[None]:
    """Inside, layers get no first values: on the meta device drawing them is slow, and for nothing."""
    own = {kind: vars(kind)["reset_parameters"] for kind in _LAYERS}
    try:
        for kind in _LAYERS:
            setattr(kind, "reset_parameters", lambda layer: None)  # noqa: B010  mypy sees methods here
        yield
    finally:
        for kind, method in own.items():
            setattr(kind, "reset_parameters", method)  # noqa: B010
