"""The U-Net of Stable Diffusion 1.x, 2.x and XL.

Parts are registered in diffusers' order, which is that of a LoRA's first values and of a state's optimizer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from loratui.trainer.nets.frozen import Conv2d
from loratui.trainer.nets.layers import Downsample2D, ResnetBlock2D, TimestepEmbedding, Upsample2D, sinusoids
from loratui.trainer.nets.memory_saving import norm_silu
from loratui.trainer.nets.net import Config, Net
from loratui.trainer.nets.transformer import Transformer2DModel


class Level(nn.Module):
    """A block of one side and width: residual blocks, each with its attention behind it where there is one,
    and a sampler."""

    def __init__(
        self,
        channels: Sequence[tuple[int, int]],
        transformers: Sequence[Transformer2DModel],
        down: int | None,
        up: int | None,
        *,
        groups: int,
        eps: float,
        time: int,
    ) -> None:
        """``channels``: in and out of each residual block; ``down``, ``up``: those of a sampler."""
        super().__init__()
        if transformers:
            self.attentions = nn.ModuleList(transformers)
        self.resnets = nn.ModuleList(
            [ResnetBlock2D(inner, outer, groups, eps, time) for inner, outer in channels]
        )
        if down:
            self.downsamplers = nn.ModuleList([Downsample2D(down, padding=1)])
        if up:
            self.upsamplers = nn.ModuleList([Upsample2D(up)])

    def step(self, number: int, x: Tensor, time: Tensor, context: Tensor) -> Tensor:
        """The numbered residual block, and the attention behind it."""
        x = self.resnets[number](x, time)
        attentions = getattr(self, "attentions", ())
        if number < len(attentions):
            x = attentions[number](x, context)
        return x

    @property
    def sampler(self) -> nn.Module | None:
        """To the next side."""
        samplers = getattr(self, "downsamplers", None) or getattr(self, "upsamplers", None)
        return samplers[0] if samplers else None


class UNet2DConditionModel(Net):
    """Predicts noise or velocity from a noisy latent, its timestep and a caption (arXiv:2112.10752)."""

    fixed: ClassVar[Mapping[str, Any]] = {
        "act_fn": "silu",
        "addition_embed_type": "text_time",
        "attention_type": "default",
        "center_input_sample": False,
        "class_embed_type": None,
        "conv_in_kernel": 3,
        "conv_out_kernel": 3,
        "downsample_padding": 1,
        "dual_cross_attention": False,
        "encoder_hid_dim_type": None,
        "flip_sin_to_cos": True,
        "freq_shift": 0,
        "mid_block_scale_factor": 1,
        "mid_block_type": "UNetMidBlock2DCrossAttn",
        "num_class_embeds": None,
        "num_attention_heads": None,
        "only_cross_attention": False,
        "resnet_out_scale_factor": 1.0,
        "resnet_skip_time_act": False,
        "resnet_time_scale_shift": "default",
        "reverse_transformer_layers_per_block": None,
        "time_cond_proj_dim": None,
        "time_embedding_act_fn": None,
        "time_embedding_dim": None,
        "time_embedding_type": "positional",
        "timestep_post_act": None,
    }

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        widths: list[int] = list(config["block_out_channels"])
        per_level = int(config.get("layers_per_block", 2))
        groups, eps = int(config.get("norm_num_groups", 32)), float(config.get("norm_eps", 1e-5))
        context = int(config["cross_attention_dim"])
        linear = bool(config.get("use_linear_projection", False))
        count = len(widths)
        heads = _for_each(config.get("attention_head_dim", 8), count)
        depths = _for_each(config.get("transformer_layers_per_block", 1), count)
        time = 4 * widths[0]
        common: dict[str, Any] = {"groups": groups, "eps": eps, "time": time}

        def transformers(level: int, number: int) -> list[Transformer2DModel]:
            width = widths[level]
            return [
                Transformer2DModel(width, heads[level], context, depths[level], groups, linear=linear)
                for _ in range(number)
            ]

        self.conv_in = Conv2d(int(config.get("in_channels", 4)), widths[0], 3, padding=1)
        self.time_embedding = TimestepEmbedding(widths[0], time)
        self._added = int(config.get("addition_time_embed_dim") or 0)
        if config.get("addition_embed_type"):
            self.add_embedding = TimestepEmbedding(int(config["projection_class_embeddings_input_dim"]), time)
        self.down_blocks = nn.ModuleList()
        for level, kind in enumerate(config["down_block_types"]):
            inner, width, last = widths[max(level - 1, 0)], widths[level], level == count - 1
            channels = [(inner, width), *[(width, width)] * (per_level - 1)]
            found = transformers(level, per_level) if _attends(kind, "Down") else []
            self.down_blocks.append(Level(channels, found, None if last else width, None, **common))
        self.up_blocks = nn.ModuleList()
        for number, kind in enumerate(config["up_block_types"]):
            level = count - 1 - number
            width, below, above = widths[level], widths[min(level + 1, count - 1)], widths[max(level - 1, 0)]
            coming = [below, *[width] * per_level]
            kept = [*[width] * per_level, above]
            channels = [(one + other, width) for one, other in zip(coming, kept, strict=True)]
            found = transformers(level, per_level + 1) if _attends(kind, "Up") else []
            self.up_blocks.append(Level(channels, found, None, width if level else None, **common))
        width = widths[-1]
        self.mid_block = Level([(width, width)] * 2, transformers(-1, 1), None, None, **common)
        self.conv_norm_out = nn.GroupNorm(groups, widths[0], eps)
        self.conv_out = Conv2d(widths[0], int(config.get("out_channels", 4)), 3, padding=1)

    def forward(
        self,
        sample: Tensor,
        timesteps: Tensor,
        context: Tensor,
        pooled: Tensor | None = None,
        sizes: Tensor | None = None,
    ) -> Tensor:
        """[B,4,h,w] from ``sample`` [B,4,h,w], ``timesteps`` [B] and ``context`` [B,T,D]; with SDXL also
        ``pooled`` [B,P] and ``sizes`` [B,6]."""
        time = self.time_embedding(sinusoids(timesteps, self.conv_in.out_channels).to(sample.dtype))
        if pooled is not None and sizes is not None:
            numbers = sinusoids(sizes.flatten(), self._added).reshape(len(pooled), -1)
            time = time + self.add_embedding(torch.cat([pooled, numbers], dim=-1).to(time.dtype))
        time = functional.silu(time)  # every residual block begins with it
        x = self.conv_in(sample)
        kept = [x]
        for block in self.down_blocks:
            assert isinstance(block, Level)
            for number in range(len(block.resnets)):
                x = block.step(number, x, time, context)
                kept.append(x)
            if block.sampler is not None:
                x = block.sampler(x)
                kept.append(x)
        x = self.mid_block.step(0, x, time, context)
        x = self.mid_block.step(1, x, time, context)
        for block in self.up_blocks:
            assert isinstance(block, Level)
            for number in range(len(block.resnets)):
                x = block.step(number, torch.cat([x, kept.pop()], dim=1), time, context)
            if block.sampler is not None:
                # Sides that do not halve evenly have to come out as they went in.
                x = block.sampler(x, kept[-1].shape[2:])
        found: Tensor = self.conv_out(norm_silu(self.conv_norm_out, x))
        return found


def _for_each(value: Any, count: int) -> list[int]:
    values = list(value) if isinstance(value, list | tuple) else [value] * count
    return [int(one) for one in values]


def _attends(kind: str, side: str) -> bool:
    if kind not in (f"CrossAttn{side}Block2D", f"{side}Block2D"):
        raise ValueError(f"blocks of the kind {kind} are not known.")
    return kind.startswith("CrossAttn")
