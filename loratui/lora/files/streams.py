"""Tensors of a .safetensors file one by one, in and out: no file is ever held whole in memory."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from loratui.atomic import new_file
from loratui.formats.tensorfile import BITS, read_header
from loratui.problems import Problem, UserError

if TYPE_CHECKING:
    import torch

WAY_OUT = "Make room, or name another place with -o."
FLOATS = ("F64", "F32", "F16", "BF16")
"""The number formats that can be calculated with."""
PRECISIONS = {"float": "F32", "fp16": "F16", "bf16": "BF16"}
"""sd-scripts' words (``save_precision``) and what a file calls them."""
_TORCH = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}
_CHUNK = 1 << 20
_LEGACY_FROM, _LEGACY_TO = 0x100000, 0x110000
"""The bytes of a file that A1111's first short hash is taken of."""


class Reader:
    """One open file. Raises ``UserError`` like ``read_header``, and when it becomes shorter meanwhile."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.header = read_header(path)
        self._file: BinaryIO = path.open("rb", buffering=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def chunks(self, name: str) -> Iterator[memoryview]:
        """The bytes of a tensor, a megabyte at a time; each is overwritten by the next."""
        tensor = self.header.tensors[name]
        buffer = memoryview(bytearray(min(_CHUNK, tensor.end - tensor.begin)))
        at = tensor.begin
        while at < tensor.end:
            part = buffer[: tensor.end - at]
            self._read(part, at)
            yield part
            at += len(part)

    def tensor(self, name: str) -> torch.Tensor:
        """One tensor, in its own precision. Raises ``UserError`` for a number format of 8 bits or less."""
        import torch

        entry = self.header.tensors[name]
        if entry.dtype not in _TORCH:
            raise self.error(
                f"{name[:80]} is stored as {entry.dtype}, which is not calculated with here.",
                "Use the fp16 or full version of this file.",
            )
        dtype: torch.dtype = getattr(torch, _TORCH[entry.dtype])
        data = bytearray(entry.end - entry.begin)
        self._read(memoryview(data), entry.begin)
        flat = torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
        return flat.reshape(entry.shape)

    def error(self, message: str, fix: str = "") -> UserError:
        """What is wrong with this file."""
        return UserError(str(self.path), Problem("", message, fix))

    def _read(self, into: memoryview, at: int) -> None:
        done = 0
        while done < len(into):
            count = os.preadv(self._file.fileno(), [into[done:]], self.header.data_start + at + done)
            if not count:
                raise self.error("it became shorter while it was read.", "Try again once it is complete.")
            done += count


@dataclass(frozen=True, slots=True)
class Entry:
    """A tensor to be written."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    data: Callable[[], Iterable[memoryview]]
    """Gives its bytes when its turn comes."""

    @property
    def size(self) -> int:
        """Bytes."""
        count = BITS[self.dtype]
        for side in self.shape:
            count *= side
        return count // 8


def copied(reader: Reader, name: str, new_name: str | None = None) -> Entry:
    """A tensor as it is."""
    tensor = reader.header.tensors[name]
    return Entry(new_name or name, tensor.dtype, tensor.shape, lambda: reader.chunks(name))


def made(name: str, dtype: str, shape: Sequence[int], make: Callable[[], torch.Tensor]) -> Entry:
    """A tensor that is calculated when its turn comes, and cast to ``dtype``."""
    return Entry(name, dtype, tuple(shape), lambda: [raw_bytes(cast(make(), dtype))])


def cast(tensor: torch.Tensor, dtype: str) -> torch.Tensor:
    """In one of the formats that torch knows, rounded to the nearest, ties to even."""
    import torch

    return tensor.to(getattr(torch, _TORCH[dtype]))


def raw_bytes(tensor: torch.Tensor) -> memoryview:
    """A tensor's bytes, little endian."""
    import torch

    return tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().data


def write(path: Path, entries: Iterable[Entry], metadata: Mapping[str, str], *, hashed: bool = False) -> int:
    """Write a .safetensors file tensor by tensor, whole or not at all. Returns its size in bytes.

    ``hashed`` adds ``sshs_model_hash`` and ``sshs_legacy_hash``, which WebUIs know a LoRA by (sd-scripts
    library/train_util.py, ``precalculate_safetensors_hashes``: over the tensors' bytes, with the header
    of the ``ss_`` metadata alone before them). Raises ``UserError`` when the disk refuses.
    """
    # Wide formats first: readers view the bytes in place, which needs them aligned.
    ordered = sorted(entries, key=lambda entry: -BITS[entry.dtype])
    plain = {key: text for key, text in metadata.items() if not key.startswith("sshs_")}
    hashes = {"sshs_model_hash": "0" * 64, "sshs_legacy_hash": "0" * 8} if hashed else {}
    head = _header(ordered, plain | hashes)
    size = len(head) + sum(entry.size for entry in ordered)
    _check_room(path, size)
    ss_head = _header(ordered, {key: text for key, text in plain.items() if key.startswith("ss_")})
    whole, legacy = hashlib.sha256(), hashlib.sha256()
    at = len(ss_head)
    with new_file(path, WAY_OUT) as temporary, temporary.open("wb") as file:
        _reserve(file, size)
        file.write(head)
        for entry in ordered:
            written = 0
            for data in entry.data():
                file.write(data)
                written += len(data)
                if hashed:
                    whole.update(data)
                    legacy.update(data[max(0, _LEGACY_FROM - at) : max(0, _LEGACY_TO - at)])
                    at += len(data)
            if written != entry.size:
                raise AssertionError(f"{entry.name}: {written} bytes instead of {entry.size}")
        if hashed:
            hashes = {"sshs_model_hash": whole.hexdigest(), "sshs_legacy_hash": legacy.hexdigest()[:8]}
            file.seek(0)
            file.write(_header(ordered, plain | hashes))
    return size


def without_hashes(metadata: Mapping[str, str]) -> dict[str, str]:
    """Metadata for a changed copy: a hash of the old tensors would no longer be theirs."""
    return {key: text for key, text in metadata.items() if not key.startswith(("sshs_", "modelspec.hash"))}


def refuse_existing(path: Path) -> None:
    """Nothing of the person's is written over. Raises ``UserError``."""
    if path.exists() or path.is_symlink():
        raise UserError(
            str(path),
            Problem("", "this exists already, and is not written over.", "Choose another name with -o."),
        )


def _header(entries: Sequence[Entry], metadata: Mapping[str, str]) -> bytes:
    table: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    at = 0
    for entry in entries:
        table[entry.name] = {
            "dtype": entry.dtype,
            "shape": list(entry.shape),
            "data_offsets": [at, at + entry.size],
        }
        at += entry.size
    raw = json.dumps(table, ensure_ascii=False, separators=(",", ":")).encode()
    raw += b" " * (-len(raw) % 8)
    return len(raw).to_bytes(8, "little") + raw


def _reserve(file: BinaryIO, size: int) -> None:
    """Take the room at once: a disk too full refuses here, and writing is three times as fast (ext4)."""
    try:
        os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            raise


def _check_room(path: Path, size: int) -> None:
    """Better said before an hour of work than after it."""
    parent = next(folder for folder in path.absolute().parents if folder.is_dir())
    free = shutil.disk_usage(parent).free
    if free < size:
        raise UserError(
            str(path),
            Problem("", f"it needs {size:,} bytes, and {free:,} are free on its disk.", WAY_OUT),
        )
