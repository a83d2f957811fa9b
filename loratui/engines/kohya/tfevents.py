"""TensorBoard's event files, read as they grow, without tensorboard.

A file is a chain of records: length (uint64), a masked CRC-32C of it, that many bytes, a masked CRC-32C of
them (TensorFlow's TFRecord). Each holds an ``Event`` in protocol buffers: step (field 2) and summary (5) with
values (1) of tag (1) and simple_value (2) (tensorboard compat/proto/event.proto, summary.proto).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

_HEADER = struct.Struct("<QI")
_FLOAT = struct.Struct("<f")
_FOOTER = 4
_LONGEST = 1 << 24
"""Bytes of one record; scalars take some fifty."""
_CHUNK = 1 << 18


class Scalar(NamedTuple):
    """One number as it was logged."""

    step: int
    tag: str
    value: float


class EventFile:
    """One growing file. What is not written to its end yet is read the next time; a damaged file is read
    up to the damage."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._held = b""
        self._damaged = False

    def poll(self) -> Iterator[Scalar]:
        """The scalars written since."""
        while not self._damaged and (data := self._more()):
            self._held += data
            yield from self._records()

    def _more(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read(_CHUNK)
        except OSError:
            return b""
        self._offset += len(data)
        return data

    def _records(self) -> Iterator[Scalar]:
        at = 0
        while len(self._held) - at >= _HEADER.size:
            length, crc = _HEADER.unpack_from(self._held, at)
            if length > _LONGEST or crc != _masked(self._held[at : at + 8]):
                self._damaged = True
                break
            end = at + _HEADER.size + length + _FOOTER
            if end > len(self._held):
                break
            yield from _scalars(self._held[at + _HEADER.size : end - _FOOTER])
            at = end
        self._held = b"" if self._damaged else self._held[at:]


def _scalars(event: bytes) -> Iterator[Scalar]:
    step = 0
    summaries = []
    for field, value in _fields(event):
        if field == 2 and isinstance(value, int):
            step = value
        elif field == 5 and isinstance(value, bytes):
            summaries.append(value)
    for summary in summaries:
        for field, item in _fields(summary):
            if field != 1 or not isinstance(item, bytes):
                continue
            found = dict(_fields(item))
            tag, number = found.get(1), found.get(2)
            if isinstance(tag, bytes) and isinstance(number, bytes) and len(number) == 4:
                yield Scalar(step, tag.decode("utf-8", "replace"), _FLOAT.unpack(number)[0])


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of one message: numbers for varints, bytes for all else. Ends at the first thing that is no
    field."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 0:
            number, at = _varint(data, at)
            yield key >> 3, number - (1 << 64) if number >> 63 else number
            continue
        if kind == 2:
            length, at = _varint(data, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            return
        if at + length > len(data):
            return
        yield key >> 3, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    result, shift = 0, 0
    while at < len(data) and shift < 70:
        byte = data[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if not byte & 0x80:
            break
        shift += 7
    return result, at


@cache
def _table() -> tuple[int, ...]:
    """CRC-32C, Castagnoli's polynomial, bits reversed."""
    rows = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        rows.append(byte)
    return tuple(rows)


def _masked(data: bytes) -> int:
    """CRC-32C as TFRecord masks it (tensorflow core/lib/hash/crc32c.h)."""
    table, crc = _table(), 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
