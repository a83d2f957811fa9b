"""Mixed precision by what the GPU can do."""

from __future__ import annotations

from loratui.recipe import Precision

_AMPERE = (8, 0)
"""Compute capability from which on GPUs multiply in bfloat16 (CUDA C++ programming guide, table of
arithmetic instructions)."""


def precision_for(capability: tuple[int, int] | None) -> Precision:
    """bf16 where the GPU has it, since it does not overflow; fp16 on older GPUs; none on a CPU, where
    sd-scripts' fp16 fails and bf16 gains nothing. ``capability`` is None without a GPU."""
    if capability is None:
        return "no"
    return "bf16" if capability >= _AMPERE else "fp16"
