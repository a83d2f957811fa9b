"""A LoRA's ranks, alphas and rates by block of the U-Net (network_args of networks.lora). No torch.

SD 1.x and 2.x have 25 blocks: 12 down of which the first has no LoRA, 1 in the middle, 12 up. SDXL has 23: an
embedding, 9 down, 3 in the middle, 9 up, and the way out; its first and last have no LoRA either
(networks/lora.py:516-522, 719-755).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from loratui.builtin.support import BLOCK_ARGS

Number = TypeVar("Number", int, float)

_PLAIN = re.compile(r"(down|up)_blocks_(\d+)_(resnets|attentions|upsamplers|downsamplers)_(\d+)_")
_SGM = re.compile(r"lora_unet_(input_blocks|middle_block|output_blocks)_(\d+)_")
_SGM_FIRST = {"input_blocks": 1, "middle_block": 10, "output_blocks": 13}
_DOWN, _MIDDLE = {False: 12, True: 9}, {False: 1, True: 3}


@dataclass(frozen=True, slots=True)
class Blocks:
    """What each block has, by its number."""

    sdxl: bool
    ranks: tuple[int, ...]
    """0 leaves a block untrained."""
    alphas: tuple[float, ...]
    convolution_ranks: tuple[int, ...] | None = None
    convolution_alphas: tuple[float, ...] | None = None
    rates: tuple[float, ...] | None = None
    """Factors of the U-Net's rate; None where all have the same."""

    def size(self, name: str, *, pointwise: bool) -> tuple[int, float] | None:
        """Rank and alpha of a layer of the U-Net by its Kohya name; None leaves it as it is."""
        number = block_number(name, sdxl=self.sdxl)
        ranks = self.ranks if pointwise else self.convolution_ranks
        alphas = self.alphas if pointwise else self.convolution_alphas
        if ranks is None or alphas is None or not ranks[number]:
            return None
        return ranks[number], alphas[number] or float(ranks[number])


def block_number(name: str, *, sdxl: bool) -> int:
    """The block that a layer's Kohya name belongs to; 0 for what belongs to none."""
    if sdxl:
        found = _SGM.match(name)
        return _SGM_FIRST[found[1]] + int(found[2]) if found else 0
    found = _PLAIN.search(name)
    if not found:
        return _DOWN[False] if "mid_block_" in name else 0
    place = 3 * int(found[2]) + (2 if found[3].endswith("samplers") else int(found[4]))
    return place + (1 if found[1] == "down" else _DOWN[False] + 1)


def blocks_in(
    arguments: Mapping[str, str],
    *,
    sdxl: bool,
    rank: int,
    alpha: float,
    convolution: tuple[int, float] | None,
) -> Blocks | None:
    """What network_args say of blocks; None when nothing. ``rank``, ``alpha`` and ``convolution`` hold where
    they do not. Raises ``ValueError`` with a sentence for what cannot be (networks/lora.py:389-716)."""
    given = {key: arguments[key] for key in BLOCK_ARGS if key in arguments}
    if not given:
        return None
    rates = _rates(given, sdxl)
    if rates is None and "block_dims" not in given:
        raise ValueError(f"{min(given)} means nothing without block_dims or a lr_weight")
    if "conv_block_alphas" in given and "conv_block_dims" not in given:
        raise ValueError("conv_block_alphas means nothing without conv_block_dims")
    count = 2 * _DOWN[sdxl] + _MIDDLE[sdxl] + (2 if sdxl else 0)
    ranks = _numbers(given, "block_dims", count, int) or (rank,) * count
    alphas = _numbers(given, "block_alphas", count, float) or (alpha,) * count
    wide = _numbers(given, "conv_block_dims", count, int)
    wide_alphas = _numbers(given, "conv_block_alphas", count, float)
    if wide is not None and wide_alphas is None:
        wide_alphas = (convolution[1] if convolution else 1.0,) * count
    elif wide is None and convolution is not None:
        wide, wide_alphas = (convolution[0],) * count, (convolution[1],) * count
    if rates is not None:
        # What does not learn is not made.
        ranks = tuple(own if rate else 0 for own, rate in zip(ranks, rates, strict=True))
        if wide is not None:
            wide = tuple(own if rate else 0 for own, rate in zip(wide, rates, strict=True))
    if not any(ranks) and not any(wide or ()):
        raise ValueError("no block is left that would be trained")
    return Blocks(sdxl, ranks, alphas, wide, wide_alphas, rates)


def _numbers(
    given: Mapping[str, str], key: str, count: int, kind: Callable[[str], Number]
) -> tuple[Number, ...] | None:
    if key not in given:
        return None
    try:
        found = tuple(kind(word) for word in given[key].split(","))
    except ValueError:
        raise ValueError(f"{key}={given[key]} is no list of numbers") from None
    if len(found) != count:
        raise ValueError(f"{key} needs {count} numbers, one for each block, and has {len(found)}")
    if any(not 0 <= number < math.inf for number in found):
        raise ValueError(f"{key} needs numbers from 0 up")
    return found


def _rates(given: Mapping[str, str], sdxl: bool) -> tuple[float, ...] | None:
    keys = ("down_lr_weight", "mid_lr_weight", "up_lr_weight")
    if not any(key in given for key in keys):
        return None
    least = _number(given.get("block_lr_zero_threshold", "0"), "block_lr_zero_threshold")
    parts = []
    for key, count in zip(keys, (_DOWN[sdxl], _MIDDLE[sdxl], _DOWN[sdxl]), strict=True):
        part = _weights(given[key], key, count) if key in given else [1.0] * count
        parts += [weight if weight > least or key not in given else 0.0 for weight in part]
    return (1.0, *parts, 1.0) if sdxl else tuple(parts)


def _weights(text: str, key: str, count: int) -> list[float]:
    """A list, filled up with 1 and cut off at ``count``; or a curve over the blocks by its name, and what is
    added to it (``cosine+0.25``)."""
    if "," in text or key == "mid_lr_weight":
        found = [_number(word, key) if word.strip() else 0.0 for word in text.split(",")]
        return [*found, *[1.0] * count][:count]
    name, _, more = text.partition("+")
    added = _number(more, key) if more else 0.0
    steps = [index / (count - 1) for index in range(count)]
    curves: dict[str, Sequence[float]] = {
        "sine": [math.sin(math.pi * step / 2) for step in steps],
        "cosine": [math.sin(math.pi * step / 2) for step in reversed(steps)],
        "linear": steps,
        "reverse_linear": steps[::-1],
        "zeros": [0.0] * count,
    }
    if name not in curves:
        raise ValueError(f"{key}={text} is neither a list of numbers nor one of {', '.join(curves)}")
    return [value + added for value in curves[name]]


def _number(text: str, key: str) -> float:
    try:
        found = float(text)
    except ValueError:
        raise ValueError(f"{key}: {text!r} is no number") from None
    if not -math.inf < found < math.inf:
        raise ValueError(f"{key}: {text!r} is no number to count with")
    return found
