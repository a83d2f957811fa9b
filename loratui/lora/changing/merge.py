"""LoRAs into a checkpoint: ``W + strength * alpha / rank * up @ down``, tensor by tensor."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from loratui.atomic import new_folder
from loratui.lora.changing.precision import refuse_not_finite, target_dtype
from loratui.lora.files.checkpoint import PARTS, Checkpoint, Key, Place, read_checkpoint
from loratui.lora.files.streams import (
    FLOATS,
    WAY_OUT,
    Entry,
    Reader,
    copied,
    made,
    refuse_existing,
    without_hashes,
    write,
)
from loratui.lora.files.weights import LoraFile, LoraModule

if TYPE_CHECKING:
    import torch

_FAMILY_NAMES = {"sd15": "SD 1.x", "sd2": "SD 2.x", "sdxl": "SDXL"}


@dataclass(frozen=True, slots=True)
class Merged:
    """What was written."""

    out: Path
    family: str
    modules: tuple[int, ...]
    """How many modules of each LoRA were added."""
    tensors_changed: int
    tensors: int
    bytes: int


Changes = dict[tuple[Path, str], list[tuple[Place, LoraFile, LoraModule, float]]]


def merge(base: Path, loras: Sequence[tuple[Path, float]], out: Path, precision: str | None = None) -> Merged:
    """Write ``base`` with LoRAs added to ``out``: a file for a file, a folder for a folder.

    Each LoRA comes with its strength. Calculated in float32 and rounded to each tensor's own format, or
    to ``precision`` (float, fp16, bf16), which is then that of every tensor. Whatever no LoRA touches is
    copied byte for byte. Holds one tensor at a time. Raises ``UserError`` when ``out`` exists, a file is
    damaged, a LoRA was made for another family, or numbers do not fit the format; nothing is left then.
    """
    refuse_existing(out)
    with ExitStack() as stack:
        files = [stack.enter_context(LoraFile(path)) for path, _ in loras]
        checkpoint = read_checkpoint(base)
        changes: Changes = {}
        for file, (_, strength) in zip(files, loras, strict=True):
            _assign(checkpoint, file, strength, changes)
        note = {
            "loratui.merged": ", ".join(f"{path.stem}:{strength:g}" for path, strength in loras),
        }
        readers = {path: stack.enter_context(Reader(path)) for path in checkpoint.headers}
        if not base.is_dir():
            size = _write_file(readers[base], out, changes, precision, note)
        else:
            size = _write_folder(base, out, readers, changes, precision)
        return Merged(
            out,
            checkpoint.family,
            tuple(len(file.modules) for file in files),
            len(changes),
            sum(len(reader.header.tensors) for reader in readers.values()),
            size,
        )


def _assign(checkpoint: Checkpoint, file: LoraFile, strength: float, changes: Changes) -> None:
    """Note for each module which tensor it changes; all must find one."""
    lost = []
    for module, found in file.modules.items():
        place = checkpoint.places.get(Key(module.part, f"{module.path}.weight"))
        if place is None:
            lost.append(found)
        else:
            changes.setdefault((place.file, place.name), []).append((place, file, found, strength))
    if lost:
        made_for = "SDXL" if file.sdxl else "another family or another kind of model"
        raise file.reader.error(
            f"{len(lost)} of its {len(file.modules)} modules are not in {checkpoint.path.name}"
            f" ({_FAMILY_NAMES[checkpoint.family]}), first {lost[0].label}: it was made for {made_for}.",
            "Merge it into a model of its own family.",
        )


def _write_file(
    reader: Reader, out: Path, changes: Changes, precision: str | None, note: dict[str, str]
) -> int:
    metadata = without_hashes(reader.header.metadata) | note
    return write(out, entries(reader, changes, precision), metadata)


def entries(reader: Reader, changes: Changes, precision: str | None) -> list[Entry]:
    """The tensors of one file, changed, cast or copied."""
    found = []
    for name, tensor in reader.header.tensors.items():
        changing = changes.get((reader.path, name), [])
        dtype = target_dtype(tensor.dtype, precision)
        if changing and tensor.dtype not in FLOATS:
            raise reader.error(
                f"{name[:100]} is stored as {tensor.dtype}, which cannot be added to.",
                "Use the fp16 or full version of this checkpoint.",
            )
        if changing or dtype != tensor.dtype:
            found.append(_changed(reader, name, dtype, changing))
        else:
            found.append(copied(reader, name))
    return found


def _changed(
    reader: Reader, name: str, dtype: str, changing: list[tuple[Place, LoraFile, LoraModule, float]]
) -> Entry:
    shape = reader.header.tensors[name].shape

    def make() -> torch.Tensor:
        weight = reader.tensor(name)
        if changing:
            weight = weight.float()
        for place, file, found, strength in changing:
            part = weight
            if place.third is not None:
                part = weight.chunk(3)[place.third]
            file.add_to(part, found, strength)
        return refuse_not_finite(reader, name, weight, dtype)

    return made(name, dtype, shape, make)


def _write_folder(
    base: Path, out: Path, readers: Mapping[Path, Reader], changes: Changes, precision: str | None
) -> int:
    size = 0
    with new_folder(out, WAY_OUT) as temporary:
        for source in sorted(base.rglob("*")):
            target = temporary / source.relative_to(base)
            if source.is_dir():
                target.mkdir(parents=True, exist_ok=True)
            elif source in readers:
                target.parent.mkdir(parents=True, exist_ok=True)
                reader = readers[source]
                size += write(target, entries(reader, changes, precision), reader.header.metadata)
            elif not _other_weights(source.relative_to(base)):
                shutil.copyfile(source, target)
    return size


def _other_weights(path: Path) -> bool:
    """A second copy of the weights (pickled, in another precision, as one file), which stays unmerged."""
    return path.suffix in (".safetensors", ".bin", ".ckpt", ".msgpack", ".onnx") and (
        len(path.parts) == 1 or path.parts[0] in PARTS
    )
