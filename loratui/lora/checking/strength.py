"""How much a module changes its layer: the Frobenius norm of what it adds to the weights.

Never builds the whole addition where the factors are enough:
``|U D|^2 = trace((U^T U)(D D^T))`` for a LoRA, ``|A (x) B| = |A| |B|`` for a LoKr. A LoHa's product of two
matrices is formed some rows at a time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.floating]

_ROWS = 256
"""Rows of a LoHa formed at a time: with 10,240 columns, 20 MB."""


def product_norm(up: Array, down: Array) -> float:
    """The Frobenius norm of ``up @ down``, for up of (outputs, rank) and down of (rank, inputs).

    In float64: squares cancel when two ranks oppose each other.
    """
    import numpy as np

    up, down = up.astype(np.float64), down.astype(np.float64)
    squared = float(np.sum((up.T @ up) * (down @ down.T)))
    return math.sqrt(max(squared, 0.0))


def delta_norm(kind: str, parts: Mapping[str, Array]) -> float | None:
    """The norm of one module's addition before alpha / rank; None where it depends on the base weights
    (IA3, OFT) or the kind is not known. A DoRA's is that of its low-rank part alone.

    Raises ``ValueError`` or ``KeyError`` when the parts do not fit together.
    """
    match kind:
        case "lora":
            return product_norm(*_halves(parts["up"], parts["down"], parts.get("mid")))
        case "loha":
            return _loha_norm(parts)
        case "lokr":
            return _kron_norm(parts, "lokr_w1") * _kron_norm(parts, "lokr_w2")
        case "full":
            return _norm(parts["diff"])
        case _:
            return None


def _halves(up: Array, down: Array, mid: Array | None) -> tuple[Array, Array]:
    import numpy as np

    up = up.reshape(up.shape[0], -1)
    down = down.reshape(down.shape[0], -1)
    if mid is None:
        return up, down
    # a convolution in three factors: the middle one, with the kernel, goes into the lower half
    lower = np.einsum("abk,bi->aik", mid.reshape(*mid.shape[:2], -1), down)
    return up, lower.reshape(mid.shape[0], -1)


def _loha_norm(parts: Mapping[str, Array]) -> float:
    import numpy as np

    first = _loha_halves(parts, "1")
    second = _loha_halves(parts, "2")
    squared = 0.0
    for row in range(0, first[0].shape[0], _ROWS):
        some = slice(row, row + _ROWS)
        block = (first[0][some] @ first[1]) * (second[0][some] @ second[1])
        squared += float(np.sum(np.square(block, dtype=np.float64)))
    return math.sqrt(squared)


def _loha_halves(parts: Mapping[str, Array], which: str) -> tuple[Array, Array]:
    first, second = parts[f"hada_w{which}_a"], parts[f"hada_w{which}_b"]
    core = parts.get(f"hada_t{which}")
    # with a core both outer factors are indexed by it first (LyCORIS, rebuild_tucker)
    return _halves(first if core is None else first.T, second, core)


def _kron_norm(parts: Mapping[str, Array], side: str) -> float:
    if side in parts:
        return _norm(parts[side])
    first, second = parts[f"{side}_a"], parts[f"{side}_b"]
    core = parts.get(side.replace("_w", "_t"))
    return product_norm(*_halves(first if core is None else first.T, second, core))


def _norm(array: Array) -> float:
    import numpy as np

    return math.sqrt(float(np.sum(np.square(array, dtype=np.float64))))
