"""What takes long and needs no torch, in threads while torch is imported: the base model is read into the
page cache, and where a CPU keeps its U-Net otherwise than the file does, memory is made ready for it.

A fault in here is none of the training's: it finds out itself in its own time, and then says so.
"""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from loratui.problems import UserError
from loratui.tensorfile import Tensor as TensorEntry
from loratui.tensorfile import read_header

if TYPE_CHECKING:
    import torch

    from loratui.trainer.config import TrainConfig

_ALIGNED = 64
"""Bytes: where torch's own tensors begin on a CPU."""
_STORED = {"no": "F32", "fp16": "F16", "bf16": "BF16"}
"""What a file calls the precision of mixed_precision."""
_GPUS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""Where drivers show that there is one (NVIDIA, AMD, Windows' subsystem)."""
_LOOKS = 64
"""Places of a file that are looked at to tell whether it is in memory already."""
_UNET = "model.diffusion_model."


class Room:
    """Memory for many tensors, its pages made at once: one by one, as they are first written to, they take
    half as long again."""

    def __init__(self, size: int) -> None:
        """``size`` in bytes. Raises ``OSError`` when there is not so much."""
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_POPULATE", 0)
        self._memory = mmap.mmap(-1, size, flags=flags)
        self._taken = 0

    def place(self, shape: torch.Size, dtype: torch.dtype) -> torch.Tensor | None:
        """An uninitialised tensor on the CPU; None when it does not fit any more."""
        import torch

        count = math.prod(shape)
        end = self._taken + _rounded(count * dtype.itemsize)
        if not count or end > len(self._memory):
            return None
        found = torch.frombuffer(self._memory, dtype=dtype, count=count, offset=self._taken)
        self._taken = end
        return found.view(shape)


class Ahead:
    """Begins at once."""

    def __init__(self, config: TrainConfig, *, packed: bool) -> None:
        """``packed``: the U-Net is kept in fewer bits than it computes in, and needs no such room."""
        self._room: Room | None = None
        model = Path(config.pretrained_model_name_or_path).expanduser()
        works = [Thread(target=self._read, args=(model,), daemon=True)]
        wanted = _STORED[config.mixed_precision]
        if not packed and hasattr(mmap, "MAP_POPULATE") and not any(Path(gpu).exists() for gpu in _GPUS):
            works.append(Thread(target=self._make_room, args=(model, wanted), daemon=True))
        self._making_room = works[-1]
        for work in works:
            work.start()

    def room(self) -> Room | None:
        """For the U-Net's weights, where there is one. Given once; waits until it is ready."""
        self._making_room.join()
        room, self._room = self._room, None
        return room

    def _make_room(self, model: Path, wanted: str) -> None:
        width = {"F32": 4}.get(wanted, 2)
        with suppress(OSError, ValueError, UserError):
            stored = [entry for entry in _unet_entries(model) if entry.dtype != wanted]
            size = sum(_rounded(math.prod(entry.shape) * width) for entry in stored)
            if size:
                self._room = Room(size)

    def _read(self, model: Path) -> None:
        if os.environ.get("LOCAL_RANK", "0") != "0" or not hasattr(os, "sendfile"):
            return
        with suppress(OSError, ValueError):
            files = [model] if model.is_file() else sorted(model.glob("*/*.safetensors"))
            # More than that would drive itself out again.
            limit = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
            if sum(file.stat().st_size for file in files) < limit:
                for file in files:
                    _into_cache(file)


def _rounded(size: int) -> int:
    return -(-size // _ALIGNED) * _ALIGNED


def _unet_entries(model: Path) -> Iterator[TensorEntry]:
    if model.is_file():
        yield from (entry for key, entry in read_header(model).tensors.items() if key.startswith(_UNET))
        return
    for file in sorted((model / "unet").glob("*.safetensors")):
        yield from read_header(file).tensors.values()


def _into_cache(path: Path) -> None:
    """Read a file without a copy of it in this process. Raises ``OSError``."""
    with path.open("rb") as file, Path(os.devnull).open("wb") as nowhere:
        size = path.stat().st_size
        if _is_cached(file.fileno(), size):
            return
        done = 0
        while sent := os.sendfile(nowhere.fileno(), file.fileno(), done, size - done):
            done += sent


def _is_cached(descriptor: int, size: int) -> bool:
    """Whether all of a file is in memory, as far as a few looks tell."""
    byte = bytearray(1)
    try:
        for number in range(_LOOKS):
            os.preadv(descriptor, [byte], size * number // _LOOKS, os.RWF_NOWAIT)
    except OSError:  # it would have to wait, or the file system cannot tell
        return False
    return True
