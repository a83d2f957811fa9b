"""The gradient scaler of fp16: what it keeps from one training to the next, and weights that are fp16 too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Scaling:
    """Where a gradient scaler stands."""

    scale: float
    """What a loss is multiplied by."""
    steps: int
    """Done with it since it last changed; at 2000 it is doubled."""


def scaling_of(scaler: Any) -> Scaling | None:
    """Of ``scaler``; None where there is none."""
    if scaler is None:
        return None
    state = scaler.state_dict()
    return Scaling(state["scale"], state["_growth_tracker"])


def go_on(scaler: Any, scaling: Scaling) -> None:
    """Let a fresh scaler stand where another stood. Left at its start of 65536 it would find what that one
    had found, by skipping steps."""
    scaler.load_state_dict(scaler.state_dict() | {"scale": scaling.scale, "_growth_tracker": scaling.steps})


def allow_half_gradients(scaler: Any) -> None:
    """Let the scaler divide fp16 gradients as well, which torch's refuses of itself ("Attempting to unscale
    FP16 gradients"); as sd-scripts does it for full_fp16 (library/train_util.py:5593)."""
    unscale = scaler._unscale_grads_

    def allowing(optimizer: Any, inverse: Any, found: Any, allow_fp16: bool) -> Any:
        return unscale(optimizer, inverse, found, True)

    scaler._unscale_grads_ = allowing
