"""Checkpoints from a diffusers folder to a single file and back; no number changes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from loratui.atomic import new_folder
from loratui.formats.layouts import text_layout, unet_layout, vae_layout
from loratui.lora.files.checkpoint import UNET, VAE, Checkpoint, Key, Place, read_checkpoint
from loratui.lora.files.folder_files import configs_for, parts_of, text_layers, write_small_files
from loratui.lora.files.streams import WAY_OUT, Entry, Reader, made, refuse_existing, write
from loratui.problems import Problem, UserError

if TYPE_CHECKING:
    import torch

_CLIP = {"sd15": "cond_stage_model.transformer.", "sdxl": "conditioner.embedders.0.transformer."}
_OPEN_CLIP = {"text_encoder": "cond_stage_model.model.", "text_encoder_2": "conditioner.embedders.1.model."}
_ARCHITECTURES = {
    "sd15": "stable-diffusion-v1",
    "sd2": "stable-diffusion-v2",
    "sdxl": "stable-diffusion-xl-v1-base",
}


@dataclass(frozen=True, slots=True)
class Converted:
    """What was written."""

    out: Path
    family: str
    tensors: int
    left_out: tuple[str, ...]
    """Tensors of the source that the other form has no place for, and no use."""
    bytes: int


def to_single_file(
    folder: Path, out: Path, *, prediction: str | None = None, zero_terminal_snr: bool | None = None
) -> Converted:
    """A diffusers folder of SD 1.x, 2.x or SDXL as one .safetensors file.

    ``prediction`` v is noted as other programs look for it: in the metadata, and as the marker tensors
    ``v_pred`` and ``ztsnr``. Raises ``UserError`` when ``out`` exists, a part is missing, or a tensor has
    no place in a single file.
    """
    refuse_existing(out)
    checkpoint = read_checkpoint(folder)
    _check_complete(checkpoint)
    unet = [key.name for key in checkpoint.places if key.part == "unet"]
    blocks = unet_layout.attention_blocks(unet)
    levels = vae_layout.vae_levels(key.name for key in checkpoint.places if key.part == "vae")
    with ExitStack() as stack:
        readers = {path: stack.enter_context(Reader(path)) for path in checkpoint.headers}
        entries: list[Entry] = []
        fused: dict[str, dict[int, Key]] = {}
        for key, place in checkpoint.places.items():
            name, third = _single_name(checkpoint, key, blocks, levels)
            if third is not None:
                fused.setdefault(name, {})[third] = key
            else:
                entries.append(_single_entry(readers[place.file], name, key, place))
        entries += [_fuse(checkpoint, readers, name, thirds) for name, thirds in fused.items()]
        metadata = {"format": "pt", "modelspec.architecture": _ARCHITECTURES[checkpoint.family]}
        if prediction:
            metadata["modelspec.prediction_type"] = prediction
        if prediction == "v":
            entries += [_marker("v_pred"), *([_marker("ztsnr")] if zero_terminal_snr else [])]
        size = write(out, entries, metadata)
        return Converted(out, checkpoint.family, len(entries), checkpoint.without_place, size)


def to_folder(
    file: Path,
    out: Path,
    *,
    config: Path | None = None,
    prediction: str | None = None,
    zero_terminal_snr: bool | None = None,
) -> Converted:
    """A single file of SD 1.x, 2.x or SDXL as a diffusers folder.

    ``config`` is a folder with ``unet/config.json`` and so on (and, where they differ from the usual,
    ``tokenizer`` and ``scheduler``) for a model of unusual shape. Raises ``UserError`` when ``out``
    exists, a part is missing, or the config describes another model.
    """
    refuse_existing(out)
    checkpoint = read_checkpoint(file)
    _check_complete(checkpoint)
    configs = configs_for(checkpoint, config)
    left_out = list(checkpoint.without_place)
    size = count = 0
    with Reader(file) as reader, new_folder(out, WAY_OUT) as temporary:
        for part in parts_of(checkpoint.family):
            entries = []
            for key, place in checkpoint.places.items():
                if key.part != part:
                    continue
                found = re.match(r"text_model\.encoder\.layers\.(\d+)\.", key.name)
                if found is not None and int(found[1]) >= text_layers(configs[part]):
                    left_out.append(place.name)
                else:
                    entries.append(_folder_entry(reader, key.name, place))
            name = "model" if part.startswith("text") else "diffusion_pytorch_model"
            size += write(temporary / part / f"{name}.safetensors", entries, {"format": "pt"})
            count += len(entries)
        write_small_files(temporary, checkpoint.family, configs, config, prediction, zero_terminal_snr)
    return Converted(out, checkpoint.family, count, tuple(dict.fromkeys(left_out)), size)


def _check_complete(checkpoint: Checkpoint) -> None:
    present = {key.part for key in checkpoint.places}
    for part in parts_of(checkpoint.family):
        if part not in present:
            raise UserError(
                str(checkpoint.path),
                Problem("", f"it has no {part.replace('_', ' ')}.", "Take a complete checkpoint."),
            )


def _single_name(
    checkpoint: Checkpoint, key: Key, blocks: frozenset[int], levels: int
) -> tuple[str, int | None]:
    """The tensor's name in a single file, and which third of it this is."""
    name: str | None
    if key.part == "unet":
        name = unet_layout.unet_to_sgm(key.name, checkpoint.layers, blocks)
        name = name and UNET + name
    elif key.part == "vae":
        name = vae_layout.vae_to_single(key.name, levels)
        name = name and VAE + name
    elif key.part == "text_encoder" and checkpoint.family != "sd2":
        name = _CLIP[checkpoint.family] + key.name
    else:
        place = text_layout.open_clip_place(key.name)
        if place is not None:
            return _OPEN_CLIP[key.part] + place.key, place.third
        name = None
    if name is None:
        raise UserError(
            str(checkpoint.path),
            Problem("", f"{key.part}.{key.name[:100]} has no place in a single file: an unusual model."),
        )
    return name, None


