"""The gradient scaler of fp16, where the trained weights are fp16 too."""

from __future__ import annotations

from typing import Any


def allow_half_gradients(scaler: Any) -> None:
    """Let the scaler divide fp16 gradients as well, which torch's refuses of itself ("Attempting to unscale
    FP16 gradients"); as sd-scripts does it for full_fp16 (library/train_util.py:5593)."""
    unscale = scaler._unscale_grads_

    def allowing(optimizer: Any, inverse: Any, found: Any, allow_fp16: bool) -> Any:
        return unscale(optimizer, inverse, found, True)

    scaler._unscale_grads_ = allowing
