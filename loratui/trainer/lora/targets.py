"""Which layers of a base model get a LoRA (sd-scripts networks/lora.py:867-875)."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from loratui.trainer.lora.names import text_encoder_name, unet_name

Target = nn.Linear | nn.Conv2d
Targets = dict[str, dict[str, Target]]
"""Layers by group (``text_encoder``, ``text_encoder_2``, ``unet``) and Kohya name."""

_UNET_PARENTS = frozenset({"Transformer2DModel"})
_UNET_CONVOLUTION_PARENTS = frozenset({"ResnetBlock2D", "Downsample2D", "Upsample2D"})
_TEXT_PARENTS = frozenset({"CLIPAttention", "CLIPSdpaAttention", "CLIPMLP"})


def unet_targets(
    unet: nn.Module, *, sgm: bool, convolutions: bool = False
) -> dict[str, nn.Linear | nn.Conv2d]:
    """The U-Net's layers that get a LoRA, by Kohya name: those of its attention, and with ``convolutions``
    (LoCon) those of its residual blocks and samplers."""
    per_block = int(getattr(unet, "config", {}).get("layers_per_block", 2))
    parents = _UNET_PARENTS | _UNET_CONVOLUTION_PARENTS if convolutions else _UNET_PARENTS
    return {
        unet_name(name, sgm=sgm, layers_per_block=per_block): layer
        for name, layer in _layers(unet, parents, convolutions)
    }


def text_targets(encoder: nn.Module, prefix: str) -> dict[str, nn.Linear | nn.Conv2d]:
    """A text encoder's layers that get a LoRA, by Kohya name."""
    return {text_encoder_name(name, prefix): layer for name, layer in _layers(encoder, _TEXT_PARENTS, False)}


def _layers(
    root: nn.Module, parents: frozenset[str], convolutions: bool
) -> Iterator[tuple[str, nn.Linear | nn.Conv2d]]:
    for parent_name, parent in root.named_modules():
        if type(parent).__name__ not in parents:
            continue
        for name, layer in parent.named_modules():
            if isinstance(layer, nn.Linear | nn.Conv2d) and (convolutions or is_pointwise(layer)):
                yield f"{parent_name}.{name}", layer


def is_pointwise(layer: Target) -> bool:
    """Whether a layer looks at one place at a time: a linear one, or a 1x1 convolution."""
    return isinstance(layer, nn.Linear) or tuple(layer.kernel_size) == (1, 1)
