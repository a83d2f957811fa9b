"""What a LoRA file says about how it was made: the ``ss_`` entries other tools read, and modelspec."""

from __future__ import annotations

import base64
import hashlib
import json
import mimetypes
import random
import time
from pathlib import Path

import loratui
from loratui.trainer.pictures.data import Item
from loratui.trainer.pictures.dataset_entries import dataset_entries
from loratui.trainer.schedule import Plan
from loratui.trainer.settings.config import TrainConfig

_ARCHITECTURES = {
    "sd15": "stable-diffusion-v1/lora",
    "sd2": "stable-diffusion-v2-512/lora",
    "sdxl": "stable-diffusion-xl-v1-base/lora",
}
_VERSIONS = {"sd15": "sd_v1", "sd2": "sd_v2", "sdxl": "sdxl_base_v1-0"}
_SDXL_IMPLEMENTATION = "https://github.com/Stability-AI/generative-models"
_TOLD = (
    "author",
    "description",
    "is_negative_embedding",
    "license",
    "merged_from",
    "preprocessor",
    "tags",
    "thumbnail",
    "trigger_phrase",
    "usage_hint",
)
"""Fields of modelspec that a person writes as ``metadata_author`` and so on."""
_COPIED = (
    "adaptive_noise_scale",
    "bucket_no_upscale",
    "cache_latents",
    "caption_dropout_every_n_epochs",
    "caption_dropout_rate",
    "caption_tag_dropout_rate",
    "clip_skip",
    "color_aug",
    "enable_bucket",
    "face_crop_aug_range",
    "flip_aug",
    "fp8_base",
    "fp8_base_unet",
    "full_fp16",
    "gradient_accumulation_steps",
    "gradient_checkpointing",
    "huber_c",
    "huber_scale",
    "huber_schedule",
    "ip_noise_gamma",
    "ip_noise_gamma_random_strength",
    "keep_tokens",
    "learning_rate",
    "loss_type",
    "lr_scheduler",
    "lr_warmup_steps",
    "max_bucket_reso",
    "max_grad_norm",
    "max_timestep",
    "max_token_length",
    "max_validation_steps",
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
    "random_crop",
    "resize_interpolation",
    "scale_v_pred_loss_like_noise_pred",
    "scale_weight_norms",
    "shuffle_caption",
    "training_comment",
    "unet_lr",
    "v_pred_like_loss",
    "validate_every_n_epochs",
    "validate_every_n_steps",
    "validation_seed",
    "validation_split",
    "weighted_captions",
    "zero_terminal_snr",
)


_LEAST = (
    "ss_base_model_version",
    "ss_network_alpha",
    "ss_network_args",
    "ss_network_dim",
    "ss_network_module",
    "ss_v2",
)
"""All that no_metadata leaves of them (library/train_util.py, ``SS_METADATA_MINIMUM_KEYS``)."""


def of_training(
    config: TrainConfig, items: list[Item], plan: Plan, seed: int, started: float, optimizer: str
) -> dict[str, str]:
    """All that stays the same from the first file of a training to the last, the ``optimizer`` in words. No
    path, only names."""
    model = Path(config.pretrained_model_name_or_path).expanduser()
    entries = {f"ss_{key}": str(getattr(config, key)) for key in _COPIED}
    entries |= {
        "ss_base_model_version": _version(config),
        "ss_debiased_estimation": str(config.debiased_estimation_loss),
        "ss_batch_size_per_device": str(config.train_batch_size),
        "ss_max_train_steps": str(plan.total_steps),
        "ss_network_alpha": f"{config.alpha:g}",
        "ss_network_dim": str(config.rank),
        "ss_num_batches_per_epoch": str(plan.batches_per_epoch),
        "ss_num_epochs": str(plan.epochs),
        "ss_optimizer": optimizer,
        "ss_output_name": config.name,
        "ss_resolution": str(config.size),
        "ss_sd_model_name": config.hub_id or model.name,
        "ss_seed": str(seed),
        "ss_session_id": str(random.SystemRandom().randrange(2**32)),
        "ss_text_encoder_lr": _rates(config.text_encoder_lr),
        "ss_total_batch_size": str(config.train_batch_size * config.gradient_accumulation_steps),
        "ss_training_started_at": str(started),
        "ss_v2": str(config.family == "sd2"),
    }
    if config.network_arguments:
        entries["ss_network_args"] = json.dumps(config.network_arguments)
    if model.is_file():
        entries["ss_sd_model_hash"] = _legacy_hash(model)
    if config.vae:
        vae = Path(config.vae).expanduser()
        entries["ss_vae_name"] = vae.name
        if vae.is_file():
            entries["ss_vae_hash"] = _legacy_hash(vae)
    if config.no_metadata:
        return {key: value for key, value in entries.items() if key in _LEAST}
    return entries | dataset_entries(items, config)


def of_file(config: TrainConfig, name: str, step: int, epoch: int) -> dict[str, str]:
    """What is true of one file: steps done, epoch, and Stability's modelspec
    (https://github.com/Stability-AI/ModelSpec) with what the ``metadata_`` keys say."""
    now = time.time()
    width, height = config.size
    sdxl = config.family == "sdxl"
    entries = {
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": _architecture(config),
        "modelspec.implementation": _SDXL_IMPLEMENTATION if sdxl else "diffusers",
        "modelspec.implementation_version": f"loratui/{loratui.__version__}",
        "modelspec.title": config.metadata_title or name,
        "modelspec.resolution": f"{width}x{height}",
        "modelspec.date": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)),
        "modelspec.prediction_type": "v" if config.v_parameterization else "epsilon",
    }
    if not sdxl:
        entries["modelspec.encoder_layer"] = str(config.clip_skip or 1)
    if config.min_timestep is not None or config.max_timestep is not None:
        least, most = config.min_timestep or 0, config.max_timestep or 1000
        entries["modelspec.timestep_range"] = f"{least},{most}"
    for field in _TOLD:
        value = getattr(config, f"metadata_{field}")
        if value:
            entries[f"modelspec.{field}"] = _thumbnail(value) if field == "thumbnail" else str(value)
    if config.no_metadata:
        return entries
    ended = {"ss_epoch": str(epoch), "ss_steps": str(step), "ss_training_finished_at": str(now)}
    return entries | ended


def _thumbnail(value: str) -> str:
    """A data URL, of a file where one is named."""
    path = Path(value).expanduser()
    if value.startswith("data:") or not path.is_file():
        return value
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


def _rates(given: list[float] | float | None) -> str:
    """One number where it is one for all."""
    return str(given[0] if isinstance(given, list) and len(set(given)) == 1 else given)


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
