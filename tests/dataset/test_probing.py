"""What a check of many pictures does otherwise than one of few, and must find the same."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loratui.dataset.pictures import probing
from loratui.dataset.pictures.headers import Checksum, read_header


@pytest.fixture(scope="module")
def faster() -> Checksum:
    pytest.importorskip("imagecodecs")
    return probing._checksum(1 << 20)


@given(st.binary(max_size=2000), st.integers(0, 12))
def test_the_faster_checksum_is_zlibs(faster: Checksum, data: bytes, start: int) -> None:
    assert faster is not zlib.crc32
    assert faster(memoryview(data)[start:]) == zlib.crc32(data[start:])


def test_few_pictures_import_nothing_for_it() -> None:
    assert probing._checksum(10) is zlib.crc32


def test_a_damaged_chunk_is_noticed_by_either() -> None:
    whole = b"\x89PNG\r\n\x1a\n"
    for name, body in (
        (b"IHDR", b"\0\0\0\x08\0\0\0\x08\x08\x02\0\0\0"),
        (b"IDAT", b"x" * 50),
        (b"IEND", b""),
    ):
        whole += len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")
    torn = whole.replace(b"xxxxx", b"xxyxx", 1)
    for checksum in (zlib.crc32, probing._checksum(1 << 20)):
        assert read_header(whole, checksum).fault == ""
        assert read_header(torn, checksum).fault == "damaged"
