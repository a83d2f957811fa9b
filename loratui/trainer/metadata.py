"""What a LoRA file says about how it was made: the ``ss_`` entries other tools read, and modelspec."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

import loratui
from loratui.trainer import data
from loratui.trainer.config import TrainConfig
from loratui.trainer.data import Item
from loratui.trainer.schedule import Plan

_ARCHITECTURES = {
    "sd15": "stable-diffusion-v1/lora",
    "sd2": "stable-diffusion-v2-512/lora",
    "sdxl": "stable-diffusion-xl-v1-base/lora",
}
_VERSIONS = {"sd15": "sd_v1", "sd2": "sd_v2", "sdxl": "sdxl_base_v1-0"}
_COPIED = (
    "adaptive_noise_scale",
    "bucket_no_upscale",
    "cache_latents",
    "caption_dropout_every_n_epochs",
    "caption_dropout_rate",
    "caption_tag_dropout_rate",
    "clip_skip",
    "debiased_estimation_loss",
    "enable_bucket",
    "flip_aug",
    "fp8_base",
    "fp8_base_unet",
    "full_fp16",
    "gradient_accumulation_steps",
    "gradient_checkpointing",
    "keep_tokens",
    "learning_rate",
    "lr_scheduler",
    "lr_warmup_steps",
    "max_bucket_reso",
    "max_grad_norm",
    "max_timestep",
    "min_bucket_reso",
    "min_snr_gamma",
    "min_timestep",
    "mixed_precision",
    "multires_noise_discount",
    "multires_noise_iterations",
    "network_dropout",
    "network_module",
    "noise_offset",
    "noise_offset_random_strength",
    "prior_loss_weight",
    "scale_v_pred_loss_like_noise_pred",
    "scale_weight_norms",
    "shuffle_caption",
    "training_comment",
    "unet_lr",
    "v_pred_like_loss",
    "weighted_captions",
    "zero_terminal_snr",
)


def of_training(
    config: TrainConfig, items: list[Item], plan: Plan, seed: int, started: float
) -> dict[str, str]:
    """All that stays the same from the first file of a training to the last. No path, only names."""
    model = Path(config.pretrained_model_name_or_path).expanduser()
    entries = {f"ss_{key}": str(getattr(config, key)) for key in _COPIED}
    entries |= {
        "ss_base_model_version": _version(config),
        "ss_batch_size_per_device": str(config.train_batch_size),
        "ss_max_train_steps": str(plan.total_steps),
        "ss_network_alpha": f"{config.alpha:g}",
        "ss_network_dim": str(config.rank),
        "ss_num_batches_per_epoch": str(plan.batches_per_epoch),
        "ss_num_epochs": str(plan.epochs),
        "ss_output_name": config.name,
        "ss_resolution": str(config.size),
        "ss_sd_model_name": config.hub_id or model.name,
        "ss_seed": str(seed),
        "ss_text_encoder_lr": str(config.text_encoder_lr),
        "ss_total_batch_size": str(config.train_batch_size * config.gradient_accumulation_steps),
        "ss_training_started_at": str(started),
        "ss_v2": str(config.family == "sd2"),
    }
    if config.network_arguments:
        entries["ss_network_args"] = json.dumps(config.network_arguments)
    if model.is_file():
        entries["ss_sd_model_hash"] = _legacy_hash(model)
    return entries | data.metadata(items, config)


def of_file(config: TrainConfig, name: str, step: int, epoch: int) -> dict[str, str]:
    """What is true of one file: steps done, epoch, and Stability's modelspec
    (https://github.com/Stability-AI/ModelSpec)."""
    now = time.time()
    width, height = config.size
    entries = {
        "ss_epoch": str(epoch),
        "ss_steps": str(step),
        "ss_training_finished_at": str(now),
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": _architecture(config),
        "modelspec.implementation": "diffusers",
        "modelspec.implementation_version": f"loratui/{loratui.__version__}",
        "modelspec.title": name,
        "modelspec.resolution": f"{width}x{height}",
        "modelspec.date": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)),
        "modelspec.prediction_type": "v" if config.v_parameterization else "epsilon",
    }
    if config.family != "sdxl":
        entries["modelspec.encoder_layer"] = str(config.clip_skip or 1)
    return entries


def _version(config: TrainConfig) -> str:
    """As sd-scripts names it (library/model_util.py:1068)."""
    velocity = config.v_parameterization and config.family != "sdxl"
    return _VERSIONS[config.family] + ("_v" if velocity else "")


def _architecture(config: TrainConfig) -> str:
    if config.family == "sd2" and config.v_parameterization:
        return "stable-diffusion-v2-768-v/lora"
    return _ARCHITECTURES[config.family]


def _legacy_hash(path: Path) -> str:
    """The short hash WebUIs gave checkpoints: of 64 KiB, one MiB in."""
    with path.open("rb") as file:
        file.seek(0x100000)
        return hashlib.sha256(file.read(0x10000)).hexdigest()[:8]
