"""Attention to a picture's own places and to its caption, in diffusers' names."""

from __future__ import annotations

from torch import Tensor, nn

from loratui.trainer.nets.frozen import Conv2d, Linear
from loratui.trainer.nets.layers import Projecting, attention
from loratui.trainer.nets.memory_saving import gated
from loratui.trainer.nets.net import Block


class Attention(Projecting):
    """From each place to all places, or to all tokens of a caption."""

    def __init__(self, channels: int, heads: int, context: int | None = None) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = Linear(channels, channels, bias=False)
        self.to_k = Linear(context or channels, channels, bias=False)
        self.to_v = Linear(context or channels, channels, bias=False)
        self.to_out = nn.ModuleList([Linear(channels, channels)])

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        if context is None:
            query, key, value = self.project(x, self.to_q, self.to_k, self.to_v)
        else:
            query, (key, value) = self.to_q(x), self.project(context, self.to_k, self.to_v)
        found = attention(query, key, value, self.heads)
        out: Tensor = self.to_out[0](found)
        return out


class GEGLU(nn.Module):
    """A gated linear layer (arXiv:2002.05202)."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.proj = Linear(channels, 2 * inner)

    def forward(self, x: Tensor) -> Tensor:
        return gated(self.proj(x))


class FeedForward(nn.Module):
    """Place by place."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        # The second one was dropout, and its number stays taken.
        self.net = nn.ModuleList(
            [GEGLU(channels, 4 * channels), nn.Identity(), Linear(4 * channels, channels)]
        )

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.net[2](self.net[0](x))
        return found


class BasicTransformerBlock(Block):
    """Self-attention, attention to the caption, and a feed-forward part."""

    def __init__(self, channels: int, heads: int, context: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.attn1 = Attention(channels, heads)
        self.norm2 = nn.LayerNorm(channels)
        self.attn2 = Attention(channels, heads, context)
        self.norm3 = nn.LayerNorm(channels)
        self.ff = FeedForward(channels)

    def compute(self, x: Tensor, context: Tensor) -> Tensor:
        """``x`` [B,hw,C]; ``context`` [B,T,D]."""
        x = self.attn1(self.norm1(x)) + x
        x = self.attn2(self.norm2(x), context) + x
        found: Tensor = self.ff(self.norm3(x)) + x
        return found


class Transformer2DModel(nn.Module):
    """Transformer blocks on the places of a picture, beside a shortcut."""

    def __init__(
        self, channels: int, heads: int, context: int, depth: int, groups: int, *, linear: bool
    ) -> None:
        super().__init__()
        self._linear = linear
        self.norm = nn.GroupNorm(groups, channels, eps=1e-6)
        self.proj_in: nn.Module = Linear(channels, channels) if linear else Conv2d(channels, channels, 1)
        self.transformer_blocks = nn.ModuleList(
            [BasicTransformerBlock(channels, heads, context) for _ in range(depth)]
        )
        self.proj_out: nn.Module = Linear(channels, channels) if linear else Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """``x`` [B,C,h,w]; ``context`` [B,T,D]."""
        batch, channels, height, width = x.shape
        inner = self.norm(x)
        if not self._linear:
            inner = self.proj_in(inner)
        inner = inner.permute(0, 2, 3, 1).reshape(batch, height * width, channels)
        if self._linear:
            inner = self.proj_in(inner)
        for block in self.transformer_blocks:
            inner = block(inner, context)
        if self._linear:
            inner = self.proj_out(inner)
        inner = inner.reshape(batch, height, width, channels).permute(0, 3, 1, 2).contiguous()
        if not self._linear:
            inner = self.proj_out(inner)
        found: Tensor = inner + x
        return found
