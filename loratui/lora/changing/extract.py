"""A LoRA out of two checkpoints: what one has that the other has not."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from loratui.lora.changing import low_rank
from loratui.lora.changing.precision import fits
from loratui.lora.files.checkpoint import Checkpoint, Key, Place, read_checkpoint
from loratui.lora.files.lora_writer import NewModule, Progress, kohya_names, no_progress, save_lora, shaped
from loratui.lora.files.module_names import Module
from loratui.lora.files.streams import FLOATS, PRECISIONS, Reader, refuse_existing
from loratui.problems import Problem, UserError

if TYPE_CHECKING:
    import torch

_FAMILY_VERSIONS = {"sd15": "sd_v1", "sd2": "sd_v2", "sdxl": "sdxl_base_v1-0"}
"""``ss_base_model_version`` as sd-scripts writes it (library/train_util.py, ``get_sai_model_spec``)."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """What was written."""

    out: Path
    family: str
    modules: int
    unchanged: int
    """Modules that are the same in both, which get no LoRA."""
    rank: int
    kept_energy: float
    error: float
    bytes: int


def extract(
    tuned: Path,
    base: Path,
    out: Path,
    *,
    rank: int,
    conv_rank: int | None = None,
    precision: str = "fp16",
    progress: Progress = no_progress,
) -> Extracted:
    """Write the difference ``tuned - base`` as a LoRA of ``rank``, in Kohya's names.

    The layers are those that Kohya trains: attention of the U-Net and of the text encoders; with
    ``conv_rank`` also the U-Net's residual blocks and samplers (LoCon). Files and folders may be mixed.
    Holds one layer of each at a time. Raises ``UserError`` when ``out`` exists, a model is damaged, the
    families differ, or nothing differs.
    """
    refuse_existing(out)
    first, second = read_checkpoint(tuned), read_checkpoint(base)
    keys = _layers(first, second, conv_rank is not None)
    modules: list[NewModule] = []
    kept_sum = total_sum = 0.0
    unchanged = 0
    with ExitStack() as stack:
        files = {path: stack.enter_context(Reader(path)) for path in {*first.headers, *second.headers}}
        for done, key in enumerate(keys):
            progress(done, len(keys))
            places = first.places[key], second.places[key]
            change = _read(files, places[0]).sub_(_read(files, places[1]))
            if not fits(change, "F32"):
                raise files[places[0].file].error(
                    f"{places[0].name[:100]} holds NaN or infinite numbers, here or in {base.name}.",
                    "Download the model again.",
                )
            if not change.any():
                unchanged += 1
                continue
            attention = key.part != "unet" or ".attentions." in key.name
            wanted = rank if attention else conv_rank or rank
            spectrum, total = low_rank.of_matrix(change.flatten(1), wanted)
            kept_sum += float(spectrum.values.square().sum())
            total_sum += total
            up, down = low_rank.split(spectrum, wanted)
            up, down = shaped(up, down, change.shape[1:])
            module = Module(key.part, key.name.removesuffix(".weight"))
            names = kohya_names(module, sdxl=first.family == "sdxl")
            modules.append(NewModule(names, up, down, float(down.shape[0])))
    if not modules:
        raise _error(tuned, f"it does not differ from {base.name} in any layer that a LoRA can hold.")
    metadata = {
        "ss_base_model_version": _FAMILY_VERSIONS[first.family],
        "ss_v2": str(first.family == "sd2"),
        "loratui.extracted": f"{tuned.stem} - {base.stem}",
    }
    size = save_lora(out, modules, metadata, PRECISIONS[precision])
    share = min(1.0, kept_sum / total_sum)
    return Extracted(
        out, first.family, len(modules), unchanged, rank, share, math.sqrt(max(0.0, 1 - share)), size
    )


def _layers(tuned: Checkpoint, base: Checkpoint, convolutions: bool) -> list[Key]:
    keys = [
        key
        for key, place in tuned.places.items()
        if place.stored.dtype in FLOATS and len(place.shape) in (2, 4) and _is_target(key, convolutions)
    ]
    differing = [
        key for key in keys if key not in base.places or base.places[key].shape != tuned.places[key].shape
    ]
    if tuned.family != base.family or differing:
        named = f"{differing[0].part}.{differing[0].name}" if differing else "its text encoders"
        raise _error(
            tuned.path,
            f"it is no fine-tune of {base.path.name}: {len(differing)} layers are not there or have another"
            f" shape, first {named}.",
        )
    return keys


def _is_target(key: Key, convolutions: bool) -> bool:
    if not key.name.endswith(".weight"):
        return False
    if key.part.startswith("text_encoder"):
        return ".encoder.layers." in key.name
    if key.part != "unet":
        return False
    return ".attentions." in key.name or (
        convolutions and any(kind in key.name for kind in (".resnets.", ".downsamplers.", ".upsamplers."))
    )


def _read(files: dict[Path, Reader], place: Place) -> torch.Tensor:
    whole = files[place.file].tensor(place.name).float()
    part = whole if place.third is None else whole.chunk(3)[place.third]
    return (part.T if place.form == "transposed" else part).clone()


def _error(path: Path, message: str) -> UserError:
    return UserError(str(path), Problem("", message, "Name the tuned model first, then its base."))
