"""Optimizers by Kohya's names."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch

from loratui.builtin.optimizers import BLOCK, IN_BLOCKS, JOINABLE, LEAST_IN_BLOCKS, OptimizerFact
from loratui.problems import Problem, nearest
from loratui.trainer import without_compiler
from loratui.trainer.optimizing.flat_parameters import Joinable
from loratui.trainer.settings.config import ConfigRefusedError, TrainConfig

NOT_SETTABLE = frozenset({"params", "self", "lr"})


@dataclass(frozen=True, slots=True)
class Chosen:
    """An optimizer that is there and takes its arguments."""

    fact: OptimizerFact
    kind: Any
    """Its class."""
    arguments: Mapping[str, Any]

    @property
    def sets_own_rate(self) -> bool:
        """Adafactor with relative_step works out its own learning rate (arXiv:1804.04235, section 7)."""
        return bool(self.arguments.get("relative_step"))

    @property
    def joinable(self) -> Joinable | None:
        """Which weights may be parts of one tensor, and are moved the quicker for it (``flat``)."""
        if self.fact.path in IN_BLOCKS:
            return Joinable(BLOCK, self.arguments.get("min_8bit_size", LEAST_IN_BLOCKS))
        # Of a few elements of each weight, Prodigy's slice_p would take others.
        as_they_are = self.arguments.get("slice_p", 1) == 1 and not self.arguments.get("differentiable")
        return Joinable() if self.fact.path in JOINABLE and as_they_are else None

    @property
    def words(self) -> str:
        """The class and its arguments, as sd-scripts writes them into a file."""
        arguments = ",".join(
            f"{key}={value}" for key, value in self.arguments.items() if key not in self.fact.always
        )
        name = f"{self.kind.__module__}.{self.kind.__name__}"
        return f"{name}({arguments})" if arguments else name


def choose(config: TrainConfig) -> Chosen:
    """Import the class that optimizer_type names and read optimizer_args for it.

    What optimizer_args leaves out stays at the library's default. Adafactor takes relative_step where it is
    not told otherwise, and with warmup_init in any case (sd-scripts library/train_util.py:5079-5086). Raises
    ``ConfigRefusedError`` for a class that is not there and an argument it does not take.
    """
    fact = config.optimizer
    module, _, name = fact.path.rpartition(".")
    try:
        kind = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        message = f"{fact.path} cannot be loaded: {error}."
        fix = f"Run: pip install -U {fact.package}" if fact.package else "Check the name."
        problem = Problem("optimizer_type", message, fix, "opt_unknown")
        raise ConfigRefusedError(str(config.source), problem) from None
    arguments = {**fact.unless_given, **_arguments(config, kind), **fact.always}
    if fact.name == "Adafactor":
        arguments.setdefault("relative_step", True)
        if arguments.get("warmup_init"):
            arguments["relative_step"] = True
    return Chosen(fact, kind, arguments)


def create(
    config: TrainConfig, chosen: Chosen, groups: Sequence[dict[str, Any]], *, scaled: bool = False
) -> torch.optim.Optimizer:
    """The optimizer over parameter groups that have their own ``lr``; ``scaled`` where a gradient scaler
    steps it. Raises ``ConfigRefusedError`` for a value it does not take."""
    without_compiler.prepare(chosen.kind)
    rate: float | None = config.learning_rate or groups[0]["lr"]
    if chosen.sets_own_rate:
        groups = [{key: value for key, value in group.items() if key != "lr"} for group in groups]
        rate = None
    how = {"fused": True} if not scaled and _fuses(chosen) else {}
    try:
        kind = _in_use(chosen)
        optimizer: torch.optim.Optimizer = kind(list(groups), lr=rate, **chosen.arguments, **how)
    except (TypeError, ValueError) as error:
        raise ConfigRefusedError(
            str(config.source), Problem("optimizer_args", f"{error}.", "Change or remove it.")
        ) from None
    if chosen.fact.schedule_free:
        optimizer.train()  # type: ignore[attr-defined]
    return optimizer


def _in_use(chosen: Chosen) -> Any:
    """The class that takes the steps of the one that is named, where we have a quicker one."""
    if chosen.fact.name != "Adafactor":
        return chosen.kind
    from loratui.trainer.optimizing.adafactor import StackedAdafactor

    return StackedAdafactor


def _fuses(chosen: Chosen) -> bool:
    """Whether one kernel moves all tensors: where torch has one, and optimizer_args say nothing of the way.

    Not with a gradient scaler: a fused step skips itself where gradients overflow, and neither accelerate nor
    the schedule would learn of it.
    """
    own_way = chosen.arguments.keys() & {"fused", "foreach", "capturable", "differentiable"}
    kinds = (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD)
    return chosen.kind in kinds and not own_way


@contextmanager
def averaged(optimizer: Any) -> Iterator[None]:
    """Inside, a schedule-free optimizer's weights are the averaged ones, which are the result of training
    (arXiv:2405.15682). Afterwards they are again what they were, to the last bit; others stay as they are."""
    plain = getattr(optimizer, "optimizer", optimizer)
    if not (hasattr(plain, "train") and hasattr(plain, "eval")):
        yield
        return
    weights = [weight for group in plain.param_groups for weight in group["params"]]
    kept = [weight.detach().clone() for weight in weights]
    plain.eval()
    try:
        yield
    finally:
        plain.train()
        with torch.no_grad():
            for weight, was in zip(weights, kept, strict=True):
                weight.copy_(was)


def rate_in_use(group: dict[str, Any]) -> float:
    """The group's learning rate before a step; d times it with Prodigy and D-Adaptation."""
    return float(group["lr"] or 0.0) * float(group.get("d", 1.0))


def rates_found(optimizer: Any) -> list[float]:
    """The rates that an optimizer itself has worked out for the step it has just done, by group: of Adafactor
    with relative_step (its first tensor's) and of the schedule-free ones; empty with all others."""
    plain = getattr(optimizer, "optimizer", optimizer)
    groups = plain.param_groups
    # The package pytorch_optimizer has an Adafactor as well, of another make.
    if hasattr(plain, "_get_lr") and all(group.get("relative_step") for group in groups):
        return [float(plain._get_lr(group, plain.state[group["params"][0]])) for group in groups]
    if all("scheduled_lr" in group for group in groups):
        return [float(group["scheduled_lr"]) for group in groups]
    return []


def _arguments(config: TrainConfig, kind: Any) -> dict[str, Any]:
    parameters = inspect.signature(kind).parameters
    known = [name for name in parameters if name not in NOT_SETTABLE]
    anything = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    arguments = {}
    for text in config.optimizer_args or ():
        key, equals, value = text.partition("=")
        key = key.strip()
        try:
            arguments[key] = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError):
            equals = ""
        if not equals or not (key in known or (anything and key not in NOT_SETTABLE)):
            message = f"{text!r} is nothing that {kind.__name__} takes."
            fix = nearest(key, known) or f"It takes {', '.join(known)}."
            raise ConfigRefusedError(str(config.source), Problem("optimizer_args", message, fix))
    return arguments
