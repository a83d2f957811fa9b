"""What is wrong with a config whose keys and types are sound."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from loratui import builtin_support
from loratui.problems import Problem

if TYPE_CHECKING:
    from loratui.trainer.config import TrainConfig


def contradictions(config: TrainConfig) -> Iterator[Problem]:
    """Every value that is out of range, unknown here, or at odds with another."""
    yield from _choices(config)
    yield from _ranges(config)
    try:
        sides = config.size
    except ValueError:
        yield Problem("resolution", f"{config.resolution!r} is no size.", 'Write "512" or "512,768".')
        return
    if config.enable_bucket:
        yield from config.bucketing.problems(config.facts.bucket_step)
    elif any(side % 8 for side in sides):
        yield Problem("resolution", f"{config.resolution} does not divide by 8.", "Use multiples of 64.")
    if config.network_train_unet_only and config.network_train_text_encoder_only:
        message = "contradicts network_train_unet_only."
        yield Problem("network_train_text_encoder_only", message, "Remove one of the two.")
    elif config.unet_rate == 0 and not any(config.text_encoder_rates):
        yield Problem("learning_rate", "every learning rate is 0, so nothing would train.", "Raise one.")
    given = config.text_encoder_lr
    if isinstance(given, list) and len(given) not in (0, 1, len(config.text_encoder_rates)):
        yield Problem("text_encoder_lr", f"{len(given)} rates are given for this model.", "Give one.")
    rates = {rate for rate in (config.unet_rate, *config.text_encoder_rates) if rate}
    if config.optimizer == "prodigy" and len(rates) > 1:
        words = ", ".join(f"{rate:g}" for rate in sorted(rates))
        message = f"Prodigy takes one learning rate for everything, and here are {words}."
        yield Problem("optimizer_type", message, "Set them all to 1.0.")


def _choices(config: TrainConfig) -> Iterator[Problem]:
    known = sorted(builtin_support.OPTIMIZERS)
    if config.optimizer not in {name.lower() for name in known}:
        message = f"the builtin trainer has no {config.optimizer_type!r}."
        yield Problem("optimizer_type", message, f'Use {" or ".join(known)}, or engine = "kohya".')
    if config.lr_scheduler not in builtin_support.SCHEDULES:
        message = f"the builtin trainer has no {config.lr_scheduler!r}."
        fix = f'Use {", ".join(sorted(builtin_support.SCHEDULES))}, or engine = "kohya".'
        yield Problem("lr_scheduler", message, fix)
    if config.network_module != "networks.lora":
        message = f"the builtin trainer has no {config.network_module!r}."
        yield Problem("network_module", message, 'Write "networks.lora", or choose engine = "kohya".')
    if config.save_model_as != "safetensors":
        message = f"{config.save_model_as} files are pickles, which can run code when they are opened."
        yield Problem("save_model_as", message, 'Write "safetensors".')


def _ranges(config: TrainConfig) -> Iterator[Problem]:
    for key, least in (
        ("train_batch_size", 1),
        ("gradient_accumulation_steps", 1),
        ("max_train_steps", 1),
        ("max_train_epochs", 1),
        ("network_dim", 1),
        ("clip_skip", 1),
        ("network_alpha", 0),
        ("learning_rate", 0),
        ("unet_lr", 0),
        ("max_grad_norm", 0),
        ("keep_tokens", 0),
        ("lr_warmup_steps", 0),
        ("prior_loss_weight", 0),
        ("save_every_n_epochs", 0),
        ("sample_every_n_epochs", 0),
    ):
        value = getattr(config, key)
        if value is not None and not value >= least:
            yield Problem(key, f"{value} is too small.", f"Use {least} or more.")
    if config.network_alpha > config.rank:
        message = (
            f"alpha {config.network_alpha:g} is above the rank {config.rank}, which multiplies the rate."
        )
        yield Problem("network_alpha", message, f"Use {config.rank} or less.")
    if "/" in config.name:
        yield Problem("output_name", f"{config.name!r} holds a slash.", "Put folders into output_dir.")
