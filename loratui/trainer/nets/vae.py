"""The variational autoencoder between pictures and latents."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from loratui.trainer.nets.layers import Downsample2D, ResnetBlock2D, Upsample2D, attention
from loratui.trainer.nets.net import Config, Net

_EPS = 1e-6


class Attention(nn.Module):
    """Every place of a picture to all others, with one head, beside a shortcut."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.group_norm = nn.GroupNorm(groups, channels, _EPS)
        self.to_q = nn.Linear(channels, channels)
        self.to_k = nn.Linear(channels, channels)
        self.to_v = nn.Linear(channels, channels)
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])

    def forward(self, x: Tensor) -> Tensor:
        places = self.group_norm(x.flatten(2)).transpose(1, 2)
        found = attention(self.to_q(places), self.to_k(places), self.to_v(places), heads=1)
        inner: Tensor = self.to_out[0](found)
        return inner.transpose(1, 2).reshape(x.shape) + x


class Level(nn.Module):
    """Residual blocks of one side, and a sampler to the next."""

    def __init__(self, inner: int, outer: int, layers: int, groups: int, *, down: bool, up: bool) -> None:
        super().__init__()
        widths = [inner, *[outer] * layers]
        self.resnets = nn.ModuleList(
            [ResnetBlock2D(one, other, groups, _EPS) for one, other in itertools.pairwise(widths)]
        )
        if down:
            self.downsamplers = nn.ModuleList([Downsample2D(outer, padding=0)])
        if up:
            self.upsamplers = nn.ModuleList([Upsample2D(outer)])

    def forward(self, x: Tensor) -> Tensor:
        for block in (*self.resnets, *getattr(self, "downsamplers", ()), *getattr(self, "upsamplers", ())):
            x = block(x)
        return x


class Middle(nn.Module):
    """Attention between two residual blocks."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.attentions = nn.ModuleList([Attention(channels, groups)])
        self.resnets = nn.ModuleList([ResnetBlock2D(channels, channels, groups, _EPS) for _ in range(2)])

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.resnets[1](self.attentions[0](self.resnets[0](x)))
        return found


class Half(nn.Module):
    """The encoder, or the decoder."""

    def __init__(self, config: Config, *, encodes: bool) -> None:
        super().__init__()
        widths: list[int] = list(config["block_out_channels"])
        layers, groups = int(config.get("layers_per_block", 1)), int(config.get("norm_num_groups", 32))
        latent = int(config.get("latent_channels", 4))
        inner, outer = int(config.get("in_channels", 3)), 2 * latent
        if not encodes:
            widths.reverse()
            layers += 1
            inner, outer = latent, int(config.get("out_channels", 3))
        self._encodes = encodes
        self.conv_in = nn.Conv2d(inner, widths[0], 3, padding=1)
        levels = []
        for number, width in enumerate(widths):
            more = number < len(widths) - 1
            before = widths[max(number - 1, 0)]
            levels.append(
                Level(before, width, layers, groups, down=encodes and more, up=not encodes and more)
            )
        if encodes:
            self.down_blocks = nn.ModuleList(levels)
        else:
            self.up_blocks = nn.ModuleList(levels)
        self.mid_block = Middle(widths[-1] if encodes else widths[0], groups)
        self.conv_norm_out = nn.GroupNorm(groups, widths[-1], _EPS)
        self.conv_out = nn.Conv2d(widths[-1], outer, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        if self._encodes:
            for level in self.down_blocks:
                x = level(x)
        x = self.mid_block(x)
        if not self._encodes:
            for level in self.up_blocks:
                x = level(x)
        found: Tensor = self.conv_out(functional.silu(self.conv_norm_out(x)))
        return found


class AutoencoderKL(Net):
    """Pictures [B,3,h,w] from -1 to 1, and latents [B,4,h/8,w/8], unscaled."""

    fixed: ClassVar[Mapping[str, Any]] = {
        "act_fn": "silu",
        "mid_block_add_attention": True,
        "use_post_quant_conv": True,
        "use_quant_conv": True,
    }

    def __init__(self, config: Config, *, decodes: bool = True) -> None:
        """``decodes``: with the half that makes pictures of latents."""
        super().__init__(config)
        kinds = {*config.get("down_block_types", ()), *config.get("up_block_types", ())}
        if not kinds <= {"DownEncoderBlock2D", "UpDecoderBlock2D"}:
            raise ValueError(f"blocks of the kinds {', '.join(sorted(kinds))} are not known.")
        latent = int(config.get("latent_channels", 4))
        self.encoder = Half(config, encodes=True)
        if decodes:
            self.decoder = Half(config, encodes=False)
        self.quant_conv = nn.Conv2d(2 * latent, 2 * latent, 1)
        if decodes:
            self.post_quant_conv = nn.Conv2d(latent, latent, 1)

    def encode(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of each latent value."""
        mean, variance = self.quant_conv(self.encoder(pictures)).chunk(2, dim=1)
        return mean, torch.exp(0.5 * variance.clamp(-30.0, 20.0))

    def decode(self, latents: Tensor) -> Tensor:
        """The picture."""
        found: Tensor = self.decoder(self.post_quant_conv(latents))
        return found
