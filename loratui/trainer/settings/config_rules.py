"""What is wrong with a config whose keys and types are sound."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from loratui.problems import Problem
from loratui.trainer.lora.held import held_parts
from loratui.trainer.settings.dataset_rules import dataset_problems
from loratui.trainer.settings.network_rules import network_problems
from loratui.trainer.settings.optimizer_rules import optimizer_problems

if TYPE_CHECKING:
    from loratui.trainer.settings.config import TrainConfig

_RANGE = "value_range"


def contradictions(config: TrainConfig) -> Iterator[Problem]:
    """Every value that is out of range, unknown here, or at odds with another."""
    yield from _choices(config)
    yield from _ranges(config)
    yield from network_problems(config)
    yield from _objective(config)
    yield from optimizer_problems(config)
    yield from dataset_problems(config)
    if config.network_train_unet_only and config.network_train_text_encoder_only:
        message = "contradicts network_train_unet_only."
        yield Problem("network_train_text_encoder_only", message, "Remove one of the two.")
    elif config.unet_rate == 0 and not any(config.text_encoder_rates):
        message = "every learning rate is 0, so nothing would train."
        yield Problem("learning_rate", message, "Raise one.", "nothing_trains")
    for key in ("initial_epoch", "initial_step"):
        if getattr(config, key) is not None and not config.skip_until_initial_step:
            message = "moves the number of the first epoch alone without skip_until_initial_step."
            yield Problem(key, message, "Write skip_until_initial_step = true, or remove it.")
    if config.caches_captions:
        yield from _cached_captions(config)
    given = config.text_encoder_lr
    if isinstance(given, list) and len(given) not in (0, 1, len(config.text_encoder_rates)):
        yield Problem("text_encoder_lr", f"{len(given)} rates are given for this model.", "Give one.")


def _cached_captions(config: TrainConfig) -> Iterator[Problem]:
    """What changes from step to step cannot be encoded once (sdxl_train_network.py:35-50)."""
    to_disk = config.cache_text_encoder_outputs_to_disk
    key = "cache_text_encoder_outputs_to_disk" if to_disk else "cache_text_encoder_outputs"
    unet_only = "Remove it, or set network_train_unet_only."
    if any(config.text_encoder_rates):
        yield Problem(key, "the text encoders are trained.", unet_only, "te_cache_train")
    elif held_parts(config) - {"unet"}:
        message = "network_weights holds a part for the text encoders, which is kept."
        yield Problem(key, message, unet_only, "te_cache_train")


def _choices(config: TrainConfig) -> Iterator[Problem]:
    for word in ("bf16", "fp16"):
        if getattr(config, f"full_{word}") and config.mixed_precision != word:
            # train_network.py:814-823
            message = f"needs mixed_precision {word}."
            yield Problem(f"full_{word}", message, f'Write mixed_precision = "{word}", or remove it.')
    for key in ("fp8_base", "fp8_base_unet"):
        if getattr(config, key) and config.mixed_precision == "no":
            # train_network.py:831
            message = "needs mixed_precision bf16 or fp16: float8 weights are computed with in one of them."
            yield Problem(key, message, 'Write mixed_precision = "bf16" (fp16 on older GPUs), or remove it.')
    if config.max_token_length not in (None, 75, 150, 225):
        message = f"{config.max_token_length} is no length that captions are cut to."
        yield Problem("max_token_length", message, "Use 75, 150 or 225.", _RANGE)
    if config.save_model_as != "safetensors":
        message = f"{config.save_model_as} files are pickles, which can run code when they are opened."
        yield Problem("save_model_as", message, 'Write "safetensors".')


def _ranges(config: TrainConfig) -> Iterator[Problem]:
    for key, least in (
        ("gradient_accumulation_steps", 1),
        ("max_train_steps", 1),
        ("max_train_epochs", 1),
        ("network_dim", 1),
        ("clip_skip", 1),
        ("initial_epoch", 1),
        ("initial_step", 0),
        ("network_alpha", 0),
        ("learning_rate", 0),
        ("unet_lr", 0),
        ("max_grad_norm", 0),
        ("lr_warmup_steps", 0),
        ("prior_loss_weight", 0),
        ("max_validation_steps", 1),
        ("validate_every_n_epochs", 1),
        ("validate_every_n_steps", 1),
        ("save_every_n_epochs", 0),
        ("sample_every_n_epochs", 0),
        ("sample_every_n_steps", 0),
        ("save_every_n_steps", 0),
        ("save_last_n_epochs", 1),
        ("save_last_n_epochs_state", 0),
        ("save_last_n_steps", 0),
        ("save_last_n_steps_state", 0),
        ("save_n_epoch_ratio", 0),
        ("lr_decay_steps", 0),
        ("lr_scheduler_min_lr_ratio", 0),
        ("lr_scheduler_num_cycles", 1),
        ("lr_scheduler_timescale", 1),
        ("lr_scheduler_power", 0),
        ("min_snr_gamma", 0),
        ("min_timestep", 0),
        ("max_timestep", 1),
        ("huber_scale", 0),
        ("ip_noise_gamma", 0),
        ("multires_noise_iterations", 0),
        ("multires_noise_discount", 0),
        ("network_dropout", 0),
        ("noise_offset", 0),
        ("scale_weight_norms", 0),
        ("v_pred_like_loss", 0),
    ):
        value = getattr(config, key)
        if value is not None and not value >= least:
            yield Problem(key, f"{value} is too small.", f"Use {least} or more.", _RANGE)
    if config.network_alpha > config.rank:
        message = (
            f"alpha {config.network_alpha:g} is above the rank {config.rank}, which multiplies the rate."
        )
        yield Problem("network_alpha", message, f"Use {config.rank} or less.", _RANGE)
    thumbnail = config.metadata_thumbnail
    if thumbnail and not thumbnail.startswith("data:") and not Path(thumbnail).expanduser().is_file():
        yield Problem("metadata_thumbnail", f"there is no file {thumbnail}.", "Check its path.")
    if "/" in config.name:
        yield Problem(
            "output_name", f"{config.name!r} holds a slash.", "Put folders into output_dir.", "output_dir_bad"
        )


def _objective(config: TrainConfig) -> Iterator[Problem]:
    """What sd-scripts refuses or warns of (library/train_util.py, ``verify_training_args``)."""
    if config.v2 and config.family != "sd2":
        sdxl = config.family == "sdxl"
        message = f"is for Stable Diffusion 2.x, and the model is a {config.facts.title} one."
        yield Problem(
            "v2", message, "Remove it, or choose another model.", "sdxl_flags" if sdxl else "v2_flag"
        )
    if config.scale_v_pred_loss_like_noise_pred and not config.v_parameterization:
        message = "is made for models that predict v, and v_parameterization is not set."
        fix = "Remove it, or set v_parameterization = true for such a model."
        yield Problem("scale_v_pred_loss_like_noise_pred", message, fix)
    if config.v_pred_like_loss and config.v_parameterization:
        message = "contradicts v_parameterization, whose loss is that already."
        yield Problem("v_pred_like_loss", message, "Remove one of the two.")
    for key in ("adaptive_noise_scale", "noise_offset_random_strength"):
        if getattr(config, key) and not config.noise_offset:
            yield Problem(key, "changes noise_offset, which is not set.", "Set noise_offset, or remove it.")
    least, most = config.min_timestep or 0, config.max_timestep or 1000
    if most > 1000:
        yield Problem(
            "max_timestep", f"{most} is above 1000, the last timestep.", "Use 1000 or less.", _RANGE
        )
    if least > most:
        message = f"{least} is above max_timestep, {most}."
        yield Problem("min_timestep", message, "Leave a range between the two.", _RANGE)
    elif least == 1000:
        yield Problem("min_timestep", "is above 999, the last timestep.", "Use 999 or less.", _RANGE)
    if config.loss_type in ("huber", "smooth_l1"):
        if config.huber_c <= 0:
            message = f"{config.huber_c:g} bends nothing."
            yield Problem("huber_c", message, "Use a number above 0, as 0.1.", _RANGE)
        if config.huber_scale == 0 and config.huber_schedule != "snr":
            yield Problem("huber_scale", "0 leaves no loss.", "Use a number above 0.", _RANGE)
    if config.ip_noise_gamma_random_strength and not config.ip_noise_gamma:
        message = "changes ip_noise_gamma, which is not set."
        yield Problem("ip_noise_gamma_random_strength", message, "Set ip_noise_gamma, or remove it.")
