"""CLIP in open_clip's names (model.py), as single files of SD 2.x and SDXL have it, and in transformers'.

Pure text.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from loratui.formats.layouts.renaming import Table, swap

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
_RESBLOCK = re.compile(r"transformer\.resblocks\.(\d+)\.(.+)")
_ENCODER_LAYER = re.compile(r"text_model\.encoder\.layers\.(\d+)\.(.+)")


class OpenClip(NamedTuple):
    """Where a tensor of transformers' CLIP lies in open_clip's."""

    key: str
    third: Literal[0, 1, 2] | None = None
    """Which third of the rows: q, k and v lie in one tensor there."""
    transposed: bool = False
    """open_clip multiplies with its projection from the right (model.py, ``x @ self.text_projection``)."""


def open_clip_keys(key: str) -> tuple[tuple[str, OpenClip], ...]:
    """transformers' keys of a tensor of open_clip's text encoder, each with where it lies; none for what
    transformers does not have (``logit_scale``)."""
    if key == "text_projection":
        return (("text_projection.weight", OpenClip(key, transposed=True)),)
    if key == "positional_embedding":
        return (("text_model.embeddings.position_embedding.weight", OpenClip(key)),)
    found = _RESBLOCK.fullmatch(key)
    if found is None:
        name = swap(key, _OPEN_CLIP)
        return ((name, OpenClip(key)),) if name else ()
    stem, rest = f"text_model.encoder.layers.{found[1]}", found[2]
    if rest.startswith("attn.in_proj_"):
        kind = rest.removeprefix("attn.in_proj_")
        thirds: tuple[tuple[str, Literal[0, 1, 2]], ...] = (("q", 0), ("k", 1), ("v", 2))
        return tuple((f"{stem}.self_attn.{name}_proj.{kind}", OpenClip(key, third)) for name, third in thirds)
    inner = swap(rest, _OPEN_CLIP_BLOCK)
    return ((f"{stem}.{inner}", OpenClip(key)),) if inner else ()


def open_clip_place(key: str) -> OpenClip | None:
    """Where a tensor of transformers' CLIP belongs in open_clip's; None when it has no place there."""
    if key == "text_projection.weight":
        return OpenClip("text_projection", transposed=True)
    if key == "text_model.embeddings.position_embedding.weight":
        return OpenClip("positional_embedding")
    found = _ENCODER_LAYER.fullmatch(key)
    if found is None:
        name = swap(key, _OPEN_CLIP, back=True)
        return OpenClip(name) if name else None
    stem, rest = f"transformer.resblocks.{found[1]}", found[2]
    fused = re.fullmatch(r"self_attn\.([qkv])_proj\.(weight|bias)", rest)
    if fused is not None:
        third: Literal[0, 1, 2] = 0 if fused[1] == "q" else 1 if fused[1] == "k" else 2
        return OpenClip(f"{stem}.attn.in_proj_{fused[2]}", third)
    inner = swap(rest, _OPEN_CLIP_BLOCK, back=True)
    return OpenClip(f"{stem}.{inner}") if inner else None


def with_text_model(key: str) -> str:
    """transformers 5.6 dropped the ``text_model`` level of ``CLIPTextModel``; everybody else keeps it."""
    return f"text_model.{key}" if key.startswith(("embeddings.", "encoder.", "final_layer_norm.")) else key
