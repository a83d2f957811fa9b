"""A base model's tensors under one set of names, whether it is a single file or a diffusers folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from loratui.formats.layouts import text_layout, unet_layout, vae_layout
from loratui.formats.tensorfile import Header, Tensor, read_header
from loratui.problems import Problem, UserError

Form = Literal["same", "transposed", "convolution"]
PARTS = ("unet", "vae", "text_encoder", "text_encoder_2")
UNET, VAE = "model.diffusion_model.", "first_stage_model."
_CLIP, _OPEN_CLIP = "cond_stage_model.transformer.", "cond_stage_model.model."
_CLIP_XL, _OPEN_CLIP_XL = "conditioner.embedders.0.transformer.", "conditioner.embedders.1.model."


class Key(NamedTuple):
    """A tensor of the model, in today's diffusers' and transformers' names (with ``text_model``)."""

    part: str
    name: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tensor lies."""

    file: Path
    name: str
    stored: Tensor
    third: Literal[0, 1, 2] | None = None
    """Which third of its rows; None for the whole tensor."""
    form: Form = "same"
    """Turned over, or a linear layer stored as a 1x1 convolution."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape that diffusers expects."""
        shape = self.stored.shape
        if self.third is not None:
            return (shape[0] // 3, *shape[1:])
        if self.form == "transposed":
            return shape[::-1]
        return shape[:2] if self.form == "convolution" else shape


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A base model, by its headers."""

    path: Path
    family: str
    """sd15, sd2 or sdxl."""
    places: Mapping[Key, Place]
    headers: Mapping[Path, Header]
    layers: int
    """The U-Net's ``layers_per_block``."""
    without_place: tuple[str, ...]
    """Tensors that diffusers has no use for (``position_ids``, ``logit_scale``, an EMA copy)."""


def read_checkpoint(path: Path) -> Checkpoint:
    """Read the headers of a single file or a diffusers folder of SD 1.x, 2.x or SDXL.

    Raises ``UserError`` when it is missing, damaged, pickled, or of another kind.
    """
    return _read_folder(path) if path.is_dir() else _read_single(path)


def _read_single(path: Path) -> Checkpoint:
    header = read_header(path)
    names = header.tensors
    unet = [name.removeprefix(UNET) for name in names if name.startswith(UNET)]
    if "input_blocks.0.0.weight" not in unet:
        raise _error(
            path,
            "this is no checkpoint of SD 1.x, 2.x or SDXL: it has no U-Net.",
            "Name the base model first, then the LoRAs.",
        )
    family = _family(names)
    layers = unet_layout.sgm_layers(unet)
    levels = vae_layout.vae_levels(name.removeprefix(VAE) for name in names if name.startswith(VAE))
    places: dict[Key, Place] = {}
    without: list[str] = []
    for name, tensor in names.items():
        found = _single_keys(name, tensor, layers, levels)
        if not found:
            without.append(name)
        for key, third, form in found:
            places[key] = Place(path, name, tensor, third, form)
    return Checkpoint(path, family, places, {path: header}, layers, tuple(without))


def _single_keys(
    name: str, tensor: Tensor, layers: int, levels: int
) -> list[tuple[Key, Literal[0, 1, 2] | None, Form]]:
    if name.startswith(UNET):
        key = unet_layout.unet_to_diffusers(name.removeprefix(UNET), layers)
        return [(Key("unet", key), None, "same")] if key else []
    if name.startswith(VAE):
        key = vae_layout.vae_to_diffusers(name.removeprefix(VAE), levels)
        if key is None:
            return []
        square = vae_layout.is_vae_attention_weight(key) and tensor.shape[2:] == (1, 1)
        return [(Key("vae", key), None, "convolution" if square else "same")]
    for prefix in (_CLIP, _CLIP_XL):
        if name.startswith(prefix) and not name.endswith("position_ids"):
            return [
                (Key("text_encoder", text_layout.with_text_model(name.removeprefix(prefix))), None, "same")
            ]
    for prefix, part in ((_OPEN_CLIP, "text_encoder"), (_OPEN_CLIP_XL, "text_encoder_2")):
        if name.startswith(prefix):
            if len(tensor.shape) > 0 and tensor.shape[0] % 3 and ".in_proj_" in name:
                return []
            return [
                (Key(part, key), place.third, "transposed" if place.transposed else "same")
                for key, place in text_layout.open_clip_keys(name.removeprefix(prefix))
                if not (part == "text_encoder" and place.transposed)
            ]
    return []


def _family(names: Mapping[str, Tensor]) -> str:
    if any(name.startswith(_OPEN_CLIP_XL) for name in names) or f"{UNET}label_emb.0.0.weight" in names:
        return "sdxl"
    if any(name.startswith(_OPEN_CLIP) for name in names):
        return "sd2"
    context = names.get(f"{UNET}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight")
    return "sd2" if context is not None and context.shape[-1:] == (1024,) else "sd15"


def _read_folder(path: Path) -> Checkpoint:
    headers: dict[Path, Header] = {}
    places: dict[Key, Place] = {}
    without: list[str] = []
    for part in PARTS:
        if not (path / part).is_dir():
            continue
        for file in weight_files(path / part):
            headers[file] = read_header(file)
            for name, tensor in headers[file].tensors.items():
                if name.endswith("position_ids"):
                    without.append(name)
                    continue
                key = vae_layout.new_vae_name(name) if part == "vae" else name
                if part.startswith("text"):
                    key = text_layout.with_text_model(name)
                square = part == "vae" and vae_layout.is_vae_attention_weight(key) and len(tensor.shape) == 4
                places[Key(part, key)] = Place(file, name, tensor, None, "convolution" if square else "same")
    unet = [key.name for key in places if key.part == "unet"]
    if "conv_in.weight" not in unet:
        raise _error(
            path,
            "this is no diffusers folder of a base model: it has no unet with .safetensors weights.",
            "Name the folder that holds model_index.json.",
        )
    if any(key.part == "text_encoder_2" for key in places) or "add_embedding.linear_1.weight" in unet:
        family = "sdxl"
    else:
        context = places.get(Key("unet", "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight"))
        deep = places.get(Key("text_encoder", "text_model.encoder.layers.22.layer_norm1.weight"))
        wide = context is not None and context.shape[-1:] == (1024,)
        family = "sd2" if wide or (deep is not None) or _says_gelu(path / "text_encoder") else "sd15"
    return Checkpoint(path, family, places, headers, unet_layout.diffusers_layers(unet), tuple(without))


def weight_files(part: Path) -> list[Path]:
    """The files that hold a part's weights: the plain one, else its shards, else the fp16 variant.

    Raises ``UserError`` when there are none, or only pickled ones.
    """
    for stem in ("diffusion_pytorch_model", "model"):
        index = part / f"{stem}.safetensors.index.json"
        for names in (
            [part / f"{stem}.safetensors"],
            sorted(part.glob(f"{stem}-?????-of-?????.safetensors")) if index.exists() else [],
            [part / f"{stem}.fp16.safetensors"],
        ):
            if names and all(name.exists() for name in names):
                return names
    pickled = any(part.glob("*.bin"))
    raise _error(
        part,
        "its weights are pickled, which can run any code when opened."
        if pickled
        else "it holds no .safetensors weights.",
        "Download the .safetensors files of this model.",
    )


def _says_gelu(part: Path) -> bool:
    """SD 1.x' CLIP has quick_gelu, OpenCLIP has gelu."""
    try:
        config = json.loads((part / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and config.get("hidden_act") == "gelu"


def _error(path: Path, message: str, fix: str) -> UserError:
    return UserError(str(path), Problem("", message, fix))
