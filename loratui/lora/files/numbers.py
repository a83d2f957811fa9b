"""A tensor's numbers as an array. Needs numpy, which comes with torch's companions; imported when used."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, BinaryIO

from loratui.formats.tensorfile import Tensor

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

_PLAIN = {
    "F16": "<f2",
    "F32": "<f4",
    "F64": "<f8",
    "I8": "i1",
    "U8": "u1",
    "I16": "<i2",
    "I32": "<i4",
    "I64": "<i8",
}
_FLOAT8 = {"F8_E4M3": (4, 7), "F8_E5M2": (5, 15)}
"""Exponent bits and bias (OCP 8-bit floating point specification)."""


def available() -> bool:
    """Whether ``read`` can work."""
    try:
        import numpy  # noqa: F401  (whether it loads, not only whether it is there)
    except ImportError:
        return False
    return True


def readable(tensor: Tensor) -> bool:
    """Whether ``read`` knows its dtype."""
    return tensor.dtype in _PLAIN or tensor.dtype in _FLOAT8 or tensor.dtype == "BF16"


def read(file: BinaryIO, data_start: int, tensor: Tensor, rows: tuple[int, int] | None = None) -> Array:
    """The numbers in float32, in the tensor's shape. ``rows`` (from, to) reads a part of the first axis.

    Raises ``OSError`` when the file became shorter.
    """
    begin, end, shape = tensor.begin, tensor.end, tensor.shape
    if rows is not None and shape and shape[0]:
        line = (end - begin) // shape[0]
        begin, end, shape = begin + rows[0] * line, begin + rows[1] * line, (rows[1] - rows[0], *shape[1:])
    file.seek(data_start + begin)
    raw = file.read(end - begin)
    if len(raw) < end - begin:
        raise OSError(0, "the file became shorter")
    return _decode(raw, tensor.dtype).reshape(shape)


def _decode(raw: bytes, dtype: str) -> Array:
    import numpy as np

    if dtype == "BF16":
        return (np.frombuffer(raw, "<u2").astype("<u4") << 16).view("<f4").astype(np.float32, copy=False)
    if dtype in _FLOAT8:
        table = np.array([_float8(code, *_FLOAT8[dtype]) for code in range(256)], np.float32)
        values: Array = table[np.frombuffer(raw, "u1")]
        return values
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite
        return np.frombuffer(raw, _PLAIN[dtype]).astype(np.float32, copy=False)


def _float8(code: int, bits: int, bias: int) -> float:
    width = 7 - bits
    sign = -1.0 if code & 0x80 else 1.0
    exponent, fraction = (code & 0x7F) >> width, code & ((1 << width) - 1)
    if bits == 5 and exponent == 31:
        return math.nan if fraction else sign * math.inf
    if bits == 4 and code & 0x7F == 0x7F:  # E4M3 has no infinity
        return math.nan
    if exponent == 0:
        return sign * math.ldexp(fraction, 1 - bias - width)
    return sign * math.ldexp((1 << width) + fraction, exponent - bias - width)
