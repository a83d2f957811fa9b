"""The names in a .json of kohya_ss' GUI: what config.toml calls them, whose page they are of, and which say
nothing (kohya_gui/lora_gui.py, ``train_model``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_RENAMED = {
    "lora_network_weights": "network_weights",
    "max_resolution": "resolution",
    "optimizer": "optimizer_type",
    "stop_text_encoder_training_pct": "stop_text_encoder_training",
}
CHECKBOXES = {
    "v2": "sd2",
    "sdxl": "sdxl",
    "sdxl_checkbox": "sdxl",
    "flux1_checkbox": "flux",
    "sd3_checkbox": "sd3",
    "hunyuan_image_checkbox": "hunyuan_image",
    "anima_checkbox": "anima",
    "lumina_checkbox": "lumina",
}
"""Which family the GUI trains, by what is ticked."""
_PREFIXES: Mapping[str, tuple[str, ...]] = {
    "sdxl": ("sdxl_",),
    "flux": ("flux1_",),
    "sd3": ("sd3_",),
    "hunyuan_image": ("hunyuan_image_", "hunyuan_"),
    "anima": ("anima_",),
    "lumina": ("lumina_",),
}
"""A family's page names its keys so; the GUI passes them on without the prefix, and no other family's."""
_PAGES: Mapping[str, frozenset[str]] = {
    "sd3": frozenset(
        {
            *("clip_g", "clip_g_dropout_rate", "logit_mean", "logit_std", "mode_scale", "weighting_scheme"),
            *("pos_emb_random_crop_rate", "save_clip", "save_t5xxl", "t5xxl_device", "t5xxl_dtype"),
        }
    ),
    "flux": frozenset(
        {
            *("ae", "apply_t5_attn_mask", "clip_l", "cpu_offload_checkpointing", "discrete_flow_shift"),
            *("fp8_base_unet", "guidance_scale", "model_prediction_type", "model_type", "split_mode"),
            *("t5xxl", "t5xxl_max_token_length", "timestep_sampling"),
        }
    ),
}
"""Keys without a prefix that are passed on for one family alone, though other scripts have some of them."""
SILENT = frozenset(
    {
        *("model_list", "num_cpu_threads_per_process", "save_as_bool", "lowvram"),
        *("dynamo_backend", "dynamo_mode", "dynamo_use_dynamic", "dynamo_use_fullgraph"),
        *("epoch", "max_train_epochs", "max_train_steps", "lr_warmup", "lr_warmup_steps"),
        *("num_machines", "num_processes", "multi_gpu", "main_process_port", "noise_offset_type"),
        *("mem_eff_attn", "xformers", "sdpa", "optimizer_args", "lr_scheduler_args", "sample_prompts"),
        *("learning_rate", "unet_lr", "text_encoder_lr", "t5xxl_lr", "additional_parameters"),
        *("lr_scheduler_num_cycles", "mem_eff_save", "use_wandb"),
    }
)
"""What ``kohya_ss_gui`` reads by itself, or what says nothing about the training."""
ADVICE = {
    "stop_text_encoder_training": "sd-scripts' LoRA scripts have no such thing",
    "no_token_padding": "sd-scripts has it no more",
    "gpu_ids": "start it with CUDA_VISIBLE_DEVICES, or let the queue choose the GPU",
    "extra_accelerate_launch_args": "loratui writes accelerate's command itself",
    "train_inpainting": "the sd-scripts that loratui knows has no such key",
}
"""What to say of keys that cannot be followed."""
UNSET: tuple[Any, ...] = ("", None, [], 0, 0.0, "0", "0.0", False, "None")
"""Values that the GUI does not pass on."""


def passed_key(name: str, family: str | None) -> str:
    """What the GUI calls it in config.toml; empty for what belongs to another family's page."""
    for owner, prefixes in _PREFIXES.items():
        for prefix in prefixes:
            if name.startswith(prefix):
                return name.removeprefix(prefix) if owner == family else ""
    if any(name in keys and owner != family for owner, keys in _PAGES.items()):
        return ""
    return _RENAMED.get(name, name)
