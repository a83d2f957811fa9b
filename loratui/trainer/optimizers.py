"""Optimizers by Kohya's names."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Sequence
from typing import Any

import torch

from loratui.problems import Problem, nearest
from loratui.trainer.config import ConfigRefusedError, TrainConfig

NOT_SETTABLE = frozenset({"params", "self", "lr"})


def create(config: TrainConfig, groups: Sequence[dict[str, Any]]) -> torch.optim.Optimizer:
    """The optimizer over parameter groups that have their own ``lr``.

    What optimizer_args leaves out stays at the library's default; for AdamW that is weight decay
    0.01 and betas 0.9, 0.999. Raises ``ConfigRefusedError`` for an argument it does not take.
    """
    kind: Any
    if config.optimizer == "prodigy":
        from prodigyopt import Prodigy

        kind = Prodigy
    else:
        kind = torch.optim.AdamW
    arguments = _arguments(config, kind)
    try:
        optimizer: torch.optim.Optimizer = kind(list(groups), lr=groups[0]["lr"], **arguments)
    except (TypeError, ValueError) as error:
        raise ConfigRefusedError(
            str(config.source), Problem("optimizer_args", f"{error}.", "Change or remove it.")
        ) from None
    return optimizer


def rate_in_use(group: dict[str, Any]) -> float:
    """The group's learning rate; with Prodigy, d times it."""
    return float(group["lr"]) * float(group.get("d", 1.0))


def _arguments(config: TrainConfig, kind: Any) -> dict[str, Any]:
    known = [name for name in inspect.signature(kind).parameters if name not in NOT_SETTABLE]
    arguments = {}
    for text in config.optimizer_args or ():
        key, equals, value = text.partition("=")
        try:
            arguments[key.strip()] = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError):
            equals = ""
        if not equals or key.strip() not in known:
            message = f"{text!r} is nothing that {kind.__name__} takes."
            fix = nearest(key.strip(), known) or f"It takes {', '.join(known)}."
            raise ConfigRefusedError(str(config.source), Problem("optimizer_args", message, fix))
    return arguments
