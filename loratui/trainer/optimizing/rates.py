"""The learning rate of each parameter group, set before every step."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Protocol

from loratui.problems import Problem
from loratui.trainer.optimizing.optimizers import Chosen
from loratui.trainer.optimizing.rate_shapes import RateShape, steps_of
from loratui.trainer.settings.config import ConfigRefusedError, TrainConfig
from loratui.trainer.settings.rates_arguments import scheduler_arguments


class Rates(Protocol):
    """Sets an optimizer's learning rates."""

    def set(self, done: int) -> None:
        """For the step after ``done`` ones; ``done`` never falls."""

    def advance(self) -> None:
        """An optimizer step is done, and its gradients are still there."""


class ShapedRates:
    """A formula's factor on the rate of each group."""

    def __init__(self, optimizer: Any, rates: Sequence[float], shape: RateShape) -> None:
        self._optimizer = optimizer
        self._rates = rates
        self._shape = shape

    def set(self, done: int) -> None:
        factor = self._shape.factor(done)
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor

    def advance(self) -> None:
        """A formula has no memory."""


class ScheduledRates:
    """A scheduler of torch's kind, which counts for itself. One that goes on from a state is stepped as often
    as the first one was, before the optimizer gets its state back."""

    def __init__(self, scheduler: Any, done: int) -> None:
        self._scheduler = scheduler
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # no optimizer step comes before these
            for _ in range(done):
                scheduler.step()

    def set(self, done: int) -> None:
        """The scheduler has done it."""

    def advance(self) -> None:
        self._scheduler.step()


def rates_for(
    config: TrainConfig,
    chosen: Chosen,
    optimizer: Any,
    rates: Sequence[float],
    total_steps: int,
    done: int = 0,
) -> Rates:
    """The rates that a config asks for, after ``done`` steps of its schedule
    (library/train_util.py:5265-5390).

    ``optimizer`` may be accelerate's wrapper. Raises ``ConfigRefusedError`` for a scheduler that cannot be
    made.
    """
    plain = getattr(optimizer, "optimizer", optimizer)
    if config.lr_scheduler_type and not chosen.fact.schedule_free:
        return ScheduledRates(_scheduler(config, plain), done)
    if chosen.sets_own_rate or config.lr_scheduler.startswith("adafactor"):
        from transformers.optimization import AdafactorSchedule

        _, _, given = config.lr_scheduler.partition(":")
        return ScheduledRates(AdafactorSchedule(plain, float(given or config.learning_rate)), done)
    return ShapedRates(optimizer, rates, shape_of(config, total_steps))


def shape_of(config: TrainConfig, total_steps: int) -> RateShape:
    """The formula that a config names."""
    return RateShape(
        name="constant" if config.optimizer.schedule_free else config.lr_scheduler,
        total_steps=total_steps,
        warmup=steps_of(config.lr_warmup_steps, total_steps),
        decay=steps_of(config.lr_decay_steps, total_steps),
        cycles=config.lr_scheduler_num_cycles,
        power=config.lr_scheduler_power,
        timescale=config.lr_scheduler_timescale,
        least=config.lr_scheduler_min_lr_ratio,
        rate=config.learning_rate,
        arguments=scheduler_arguments(config.lr_scheduler_args),
    )


def _scheduler(config: TrainConfig, optimizer: Any) -> Any:
    module, _, name = config.lr_scheduler_type.rpartition(".")
    try:
        kind = getattr(import_module(module or "torch.optim.lr_scheduler"), name)
        return kind(optimizer, **scheduler_arguments(config.lr_scheduler_args))
    except Exception as error:  # any class may be named here, and each refuses in its own way
        message = f"{config.lr_scheduler_type} cannot be made: {error}."
        cause = "sched_unknown" if isinstance(error, ImportError | AttributeError) else "sched_args"
        problem = Problem("lr_scheduler_type", message, "Check the name, and lr_scheduler_args.", cause)
        raise ConfigRefusedError(str(config.source), problem) from None
