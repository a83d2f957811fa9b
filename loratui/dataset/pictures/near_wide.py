"""All pairs of hashes that differ in at most so many bits, where so many that no shortcut pays: every pair is
compared, by numpy where it is installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence

NUMPY_FROM = 3_000
"""For fewer hashes the import of numpy takes longer than doing without."""

_ROWS, _COLUMNS = 256, 8192
"""Tiles of 2 million pairs: about 40 MB of work space (facts: 20 MB for hashes of half the length)."""

Pair = tuple[int, int, int]


def every_pair(values: Sequence[int], within: int) -> Iterator[Pair]:
    """Pairs of different 128-bit values that differ in at most ``within`` bits, with the difference."""
    if len(values) >= NUMPY_FROM and importlib.util.find_spec("numpy") is not None:
        return _by_numpy(values, within)
    return _one_by_one(values, within)


def _one_by_one(values: Sequence[int], within: int) -> Iterator[Pair]:
    for at, value in enumerate(values):
        rest = values[at + 1 :]
        # Both maps run in C: 60 ns a pair.
        for other, distance in zip(rest, map(int.bit_count, map(value.__xor__, rest)), strict=True):
            if distance <= within:
                yield value, other, distance


def _by_numpy(values: Sequence[int], within: int) -> Iterator[Pair]:
    import numpy as np

    low = (1 << 64) - 1
    halves = [
        np.fromiter((value >> 64 for value in values), np.uint64, len(values)),
        np.fromiter((value & low for value in values), np.uint64, len(values)),
    ]
    for row in range(0, len(values), _ROWS):
        for column in range(row, len(values), _COLUMNS):
            counts = sum(
                np.bitwise_count(half[row : row + _ROWS, None] ^ half[None, column : column + _COLUMNS])
                for half in halves
            )
            for one, other in zip(*np.nonzero(counts <= within), strict=True):
                if row + one < column + other:
                    yield values[row + one], values[column + other], int(counts[one, other])
