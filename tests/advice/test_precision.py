"""The precision follows the GPU."""

from __future__ import annotations

import pytest

from loratui.advice.precision import precision_for


@pytest.mark.parametrize(
    ("capability", "precision"),
    [(None, "no"), ((6, 1), "fp16"), ((7, 5), "fp16"), ((8, 0), "bf16"), ((9, 0), "bf16"), ((12, 0), "bf16")],
)
def test_by_compute_capability(capability: tuple[int, int] | None, precision: str) -> None:
    assert precision_for(capability) == precision