def _single_entry(reader: Reader, name: str, key: Key, place: Place) -> Entry:
    if key.name == "text_projection.weight":
        return made(name, place.stored.dtype, place.stored.shape[::-1], _turned(reader, place.name))
    shape = place.stored.shape
    if key.part == "vae" and vae_layout.is_vae_attention_weight(key.name) and len(shape) == 2:
        shape = (*shape, 1, 1)
    return Entry(name, place.stored.dtype, shape, lambda: reader.chunks(place.name))


def _fuse(
    checkpoint: Checkpoint, readers: Mapping[Path, Reader], name: str, thirds: Mapping[int, Key]
) -> Entry:
    """q, k and v below each other: their bytes one after the other."""
    places = [checkpoint.places[thirds[third]] for third in range(3) if third in thirds]
    if len(places) != 3 or len({(place.stored.dtype, place.stored.shape) for place in places}) != 1:
        raise UserError(
            str(checkpoint.path),
            Problem("", f"q, k and v of {name[:100]} are not all there in one shape.", "Download it again."),
        )
    rows, *rest = places[0].stored.shape

    def data() -> Iterable[memoryview]:
        return chain.from_iterable(readers[place.file].chunks(place.name) for place in places)

    return Entry(name, places[0].stored.dtype, (3 * rows, *rest), data)


def _folder_entry(reader: Reader, name: str, place: Place) -> Entry:
    dtype = place.stored.dtype
    if place.form == "transposed":
        return made(name, dtype, place.shape, _turned(reader, place.name))
    third = place.third
    if third is None:
        return Entry(name, dtype, place.shape, lambda: reader.chunks(place.name))

    def make() -> torch.Tensor:
        return reader.tensor(place.name).chunk(3)[third]

    return made(name, dtype, place.shape, make)


def _turned(reader: Reader, name: str) -> Callable[[], torch.Tensor]:
    return lambda: reader.tensor(name).T


def _marker(name: str) -> Entry:
    return Entry(name, "F32", (0,), list)
