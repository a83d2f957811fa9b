"""LoRAs of layers that share an input, as an attention's query, key and value do: their downs are computed as
one product, and so are the gradients that go back through them. Weights and files stay those of single
layers."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from loratui.trainer.lora import low_rank
from loratui.trainer.lora.lora_layer import LoraLayer
from loratui.trainer.nets.layers import Projecting


def join(part: nn.Module) -> None:
    """In all attentions of a U-Net or text encoder, wherever their LoRAs allow it at the time."""
    for module in part.modules():
        if isinstance(module, Projecting):
            module.project = project  # type: ignore[method-assign]


def project(x: Tensor, *layers: nn.Module) -> Sequence[Tensor]:
    """What each layer makes of ``x``: as one product where all have a LoRA that leaves nothing out, else one
    by one."""
    loras = [getattr(vars(layer).get("forward"), "__self__", None) for layer in layers]
    parts = [lora.part for lora in loras if isinstance(lora, LoraLayer)]
    whole = [part for part in parts if part is not None]
    return low_rank.joined(x, whole) if len(whole) == len(layers) else [layer(x) for layer in layers]
