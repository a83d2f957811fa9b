"""What is wrong with a config's optimizer and learning rate schedule."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from loratui.builtin import optimizers as builtin_optimizers
from loratui.builtin import support as builtin_support
from loratui.problems import Problem, nearest
from loratui.trainer.optimizing.rate_shapes import ARGUMENTS
from loratui.trainer.reporting import causes
from loratui.trainer.settings.rates_arguments import scheduler_arguments

if TYPE_CHECKING:
    from loratui.trainer.settings.config import TrainConfig

_WITHOUT_WARMUP = ("constant", "adafactor")
"""sd-scripts refuses a warmup with these, after the model is loaded (library/train_util.py:5289)."""


def optimizer_problems(config: TrainConfig) -> Iterator[Problem]:
    """Every value that is unknown, contradictory or needs a package that is not there."""
    fact = builtin_optimizers.find(config.optimizer_name)
    if fact is None:
        known = builtin_optimizers.NAMES
        message = f"the builtin trainer has no {config.optimizer_name!r}."
        fix = nearest(config.optimizer_name, known) or f"It has {', '.join(known)}, and any module.Class."
        yield Problem("optimizer_type", message, fix, "opt_unknown")
        return
    if config.optimizer_type and (config.use_8bit_adam or config.use_lion_optimizer):
        key = "use_8bit_adam" if config.use_8bit_adam else "use_lion_optimizer"
        yield Problem(key, "contradicts optimizer_type.", "Remove one of the two.")
    package = builtin_optimizers.missing_package(fact)
    if package:
        message = f"{fact.name} needs the package {package}, which is not installed."
        yield Problem("optimizer_type", message, f"Run: pip install {package}", causes.missing(package))
    in_float16 = config.full_fp16 and config.mixed_precision == "fp16"
    if in_float16 and builtin_optimizers.breaks_in_float16(fact.name, config.optimizer_args or ()):
        message = f"{fact.name}'s eps is 0 in 16 bits: the first step would turn the LoRA into NaN."
        yield Problem("full_fp16", message, "Remove it, or use AdamW8bit.", "loss_nan")
    rates = {rate for rate in (config.unet_rate, *config.text_encoder_rates) if rate}
    if fact.finds_its_rate and len(rates) > 1:
        words = ", ".join(f"{rate:g}" for rate in sorted(rates))
        message = f"{fact.name} takes one learning rate for everything, and here are {words}."
        yield Problem("optimizer_type", message, "Set them all to 1.0.", "prodigy_rates")
    yield from _schedule(config, fact)


def _schedule(config: TrainConfig, fact: builtin_optimizers.OptimizerFact) -> Iterator[Problem]:
    try:
        arguments = scheduler_arguments(config.lr_scheduler_args)
    except ValueError as error:
        yield Problem("lr_scheduler_args", f"'{error}' is not of the form key=value.", 'Write "T_max=100".')
        return
    if config.lr_scheduler_type or fact.schedule_free:
        return
    name, _, rate = config.lr_scheduler.partition(":")
    if name == "adafactor":
        if fact.name != "Adafactor":
            yield Problem("lr_scheduler", "adafactor works with the optimizer Adafactor only.", "Use cosine.")
        elif rate and not _is_number(rate):
            yield Problem("lr_scheduler", f"{rate!r} is no rate.", 'Write "adafactor:0.001".')
    elif config.lr_scheduler not in builtin_support.SCHEDULES:
        message = f"the builtin trainer has no {config.lr_scheduler!r}."
        known = sorted(builtin_support.SCHEDULES)
        fix = nearest(config.lr_scheduler, known) or f"Use {', '.join(known)}; or lr_scheduler_type."
        yield Problem("lr_scheduler", message, fix, "sched_unknown")
        return
    if name in _WITHOUT_WARMUP and config.lr_warmup_steps:
        message = f"{name} has no warmup, and lr_warmup_steps is {config.lr_warmup_steps:g}."
        fix = "Use constant_with_warmup, or remove lr_warmup_steps."
        yield Problem("lr_scheduler", message, fix, "sched_warmup")
    unknown = sorted(arguments.keys() - ARGUMENTS.get(name, frozenset()))
    if unknown:
        yield Problem("lr_scheduler_args", f"{name} takes no {unknown[0]!r}.", "Remove it.")
    if name == "piecewise_constant" and not _are_rules(arguments.get("step_rules")):
        message = "piecewise_constant needs its steps."
        yield Problem("lr_scheduler_args", message, "Write step_rules='1:10,0.1:20,0.01'.")
    if name == "cosine_with_min_lr" and (config.lr_scheduler_min_lr_ratio is None) == (
        "min_lr" not in arguments
    ):
        message = "cosine_with_min_lr needs its lowest rate, once."
        yield Problem("lr_scheduler_min_lr_ratio", message, "Write 0.1 for a tenth of the rate.")
    ways = ("linear", "cosine", "1-sqrt")
    for key in ("warmup_type", "decay_type"):
        if arguments.get(key, ways[0]) not in ways:
            yield Problem("lr_scheduler_args", f"{key} is unknown.", f"Use {', '.join(ways)}.")


def _are_rules(text: object) -> bool:
    *rules, last = str(text).split(",")
    pairs = [rule.partition(":") for rule in rules]
    return _is_number(last) and all(_is_number(value) and until.isdecimal() for value, _, until in pairs)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
