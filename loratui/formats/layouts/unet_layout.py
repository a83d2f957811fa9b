"""The U-Net in Stability's single files and in diffusers' folders. Pure text.

The pairs are facts of the two code bases: Stability's ``ldm`` and ``sgm`` (openaimodel.py) and diffusers'
UNet2DConditionModel. All functions take a module's dotted path or a tensor's key (a path with
``.weight`` or ``.bias`` behind it).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from loratui.formats.layouts.renaming import Table, swap

_UNET: Table = (
    ("time_embed.0", "time_embedding.linear_1"),
    ("time_embed.2", "time_embedding.linear_2"),
    ("label_emb.0.0", "add_embedding.linear_1"),
    ("label_emb.0.2", "add_embedding.linear_2"),
    ("input_blocks.0.0", "conv_in"),
    ("out.0", "conv_norm_out"),
    ("out.2", "conv_out"),
)
_UNET_RESNET: Table = (
    ("in_layers.0", "norm1"),
    ("in_layers.2", "conv1"),
    ("emb_layers.1", "time_emb_proj"),
    ("out_layers.0", "norm2"),
    ("out_layers.3", "conv2"),
    ("skip_connection", "conv_shortcut"),
)
_UNET_MIDDLE: Table = (
    ("middle_block.0", "mid_block.resnets.0"),
    ("middle_block.1", "mid_block.attentions.0"),
    ("middle_block.2", "mid_block.resnets.1"),
)
_SGM_BLOCK = re.compile(r"(input|output)_blocks\.(\d+)\.(\d)\.(.+)")
_UNET_BLOCK = re.compile(
    r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.+)"
)


def unet_to_diffusers(key: str, layers: int) -> str | None:
    """diffusers' name of a part of Stability's U-Net; None when it is none.

    ``layers`` is ``layers_per_block``: a down block has that many layers and a downsampler, after one
    first convolution; an up block has one layer more, and its upsampler rides on the last.
    """
    found = _SGM_BLOCK.fullmatch(key)
    if found is None or key.startswith("input_blocks.0."):
        return swap(key, _UNET) or _resnet_or_attention(key)
    side, number, place, rest = found[1], int(found[2]), found[3], found[4]
    if side == "input":
        block, layer = divmod(number - 1, layers + 1)
        if rest == "op" or rest.startswith("op."):
            return f"down_blocks.{block}.downsamplers.0.conv{rest[2:]}"
        stem = f"down_blocks.{block}"
    else:
        block, layer = divmod(number, layers + 1)
        if place != "0" and (rest == "conv" or rest.startswith("conv.")):
            return f"up_blocks.{block}.upsamplers.0.{rest}"
        stem = f"up_blocks.{block}"
    if place == "1":
        return f"{stem}.attentions.{layer}.{rest}"
    inner = swap(rest, _UNET_RESNET) if place == "0" else None
    return inner and f"{stem}.resnets.{layer}.{inner}"


def _resnet_or_attention(key: str) -> str | None:
    middle = swap(key, _UNET_MIDDLE)
    if middle is None or ".attentions." in middle:
        return middle
    stem, rest = middle[: len("mid_block.resnets.0")], middle[len("mid_block.resnets.0.") :]
    inner = swap(rest, _UNET_RESNET)
    return inner and f"{stem}.{inner}"


def unet_to_sgm(key: str, layers: int, attention_blocks: frozenset[int] | None = None) -> str | None:
    """The other way round. ``attention_blocks``: the up blocks that have attention, behind which their
    upsampler stands (all of them by default, as in SDXL)."""
    found = _UNET_BLOCK.fullmatch(key)
    if found is None:
        middle = swap(key, _UNET_MIDDLE, back=True)
        if middle and not middle.startswith("middle_block.1"):
            stem, rest = middle[: len("middle_block.0")], middle[len("middle_block.0.") :]
            inner = swap(rest, _UNET_RESNET, back=True)
            return inner and f"{stem}.{inner}"
        return middle or swap(key, _UNET, back=True)
    side, block, kind, layer, rest = found[1], int(found[2]), found[3], int(found[4]), found[5]
    if kind == "downsamplers":
        return f"input_blocks.{(layers + 1) * (block + 1)}.0.op{rest.removeprefix('conv')}"
    if kind == "upsamplers":
        place = 2 if attention_blocks is None or block in attention_blocks else 1
        return f"output_blocks.{(layers + 1) * block + layers}.{place}.{rest}"
    number = (layers + 1) * block + layer
    stem = f"input_blocks.{number + 1}" if side == "down" else f"output_blocks.{number}"
    if kind == "attentions":
        return f"{stem}.1.{rest}"
    inner = swap(rest, _UNET_RESNET, back=True)
    return inner and f"{stem}.0.{inner}"


def sgm_layers(keys: Iterable[str]) -> int:
    """``layers_per_block`` of a U-Net in Stability's names: its first downsampler ends the first block."""
    keys = list(keys)
    ends = [int(key.split(".")[1]) for key in keys if re.match(r"input_blocks\.\d+\.0\.op\.", key)]
    if ends:
        return min(ends) - 1
    numbers = [int(key.split(".")[1]) for key in keys if re.match(r"input_blocks\.\d+\.", key)]
    return max(max(numbers, default=2), 1)


def diffusers_layers(keys: Iterable[str]) -> int:
    """``layers_per_block`` of a U-Net in diffusers' names."""
    numbers = [int(key.split(".")[3]) for key in keys if re.match(r"down_blocks\.0\.resnets\.\d+\.", key)]
    return max(numbers, default=1) + 1


def attention_blocks(keys: Iterable[str]) -> frozenset[int]:
    """The up blocks with attention of a U-Net in diffusers' names."""
    return frozenset(int(key.split(".")[1]) for key in keys if re.match(r"up_blocks\.\d+\.attentions\.", key))
