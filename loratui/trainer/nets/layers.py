"""The convolutional parts of the U-Net and the VAE, in diffusers' names."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from loratui.trainer.nets.frozen import Conv2d, Linear
from loratui.trainer.nets.memory_saving import norm_silu
from loratui.trainer.nets.net import Block


class ResnetBlock2D(Block):
    """Two convolutions beside a shortcut; in a U-Net the timestep is added between them."""

    def __init__(self, inner: int, outer: int, groups: int, eps: float, time: int | None = None) -> None:
        """``time``: channels of the timestep's embedding; None in a VAE."""
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, inner, eps)
        self.conv1 = Conv2d(inner, outer, 3, padding=1)
        if time is not None:
            self.time_emb_proj = Linear(time, outer)
        self.norm2 = nn.GroupNorm(groups, outer, eps)
        self.conv2 = Conv2d(outer, outer, 3, padding=1)
        self.conv_shortcut = Conv2d(inner, outer, 1) if inner != outer else None

    def compute(self, x: Tensor, time: Tensor | None = None) -> Tensor:
        """``x`` [B,C,h,w]; ``time`` [B,T], with its activation done."""
        inner = self.conv1(norm_silu(self.norm1, x))
        if time is not None:
            inner = inner + self.time_emb_proj(time)[:, :, None, None]
        inner = self.conv2(norm_silu(self.norm2, inner))
        if self.conv_shortcut is not None:
            x = self.conv_shortcut(x)
        found: Tensor = x + inner
        return found


class Downsample2D(nn.Module):
    """Half the sides. The VAE's has no padding of its own, and gets one row and column at the far end."""

    def __init__(self, channels: int, padding: int) -> None:
        super().__init__()
        self.conv = Conv2d(channels, channels, 3, stride=2, padding=padding)
        self._padding = padding

    def forward(self, x: Tensor) -> Tensor:
        if not self._padding:
            x = functional.pad(x, (0, 1, 0, 1))
        found: Tensor = self.conv(x)
        return found


class Upsample2D(nn.Module):
    """Twice the sides, or those that are given."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, size: Sequence[int] | None = None) -> Tensor:
        if len(x) >= 64:  # nearest neighbours of large channels_last batches fail
            x = x.contiguous()
        if size is None:
            x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
        else:
            x = functional.interpolate(x, size=list(size), mode="nearest")
        found: Tensor = self.conv(x)
        return found


class Projecting(nn.Module):
    """An attention, whose linear layers share their inputs."""

    def project(self, x: Tensor, *layers: nn.Module) -> Sequence[Tensor]:
        """What each layer makes of ``x``."""
        return [layer(x) for layer in layers]


def attention(query: Tensor, key: Tensor, value: Tensor, heads: int, *, causal: bool = False) -> Tensor:
    """[B,n,C] from [B,n,C] and twice [B,m,C]: ``heads`` attentions side by side."""
    query, key, value = (x.view(*x.shape[:2], heads, -1).transpose(1, 2) for x in (query, key, value))
    found = functional.scaled_dot_product_attention(query, key, value, is_causal=causal)
    return found.transpose(1, 2).flatten(2)


class TimestepEmbedding(nn.Module):
    """Two linear layers on sinusoids."""

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.linear_1 = Linear(inner, outer)
        self.linear_2 = Linear(outer, outer)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.linear_2(functional.silu(self.linear_1(x)))
        return found


def sinusoids(values: Tensor, channels: int) -> Tensor:
    """[B,channels]: cosines, then sines, of ``values`` [B] at falling frequencies (arXiv:2006.11239)."""
    half = channels // 2
    exponents = -9.210340371976184 * torch.arange(half, dtype=torch.float32, device=values.device)  # ln 10000
    angles = values[:, None].float() * torch.exp(exponents / half)[None, :]
    return torch.cat([torch.cos(angles), torch.sin(angles)], dim=-1)
