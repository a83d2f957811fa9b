"""One layer of a LoRA: a low-rank addition to a frozen layer (arXiv:2106.09685), in Kohya's form."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from loratui.trainer.lora import low_rank


@dataclass(frozen=True, slots=True)
class Dropout:
    """What is left out at random while training (networks/lora.py:88-120); 0 is nothing."""

    neurons: float = 0.0
    """network_dropout: the share of the inner values."""
    ranks: float = 0.0
    """rank_dropout: the share of ranks, for each sample; the rest is scaled up in its place."""
    modules: float = 0.0
    """module_dropout: the chance that a whole layer stays as it was."""


class LoraLayer(nn.Module):
    """``original(x) + up(down(x)) * alpha / rank``, in place of one linear layer or convolution.

    Of a convolution, ``down`` has its kernel, stride and padding, and ``up`` is 1x1. ``down`` starts as
    Kaiming-uniform with a = sqrt(5), ``up`` as zeros, so a fresh LoRA changes nothing
    (networks/lora.py:30-110).
    """

    def __init__(
        self, original: nn.Linear | nn.Conv2d, rank: int, alpha: float, dropout: Dropout | None = None
    ) -> None:
        super().__init__()
        self.down: nn.Module
        self.up: nn.Module
        if isinstance(original, nn.Conv2d):
            self.down = nn.Conv2d(
                original.in_channels,
                rank,
                original.kernel_size,  # type: ignore[arg-type]
                original.stride,  # type: ignore[arg-type]
                original.padding,  # type: ignore[arg-type]
                bias=False,
            )
            self.up = nn.Conv2d(rank, original.out_channels, 1, bias=False)
        else:
            self.down = nn.Linear(original.in_features, rank, bias=False)
            self.up = nn.Linear(rank, original.out_features, bias=False)
        nn.init.kaiming_uniform_(self.weights[0], a=math.sqrt(5))
        nn.init.zeros_(self.weights[1])
        self.alpha = alpha
        self.scale = alpha / rank
        self.dropout = dropout or Dropout()
        self._dropping = self.dropout != Dropout()
        self.enabled = True
        self.copies: tuple[Tensor, Tensor] | None = None
        """(down, up) in autocast's precision, while they stand in for the weights (``half_copies``)."""
        self._whole = original if low_rank.fits(original) else None
        self._forward = original.forward
        original.forward = self.forward  # type: ignore[method-assign,assignment]

    @property
    def weights(self) -> tuple[nn.Parameter, nn.Parameter]:
        """(down, up)."""
        down, up = self.down.weight, self.up.weight
        assert isinstance(down, nn.Parameter)
        assert isinstance(up, nn.Parameter)
        return down, up

    @property
    def raised(self) -> tuple[nn.Parameter, ...]:
        """The one LoRA+ gives a higher rate (arXiv:2402.12354): up."""
        return (self.weights[1],)

    def tensors(self) -> dict[str, Tensor]:
        """What a file holds of it: ``lora_down.weight``, ``lora_up.weight`` and ``alpha``."""
        down, up = self.weights
        alpha = torch.tensor(float(self.alpha))
        return {"lora_down.weight": down.detach(), "lora_up.weight": up.detach(), "alpha": alpha}

    def stored(self) -> dict[str, Tensor]:
        """The same: nothing else changes while training."""
        return self.tensors()

    @torch.no_grad()
    def take(self, tensors: dict[str, Tensor]) -> None:
        """Put weights in place; alpha stays. Raises ``ValueError`` for another shape."""
        for kind, weight in zip(("lora_down", "lora_up"), self.weights, strict=True):
            tensor = tensors[f"{kind}.weight"]
            if tensor.shape != weight.shape:
                raise ValueError(
                    f"has the shape {list(tensor.shape)}, and the network's is {list(weight.shape)}"
                )
            weight.copy_(tensor)

    def training_mode(self, on: bool) -> None:
        """Dropout asks whether there are gradients."""

    def forward(self, x: Tensor) -> Tensor:
        part = self.part
        if part is not None:
            return low_rank.one(x, part)
        result: Tensor = self._forward(x)
        if not self.enabled:
            return result
        if self._drops:
            return self._with_dropout(x, result)
        return self._raised(result, self.down(x), self.scale)

    @property
    def part(self) -> low_rank.Part | None:
        """What is computed as one with the frozen layer, where that is possible."""
        if self._whole is None or not self.enabled or self._drops:
            return None
        return low_rank.Part(self._whole, *(self.copies or self.weights), self.scale)

    @property
    def can_be_whole(self) -> bool:
        """Whether ``part`` is there as a rule."""
        return self._whole is not None and not self._dropping

    @property
    def _drops(self) -> bool:
        """Without gradients, as when a sample is drawn, nothing is left out."""
        return self._dropping and torch.is_grad_enabled()

    def _raised(self, result: Tensor, inner: Tensor, scale: float) -> Tensor:
        """``result + up(inner) * scale``, where possible in one pass over ``result`` and in its place: what
        the layer itself puts out is needed by nobody else, not even for its gradient."""
        up = self.weights[1]
        if result.dim() == 3 and inner.dim() == 3:
            # The matrix kernels are not told of autocast when they write in place.
            weight = up.to(result.dtype).t().expand(len(result), -1, -1)
            return result.baddbmm_(inner.to(result.dtype), weight, alpha=scale)
        added: Tensor = self.up(inner)
        return torch.add(result, added, alpha=scale)

    def _with_dropout(self, x: Tensor, result: Tensor) -> Tensor:
        if self.dropout.modules and float(torch.rand(1)) < self.dropout.modules:
            return result
        inner = self.down(x)
        if self.dropout.neurons:
            inner = nn.functional.dropout(inner, self.dropout.neurons)
        scale = self.scale
        if self.dropout.ranks:
            shape = [len(inner)] + [1] * (inner.dim() - 1)
            shape[1 if isinstance(self.down, nn.Conv2d) else -1] = len(self.weights[0])
            inner = inner * (torch.rand(shape, device=inner.device) > self.dropout.ranks)
            scale /= 1 - self.dropout.ranks
        return self._raised(result, inner, scale)
