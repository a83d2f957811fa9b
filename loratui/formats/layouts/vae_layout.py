"""The VAE in Stability's single files and in diffusers' folders. Pure text.

The pairs are facts of the two code bases: Stability's ``ldm`` (diffusionmodules/model.py) and diffusers'
AutoencoderKL. All functions take a tensor's key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from loratui.formats.layouts.renaming import Table, swap

_VAE: Table = (
    ("encoder.mid.block_1", "encoder.mid_block.resnets.0"),
    ("encoder.mid.attn_1", "encoder.mid_block.attentions.0"),
    ("encoder.mid.block_2", "encoder.mid_block.resnets.1"),
    ("decoder.mid.block_1", "decoder.mid_block.resnets.0"),
    ("decoder.mid.attn_1", "decoder.mid_block.attentions.0"),
    ("decoder.mid.block_2", "decoder.mid_block.resnets.1"),
    ("encoder.norm_out", "encoder.conv_norm_out"),
    ("decoder.norm_out", "decoder.conv_norm_out"),
)
_VAE_ATTENTION: Table = (
    ("norm", "group_norm"),
    ("q", "to_q"),
    ("k", "to_k"),
    ("v", "to_v"),
    ("proj_out", "to_out.0"),
)
_OLD_VAE_ATTENTION: Table = (
    # diffusers before 0.18; folders of that time are still about
    ("query", "to_q"),
    ("key", "to_k"),
    ("value", "to_v"),
    ("proj_attn", "to_out.0"),
)
_VAE_LEVEL = re.compile(r"(encoder\.down|decoder\.up)\.(\d+)\.(?:block\.(\d+)|(?:down|up)sample)\.(.+)")
_VAE_BLOCK = re.compile(
    r"(encoder\.down|decoder\.up)_blocks\.(\d+)\.(resnets|downsamplers|upsamplers)\.(\d+)\.(.+)"
)


def vae_to_diffusers(key: str, levels: int) -> str | None:
    """diffusers' name of a part of the VAE. ``levels``: how many the decoder has; they are counted from
    the other end there."""
    found = _VAE_LEVEL.fullmatch(key)
    if found is not None:
        side, level, layer, rest = found[1], int(found[2]), found[3], found[4]
        block = level if side == "encoder.down" else levels - 1 - level
        if layer is None:
            name = "downsamplers" if side == "encoder.down" else "upsamplers"
            return f"{side}_blocks.{block}.{name}.0.{rest}"
        return f"{side}_blocks.{block}.resnets.{layer}.{_shortcut(rest)}"
    middle = swap(key, _VAE)
    if middle and ".attentions.0." in middle:
        stem, rest = middle.split(".attentions.0.")
        inner = swap(rest, _VAE_ATTENTION)
        return inner and f"{stem}.attentions.0.{inner}"
    if middle:
        return _shortcut(middle)
    return key if _same_in_both(key) else None


def vae_to_single(key: str, levels: int) -> str | None:
    """The other way round."""
    found = _VAE_BLOCK.fullmatch(key)
    if found is not None:
        side, block, kind, layer, rest = found[1], int(found[2]), found[3], found[4], found[5]
        level = block if side == "encoder.down" else levels - 1 - block
        if kind != "resnets":
            return f"{side}.{level}.{kind.removesuffix('rs')}.{rest}"
        return f"{side}.{level}.block.{layer}.{_shortcut(rest, back=True)}"
    middle = swap(key, _VAE, back=True)
    if middle and ".attn_1." in middle:
        stem, rest = middle.split(".attn_1.")
        inner = swap(rest, _VAE_ATTENTION, back=True)
        return inner and f"{stem}.attn_1.{inner}"
    if middle:
        return _shortcut(middle, back=True)
    return key if _same_in_both(key) else None


def vae_levels(keys: Iterable[str]) -> int:
    """How many levels the VAE's decoder has, in either set of names."""
    numbers = [int(found[1]) for key in keys if (found := re.match(r"decoder\.up(?:_blocks)?\.(\d+)\.", key))]
    return max(numbers, default=-1) + 1


def new_vae_name(key: str) -> str:
    """A VAE's key as diffusers writes it today, whatever version wrote it."""
    stem, mark, rest = key.partition(".attentions.0.")
    return f"{stem}{mark}{swap(rest, _OLD_VAE_ATTENTION) or rest}" if mark else key


def is_vae_attention_weight(key: str) -> bool:
    """Whether a VAE's tensor (diffusers' key) is a linear layer here and a 1x1 convolution there."""
    return ".attentions.0.to_" in key and key.endswith(".weight")


def _shortcut(rest: str, *, back: bool = False) -> str:
    return (
        rest.replace("conv_shortcut", "nin_shortcut")
        if back
        else rest.replace("nin_shortcut", "conv_shortcut")
    )


def _same_in_both(key: str) -> bool:
    return key.startswith(
        (
            "encoder.conv_in.",
            "encoder.conv_out.",
            "decoder.conv_in.",
            "decoder.conv_out.",
            "quant_conv.",
            "post_quant_conv.",
        )
    )
