"""What the builtin engine can do, by the words of config.toml.

Shared by the engine, which refuses before anything starts, and the trainer, which refuses again.
"""

from __future__ import annotations

FAMILIES = frozenset({"sd15", "sdxl"})

OPTIMIZERS = frozenset({"AdamW", "Prodigy"})

SCHEDULES = frozenset({"constant", "constant_with_warmup", "cosine"})

KEYS = frozenset(
    {
        "bucket_no_upscale",
        "bucket_reso_steps",
        "cache_latents",
        "caption_extension",
        "clip_skip",
        "enable_bucket",
        "flip_aug",
        "gradient_accumulation_steps",
        "gradient_checkpointing",
        "keep_tokens",
        "learning_rate",
        "lr_scheduler",
        "lr_warmup_steps",
        "max_bucket_reso",
        "max_grad_norm",
        "max_train_epochs",
        "max_train_steps",
        "min_bucket_reso",
        "mixed_precision",
        "network_alpha",
        "network_dim",
        "network_module",
        "network_train_text_encoder_only",
        "network_train_unet_only",
        "network_weights",
        "noise_offset",
        "optimizer_args",
        "optimizer_type",
        "output_dir",
        "output_name",
        "pretrained_model_name_or_path",
        "prior_loss_weight",
        "reg_data_dir",
        "resolution",
        "resume",
        "sample_at_first",
        "sample_every_n_epochs",
        "sample_prompts",
        "save_every_n_epochs",
        "save_last_n_epochs",
        "save_last_n_epochs_state",
        "save_model_as",
        "save_precision",
        "save_state",
        "save_state_on_train_end",
        "seed",
        "shuffle_caption",
        "skip_until_initial_step",
        "text_encoder_lr",
        "train_batch_size",
        "train_data_dir",
        "training_comment",
        "unet_lr",
        "v_parameterization",
    }
)
"""Keys the builtin trainer obeys."""

IGNORED_KEYS = frozenset(
    {
        "console_log_file",
        "console_log_level",
        "console_log_simple",
        "log_config",
        "log_prefix",
        "log_with",
        "logging_dir",
        "lowram",
        "max_data_loader_n_workers",
        "mem_eff_attn",
        "no_half_vae",
        "persistent_data_loader_workers",
        "sdpa",
        "tokenizer_cache_dir",
        "vae_batch_size",
        "xformers",
    }
)
"""Keys that change how sd-scripts works but not what comes out; the builtin trainer passes over them."""
