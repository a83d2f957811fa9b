"""One model, two sets of names: Stability's single files and diffusers' folders. Pure text.

The pairs are facts of the two code bases: Stability's ``ldm``/``sgm`` (openaimodel.py, diffusionmodules/
model.py), open_clip (model.py), and diffusers' UNet2DConditionModel and AutoencoderKL. All functions take
a module's dotted path or a tensor's key (a path with ``.weight`` or ``.bias`` behind it).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

Table = tuple[tuple[str, str], ...]

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
_OPEN_CLIP: Table = (
    ("token_embedding", "text_model.embeddings.token_embedding"),
    ("ln_final", "text_model.final_layer_norm"),
)
_OPEN_CLIP_BLOCK: Table = (
    ("ln_1", "layer_norm1"),
    ("ln_2", "layer_norm2"),
    ("mlp.c_fc", "mlp.fc1"),
    ("mlp.c_proj", "mlp.fc2"),
    ("attn.out_proj", "self_attn.out_proj"),
)
_SGM_BLOCK = re.compile(r"(input|output)_blocks\.(\d+)\.(\d)\.(.+)")
_UNET_BLOCK = re.compile(
    r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.+)"
)
_VAE_LEVEL = re.compile(r"(encoder\.down|decoder\.up)\.(\d+)\.(?:block\.(\d+)|(?:down|up)sample)\.(.+)")
_VAE_BLOCK = re.compile(
    r"(encoder\.down|decoder\.up)_blocks\.(\d+)\.(resnets|downsamplers|upsamplers)\.(\d+)\.(.+)"
)
_RESBLOCK = re.compile(r"transformer\.resblocks\.(\d+)\.(.+)")
_ENCODER_LAYER = re.compile(r"text_model\.encoder\.layers\.(\d+)\.(.+)")


class OpenClip(NamedTuple):
    """Where a tensor of transformers' CLIP lies in open_clip's."""

    key: str
    third: Literal[0, 1, 2] | None = None
    """Which third of the rows: q, k and v lie in one tensor there."""
    transposed: bool = False
    """open_clip multiplies with its projection from the right (model.py, ``x @ self.text_projection``)."""


def unet_to_diffusers(key: str, layers: int) -> str | None:
    """diffusers' name of a part of Stability's U-Net; None when it is none.

    ``layers`` is ``layers_per_block``: a down block has that many layers and a downsampler, after one
    first convolution; an up block has one layer more, and its upsampler rides on the last.
    """
    found = _SGM_BLOCK.fullmatch(key)
    if found is None or key.startswith("input_blocks.0."):
        return _swap(key, _UNET) or _resnet_or_attention(key)
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
    inner = _swap(rest, _UNET_RESNET) if place == "0" else None
    return inner and f"{stem}.resnets.{layer}.{inner}"


def _resnet_or_attention(key: str) -> str | None:
    middle = _swap(key, _UNET_MIDDLE)
    if middle is None or ".attentions." in middle:
        return middle
    stem, rest = middle[: len("mid_block.resnets.0")], middle[len("mid_block.resnets.0.") :]
    inner = _swap(rest, _UNET_RESNET)
    return inner and f"{stem}.{inner}"


def unet_to_sgm(key: str, layers: int, attention_blocks: frozenset[int] | None = None) -> str | None:
    """The other way round. ``attention_blocks``: the up blocks that have attention, behind which their
    upsampler stands (all of them by default, as in SDXL)."""
    found = _UNET_BLOCK.fullmatch(key)
    if found is None:
        middle = _swap(key, _UNET_MIDDLE, back=True)
        if middle and not middle.startswith("middle_block.1"):
            stem, rest = middle[: len("middle_block.0")], middle[len("middle_block.0.") :]
            inner = _swap(rest, _UNET_RESNET, back=True)
            return inner and f"{stem}.{inner}"
        return middle or _swap(key, _UNET, back=True)
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
    inner = _swap(rest, _UNET_RESNET, back=True)
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
    middle = _swap(key, _VAE)
    if middle and ".attentions.0." in middle:
        stem, rest = middle.split(".attentions.0.")
        inner = _swap(rest, _VAE_ATTENTION)
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
    middle = _swap(key, _VAE, back=True)
    if middle and ".attn_1." in middle:
        stem, rest = middle.split(".attn_1.")
        inner = _swap(rest, _VAE_ATTENTION, back=True)
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
    return f"{stem}{mark}{_swap(rest, _OLD_VAE_ATTENTION) or rest}" if mark else key


def is_vae_attention_weight(key: str) -> bool:
    """Whether a VAE's tensor (diffusers' key) is a linear layer here and a 1x1 convolution there."""
    return ".attentions.0.to_" in key and key.endswith(".weight")


def open_clip_keys(key: str) -> tuple[tuple[str, OpenClip], ...]:
    """transformers' keys of a tensor of open_clip's text encoder, each with where it lies; none for what
    transformers does not have (``logit_scale``)."""
    if key == "text_projection":
        return (("text_projection.weight", OpenClip(key, transposed=True)),)
    if key == "positional_embedding":
        return (("text_model.embeddings.position_embedding.weight", OpenClip(key)),)
    found = _RESBLOCK.fullmatch(key)
    if found is None:
        name = _swap(key, _OPEN_CLIP)
        return ((name, OpenClip(key)),) if name else ()
    stem, rest = f"text_model.encoder.layers.{found[1]}", found[2]
    if rest.startswith("attn.in_proj_"):
        kind = rest.removeprefix("attn.in_proj_")
        thirds: tuple[tuple[str, Literal[0, 1, 2]], ...] = (("q", 0), ("k", 1), ("v", 2))
        return tuple((f"{stem}.self_attn.{name}_proj.{kind}", OpenClip(key, third)) for name, third in thirds)
    inner = _swap(rest, _OPEN_CLIP_BLOCK)
    return ((f"{stem}.{inner}", OpenClip(key)),) if inner else ()


def open_clip_place(key: str) -> OpenClip | None:
    """Where a tensor of transformers' CLIP belongs in open_clip's; None when it has no place there."""
    if key == "text_projection.weight":
        return OpenClip("text_projection", transposed=True)
    if key == "text_model.embeddings.position_embedding.weight":
        return OpenClip("positional_embedding")
    found = _ENCODER_LAYER.fullmatch(key)
    if found is None:
        name = _swap(key, _OPEN_CLIP, back=True)
        return OpenClip(name) if name else None
    stem, rest = f"transformer.resblocks.{found[1]}", found[2]
    fused = re.fullmatch(r"self_attn\.([qkv])_proj\.(weight|bias)", rest)
    if fused is not None:
        third: Literal[0, 1, 2] = 0 if fused[1] == "q" else 1 if fused[1] == "k" else 2
        return OpenClip(f"{stem}.attn.in_proj_{fused[2]}", third)
    inner = _swap(rest, _OPEN_CLIP_BLOCK, back=True)
    return OpenClip(f"{stem}.{inner}") if inner else None


def with_text_model(key: str) -> str:
    """transformers 5.6 dropped the ``text_model`` level of ``CLIPTextModel``; everybody else keeps it."""
    return f"text_model.{key}" if key.startswith(("embeddings.", "encoder.", "final_layer_norm.")) else key


def _swap(name: str, table: Table, *, back: bool = False) -> str | None:
    for left, right in table:
        old, new = (right, left) if back else (left, right)
        if name == old or name.startswith(f"{old}."):
            return new + name[len(old) :]
    return None


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
