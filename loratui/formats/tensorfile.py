"""The header of a .safetensors file: which tensors it holds and where, without reading one of them.

Format: eight bytes with the header's length, the header in JSON, then the tensors' bytes without gaps
(https://huggingface.co/docs/safetensors). Nothing here trusts the file: lengths, offsets and types are
checked as the safetensors library checks them.
"""

from __future__ import annotations

import json
import math
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from loratui.problems import refusal

MAX_HEADER = 100_000_000
"""Bytes; the safetensors library refuses longer headers too."""

BITS = {
    "BOOL": 8,
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "U8": 8,
    "I8": 8,
    "F8_E5M2": 8,
    "F8_E4M3": 8,
    "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8,
    "F8_E5M2FNUZ": 8,
    "I16": 16,
    "U16": 16,
    "F16": 16,
    "BF16": 16,
    "I32": 32,
    "U32": 32,
    "F32": 32,
    "C64": 64,
    "F64": 64,
    "I64": 64,
    "U64": 64,
}
"""Bits of one element by dtype."""

_AGAIN = "Download or copy it again."


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of a file."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    """First byte, counted from ``Header.data_start``."""
    end: int
    """The byte after its last."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a .safetensors file says of itself."""

    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]
    data_start: int
    """Where in the file the tensors' bytes begin."""


def read_header(path: Path) -> Header:
    """Read and check the header. Reads at most ``MAX_HEADER`` bytes.

    Raises ``UserError`` with one sentence: no such file, a folder, unreadable; a web page, a git-lfs
    pointer or a pickled checkpoint instead of a model; a file cut short; a header that is too long, is
    not JSON, names a tensor twice, or puts one outside the file or over another.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():  # a pipe would wait for ever
            raise _UnsoundError("this is not an ordinary file.", "Name a .safetensors file.", "")
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            return _read(file, size)
    except _UnsoundError as error:
        raise refusal(path, error.message, error.fix, error.cause) from None
    except FileNotFoundError:
        raise refusal(path, "there is no such file.", "Check the path.", "file_missing") from None
    except IsADirectoryError:
        raise refusal(path, "this is a folder, not a file.", "Name the .safetensors file in it.") from None
    except OSError as error:
        reason = error.strerror or "unknown error"
        raise refusal(path, f"it cannot be read: {reason}.", "Check its permissions.") from None


def header_of(file: BinaryIO, size: int, source: str) -> Header:
    """The same from a stream, which need not hold more than the header: ``size`` is that of the whole file.
    ``source`` names it in the sentence of a ``UserError``."""
    try:
        return _read(file, size)
    except _UnsoundError as error:
        raise refusal(source, error.message, error.fix, error.cause) from None


def chunks(file: BinaryIO, data_start: int, tensor: Tensor, size: int) -> Iterator[bytes]:
    """A tensor's bytes in pieces of at most ``size``. Raises ``OSError`` when the file became shorter."""
    file.seek(data_start + tensor.begin)
    left = tensor.end - tensor.begin
    while left > 0:
        raw = file.read(min(left, size))
        if not raw:
            raise OSError(0, "the file became shorter")
        left -= len(raw)
        yield raw


class _UnsoundError(Exception):
    def __init__(self, message: str, fix: str = _AGAIN, cause: str = "st_corrupt") -> None:
        self.message, self.fix, self.cause = message, fix, cause
        super().__init__(message)


def _read(file: BinaryIO, size: int) -> Header:
    start = file.read(512)
    _refuse_other_formats(start)
    if size < 8:
        raise _UnsoundError(f"it is cut off after {size} bytes.")
    length = int.from_bytes(start[:8], "little")
    if length > MAX_HEADER:
        raise _UnsoundError("this is not a safetensors file, or its first bytes are damaged.")
    if 8 + length > size:
        raise _UnsoundError(f"it is cut off inside its header, at {size:,} bytes.")
    file.seek(8)
    raw = file.read(length)
    if not raw.startswith(b"{"):
        raise _UnsoundError("this is not a safetensors file, or its first bytes are damaged.")
    entries = _parse(raw)
    metadata = _metadata(entries.pop("__metadata__", {}))
    tensors = {name: _tensor(name, entry) for name, entry in entries.items()}
    _check_places(tensors, size - 8 - length)
    return Header(tensors, metadata, 8 + length)


def _refuse_other_formats(start: bytes) -> None:
    if not start:
        raise _UnsoundError("this file is empty.")
    if start[4:9] == b"\0\0\0\0{":  # a header of 1,152 bytes begins like a pickle
        return
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        raise _UnsoundError(
            "this is a web page that was saved instead of the model.",
            "Download it again; the site may want you to log in or to accept a licence first.",
        )
    if text.startswith(b"version https://git-lfs"):
        raise _UnsoundError(
            "this is only a git-lfs pointer; the model itself was not downloaded.",
            "Run 'git lfs pull' in its repository, or download the file itself.",
        )
    if text.startswith((b'{"error', b"invalid username", b"access to model", b"entry not found")):
        raise _UnsoundError(
            "this is an error message of the download site, not a model.",
            "Log in there and download it again.",
        )
    if start.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04")):
        raise _UnsoundError(
            "this is a pickled checkpoint or an archive, which can run any code when opened.",
            "Use the .safetensors version of this model.",
        )
    if start.startswith(b"GGUF"):
        raise _UnsoundError(
            "this is a GGUF file, which cannot be trained on.",
            "Use the .safetensors version.",
            "wrong_arch",
        )


def _parse(raw: bytes) -> dict[str, Any]:
    try:
        entries = json.loads(raw.decode("utf-8"), object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError):
        raise _UnsoundError("its header is damaged (not valid JSON).") from None
    if not isinstance(entries, dict):
        raise _UnsoundError("its header is damaged (not a table of tensors).")
    return entries


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for index, name in enumerate(names) if name in names[:index])
        raise _UnsoundError(f"its header names {_shown(twice)} twice.")
    return table


def _metadata(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise _UnsoundError("its header is damaged (metadata must be text).")
    for key, text in value.items():
        _check_text(key)
        _check_text(text)
    return value


def _tensor(name: str, entry: Any) -> Tensor:
    _check_text(name)
    try:
        dtype, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        sound = (
            isinstance(shape, list)
            and dtype in BITS
            and all(_is_natural(item) for item in (*shape, begin, end))
        )
    except (TypeError, KeyError, ValueError):
        sound = False
    if not sound:
        raise _UnsoundError(f"its header is damaged (what it says of {_shown(name)} makes no sense).")
    if (end - begin) * 8 != math.prod(shape) * BITS[dtype]:
        raise _UnsoundError(f"its header is damaged (the size of {_shown(name)} does not fit its shape).")
    return Tensor(dtype, tuple(shape), begin, end)


def _check_places(tensors: Mapping[str, Tensor], available: int) -> None:
    """Tensors must follow each other without gaps and fill the file exactly."""
    at = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end)):
        if tensor.begin != at:
            raise _UnsoundError(
                f"its header is damaged ({_shown(name)} overlaps another tensor, or leaves a gap)."
            )
        at = tensor.end
    if at > available:
        raise _UnsoundError(f"it is cut off: {available:,} of {at:,} bytes of tensors are there.")
    if at < available:
        raise _UnsoundError(f"it goes on for {available - at:,} bytes after its last tensor.")


def _is_natural(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _check_text(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # half of a surrogate pair, written as an escape
        raise _UnsoundError("its header is damaged (text that is not Unicode).") from None


def _shown(name: str) -> str:
    return repr(name[:80])
