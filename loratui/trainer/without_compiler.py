"""Keeps torch.compile's machinery out of a training that compiles nothing: importing it takes over a second.

torch.optim asks for it to hide its own methods from a compiler (torch/_compile.py, torch/optim/optimizer.py,
``_use_grad_for_differentiable``). Where torch does it otherwise than known here, nothing is changed, and the
import takes place.
"""

from __future__ import annotations

import sys
from typing import Any

import torch

_HIDDEN = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")


def prepare(kind: Any) -> None:
    """Make ready a class of optimizers before the first one is made."""
    if "torch._dynamo" in sys.modules:
        return
    for name in _HIDDEN:
        method = getattr(getattr(torch.optim.Optimizer, name), "__wrapped__", None)
        if method is not None:
            vars(method).setdefault("__dynamo_disable", method)
    owner = next((base for base in getattr(kind, "__mro__", ()) if "step" in vars(base)), None)
    if owner is None or not owner.__module__.startswith("torch.optim."):
        return
    step = vars(owner)["step"]
    plain = getattr(step, "__wrapped__", None)
    # The wrapper's own work: no gradients of the step itself, unless ``differentiable`` asks for them, which
    # makes no sense on trained leaves.
    if plain is not None and getattr(getattr(step, "__code__", None), "co_name", "") == "_use_grad":
        owner.step = torch.no_grad()(plain)
