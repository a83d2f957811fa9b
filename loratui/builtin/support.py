"""What the builtin engine can do, by the words of config.toml.

Shared by the engine, which refuses before anything starts, and the trainer, which refuses again.
"""

from __future__ import annotations

from collections.abc import Mapping

FAMILIES = frozenset({"sd15", "sd2", "sdxl"})

NETWORK_TYPES = frozenset({"lora", "locon", "loha", "lokr"})

LORA_MODULE = "networks.lora"
LYCORIS_MODULE = "lycoris.kohya"
LYCORIS_PACKAGE = "lycoris-lora"

FOUR_BIT_PACKAGE = "bitsandbytes"

_PLUS_ARGS = frozenset({"loraplus_lr_ratio", "loraplus_unet_lr_ratio", "loraplus_text_encoder_lr_ratio"})
_COMMON_ARGS = frozenset({"conv_dim", "conv_alpha", "rank_dropout", "module_dropout"}) | _PLUS_ARGS
BLOCK_ARGS = frozenset(
    {
        "block_alphas",
        "block_dims",
        "block_lr_zero_threshold",
        "conv_block_alphas",
        "conv_block_dims",
        "down_lr_weight",
        "mid_lr_weight",
        "up_lr_weight",
    }
)
NETWORK_ARGS = _COMMON_ARGS | BLOCK_ARGS
"""What network_args may say with ``networks.lora``."""

LYCORIS_ALGORITHMS = frozenset(
    {"lora", "locon", "loha", "lokr", "ia3", "full", "glora", "diag-oft", "boft", "dylora"}
)
LYCORIS_ARGS = _COMMON_ARGS | frozenset(
    {
        "algo",
        "block_size",
        "bypass_mode",
        "constraint",
        "decompose_both",
        "disable_conv_cp",
        "dora_wd",
        "dropout",
        "factor",
        "full_matrix",
        "preset",
        "rescaled",
        "rs_lora",
        "train_norm",
        "unbalanced_factorization",
        "use_conv_cp",
        "use_cp",
        "use_scalar",
        "use_tucker",
        "wd_on_output",
    }
)
"""What it may say with ``lycoris.kohya`` (lycoris-lora 4.1.3, kohya.py)."""

SCHEDULES = frozenset(
    {
        "constant",
        "constant_with_warmup",
        "cosine",
        "cosine_with_min_lr",
        "cosine_with_restarts",
        "inverse_sqrt",
        "linear",
        "piecewise_constant",
        "polynomial",
        "warmup_stable_decay",
    }
)
"""Beside these, ``adafactor`` and ``adafactor:RATE`` go with the optimizer of that name."""

