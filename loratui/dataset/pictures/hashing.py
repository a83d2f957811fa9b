"""What a picture looks like, in few numbers: pHash, dHash and sharpness of a small grey copy.

Twice: in plain Python, and in numpy for large sets, which is five times as fast once it is imported. Both
reckon in whole numbers, so they agree to the bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from operator import add, mul, sub
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from PIL import Image

_ONE = 1 << 13
_COSINES = [[round(_ONE * math.cos(math.pi * k * (2 * x + 1) / 64)) for x in range(32)] for k in range(8)]
_LAPLACIAN = (0, 1, 0, 1, -4, 1, 0, 1, 0)


class Numbers(NamedTuple):
    """What a grey copy comes to."""

    frequencies: int
    """pHash: the signs of the 8x8 lowest frequencies of a 32x32 cosine transform around their median."""
    slopes: int
    """dHash: whether each cell of 9x8 is darker than its right neighbour."""
    mirrored_slopes: int
    """The same of the mirrored picture. It does not follow from ``slopes``: equal neighbours stay equal."""
    range: int
    """Grey levels between the darkest and the lightest of 32x32 cells."""
    sharpness: float
    """Variance of the Laplacian."""


def numbers(grey: Image.Image) -> Numbers:
    """In plain Python."""
    from PIL import Image

    cells = grey.resize((32, 32), Image.Resampling.BOX).tobytes()
    steps = grey.resize((9, 8), Image.Resampling.BOX).tobytes()
    return Numbers(
        _phash(cells),
        _dhash(steps, range(8)),
        _dhash(steps[::-1], range(7, -1, -1)),
        max(cells) - min(cells),
        _sharpness(grey),
    )


def _phash(cells: bytes) -> int:
    # Along the rows first, for the 8 lowest frequencies; then down the columns.
    columns = _waves([_folded(cells[at : at + 32]) for at in range(0, 1024, 32)])
    values = [value for wave in _waves([_folded(column) for column in columns]) for value in wave]
    middle = sum(sorted(values)[31:33])
    return _bits(2 * value > middle for value in values)


def _folded(line: Sequence[int]) -> tuple[list[int], list[int]]:
    """Sums and differences of what lies mirrored: cosines are even or odd, so half the products do."""
    back = line[:15:-1]
    return list(map(add, line, back)), list(map(sub, line, back))


def _waves(lines: Sequence[tuple[list[int], list[int]]]) -> list[list[int]]:
    """For each of 8 frequencies, its share in each line."""
    return [
        [sum(map(mul, cosine[:16], folded[number % 2])) for folded in lines]
        for number, cosine in enumerate(_COSINES)
    ]


def _dhash(cells: bytes, rows: Iterable[int]) -> int:
    return _bits(cells[9 * row + x] < cells[9 * row + x + 1] for row in rows for x in range(8))


def _bits(values: Iterable[bool]) -> int:
    return int("".join("1" if value else "0" for value in values), 2)


def _sharpness(grey: Image.Image) -> float:
    from PIL import ImageFilter

    if min(grey.size) < 3:
        return 0.0
    edges = grey.filter(ImageFilter.Kernel((3, 3), _LAPLACIAN, scale=1, offset=128))
    # The filter leaves the border as it was.
    histogram = edges.crop((1, 1, grey.width - 1, grey.height - 1)).histogram()
    levels = list(map(mul, range(256), histogram))
    return _variance(sum(histogram), sum(levels), sum(map(mul, range(256), levels)))


def _variance(count: int, total: int, squares: int) -> float:
    return (count * squares - total * total) / (count * count)


def numbers_by_numpy(grey: Image.Image) -> Numbers:
    """The same by numpy."""
    import numpy as np
    from PIL import Image

    cells = np.asarray(grey.resize((32, 32), Image.Resampling.BOX))
    steps = np.asarray(grey.resize((9, 8), Image.Resampling.BOX))
    cosines = np.array(_COSINES)
    values = cosines @ cells.astype(np.int64) @ cosines.T
    middle = int(np.sort(values, axis=None)[31:33].sum())
    mirrored = steps[:, ::-1]
    return Numbers(
        _packed(2 * values > middle),
        _packed(steps[:, :-1] < steps[:, 1:]),
        _packed(mirrored[:, :-1] < mirrored[:, 1:]),
        int(cells.max()) - int(cells.min()),
        _sharpness_by_numpy(grey),
    )


def _packed(values: Any) -> int:
    import numpy as np

    return int.from_bytes(np.packbits(values).tobytes(), "big")


def _sharpness_by_numpy(grey: Image.Image) -> float:
    import numpy as np

    if min(grey.size) < 3:
        return 0.0
    levels = np.asarray(grey).astype(np.int16)
    edges = levels[:-2, 1:-1] + levels[2:, 1:-1] + levels[1:-1, :-2] + levels[1:-1, 2:]
    edges -= 4 * levels[1:-1, 1:-1]
    edges = np.clip(edges, -128, 127).astype(np.int32)
    total = int(edges.sum()) + 128 * edges.size
    squares = int(np.vdot(edges, edges)) + 256 * int(edges.sum()) + 128 * 128 * edges.size
    return _variance(edges.size, total, squares)