KEYS = frozenset(
    {
        "adaptive_noise_scale",
        "alpha_mask",
        "base_weights",
        "base_weights_multiplier",
        "bucket_no_upscale",
        "bucket_reso_steps",
        "cache_latents",
        "cache_latents_to_disk",
        "cache_text_encoder_outputs",
        "cache_text_encoder_outputs_to_disk",
        "caption_dropout_every_n_epochs",
        "caption_dropout_rate",
        "caption_extension",
        "caption_prefix",
        "caption_separator",
        "caption_suffix",
        "caption_tag_dropout_rate",
        "clip_skip",
        "color_aug",
        "dataset_config",
        "dataset_repeats",
        "ddp_timeout",
        "debiased_estimation_loss",
        "dim_from_weights",
        "enable_bucket",
        "enable_wildcard",
        "face_crop_aug_range",
        "flip_aug",
        "fp8_base",
        "fp8_base_unet",
        "full_bf16",
        "full_fp16",
        "gradient_accumulation_steps",
        "gradient_checkpointing",
        "huber_c",
        "huber_scale",
        "huber_schedule",
        "in_json",
        "initial_epoch",
        "initial_step",
        "ip_noise_gamma",
        "ip_noise_gamma_random_strength",
        "keep_tokens",
        "keep_tokens_separator",
        "learning_rate",
        "loss_type",
        "lr_decay_steps",
        "lr_scheduler",
        "lr_scheduler_args",
        "lr_scheduler_min_lr_ratio",
        "lr_scheduler_num_cycles",
        "lr_scheduler_power",
        "lr_scheduler_timescale",
        "lr_scheduler_type",
        "lr_warmup_steps",
        "masked_loss",
        "max_bucket_reso",
        "max_grad_norm",
        "max_timestep",
        "max_token_length",
        "max_train_epochs",
        "max_train_steps",
        "max_validation_steps",
        "metadata_author",
        "metadata_description",
        "metadata_is_negative_embedding",
        "metadata_license",
        "metadata_merged_from",
        "metadata_preprocessor",
        "metadata_tags",
        "metadata_thumbnail",
        "metadata_title",
        "metadata_trigger_phrase",
        "metadata_usage_hint",
        "min_bucket_reso",
        "min_snr_gamma",
        "min_timestep",
        "mixed_precision",
        "multires_noise_discount",
        "multires_noise_iterations",
        "network_alpha",
        "network_args",
        "network_dim",
        "network_dropout",
        "network_module",
        "network_train_text_encoder_only",
        "network_train_unet_only",
        "network_weights",
        "no_metadata",
        "noise_offset",
        "noise_offset_random_strength",
        "optimizer_args",
        "optimizer_type",
        "output_dir",
        "output_name",
        "pretrained_model_name_or_path",
        "prior_loss_weight",
        "random_crop",
        "reg_data_dir",
        "resize_interpolation",
        "resolution",
        "resume",
        "sample_at_first",
        "sample_every_n_epochs",
        "sample_every_n_steps",
        "sample_prompts",
        "sample_sampler",
        "save_every_n_epochs",
        "save_every_n_steps",
        "save_last_n_epochs",
        "save_last_n_epochs_state",
        "save_last_n_steps",
        "save_last_n_steps_state",
        "save_model_as",
        "save_n_epoch_ratio",
        "save_precision",
        "save_state",
        "save_state_on_train_end",
        "scale_v_pred_loss_like_noise_pred",
        "scale_weight_norms",
        "secondary_separator",
        "seed",
        "shuffle_caption",
        "skip_cache_check",
        "skip_until_initial_step",
        "text_encoder_lr",
        "token_warmup_min",
        "token_warmup_step",
        "train_batch_size",
        "train_data_dir",
        "training_comment",
        "unet_lr",
        "use_8bit_adam",
        "use_lion_optimizer",
        "v2",
        "v_parameterization",
        "v_pred_like_loss",
        "vae",
        "validate_every_n_epochs",
        "validate_every_n_steps",
        "validation_seed",
        "validation_split",
        "weighted_captions",
        "zero_terminal_snr",
    }
)
"""Keys the builtin trainer obeys."""

IGNORED_KEYS = frozenset(
    {
        "cache_info",
        "console_log_file",
        "console_log_level",
        "console_log_simple",
        "cpu_offload_checkpointing",
        "ddp_gradient_as_bucket_view",
        "ddp_static_graph",
        "disable_mmap_load_safetensors",
        "dynamo_backend",
        "highvram",
        "log_config",
        "log_prefix",
        "log_tracker_config",
        "log_tracker_name",
        "log_with",
        "logging_dir",
        "lowram",
        "max_data_loader_n_workers",
        "mem_eff_attn",
        "no_half_vae",
        "persistent_data_loader_workers",
        "sdpa",
        "tokenizer_cache_dir",
        "torch_compile",
        "vae_batch_size",
        "wandb_run_name",
        "xformers",
    }
)
"""Keys that change how sd-scripts works but not what comes out; the builtin trainer passes over them."""

INSTEAD: Mapping[str, str] = {
    "conditioning_data_dir": "Write it into a subset of a dataset_config, where sd-scripts reads it as well.",
    "debug_dataset": "Remove it; loratui check and loratui steps say what a training would see.",
    "resume_from_huggingface": 'Fetch the state\'s folder, and write resume = "its path".',
    "wandb_api_key": "Remove it: the run's panel draws these curves, and a key in a config is soon copied.",
    **dict.fromkeys(
        (
            "async_upload",
            "huggingface_path_in_repo",
            "huggingface_repo_id",
            "huggingface_repo_type",
            "huggingface_repo_visibility",
            "huggingface_token",
            "save_state_to_huggingface",
        ),
        "Remove it, and upload the finished file with loratui lora upload.",
    ),
}
"""What to do in place of a key that the builtin trainer refuses."""
