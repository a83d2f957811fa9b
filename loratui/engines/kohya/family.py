"""What each of sd-scripts' programs needs beyond the recipe: more model files, and settings without which its
own defaults do not train the family well.

Values are those of sd-scripts' own guides (docs/*_train_network.md at 48d368f). Whatever a recipe says under
``[kohya]`` stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from loratui.places import expanded
from loratui.problems import Problem
from loratui.recipe import Recipe

NEEDED: Mapping[str, Mapping[str, str]] = {
    "flux": {
        "clip_l": "CLIP-L (clip_l.safetensors)",
        "t5xxl": "T5-XXL (t5xxl_fp16.safetensors)",
        "ae": "the autoencoder (ae.safetensors)",
    },
    "lumina": {"gemma2": "Gemma 2 (gemma_2_2b_fp16.safetensors)", "ae": "the autoencoder (ae.safetensors)"},
    "anima": {"qwen3": "Qwen3 0.6B", "vae": "the VAE of Qwen-Image"},
    "hunyuan_image": {"text_encoder": "Qwen2.5-VL", "byt5": "byT5", "vae": "its VAE"},
}
"""Files that are not in the base model, by the key that names them."""
FILE_KEYS = ("ae", "byt5", "clip_g", "clip_l", "gemma2", "qwen3", "t5xxl", "text_encoder")

_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "sd2": {"v2": True},
    "flux": {"timestep_sampling": "flux_shift", "model_prediction_type": "raw", "guidance_scale": 1.0},
    "lumina": {
        "timestep_sampling": "nextdit_shift",
        "discrete_flow_shift": 6.0,
        "model_prediction_type": "raw",
    },
    "anima": {"timestep_sampling": "sigmoid", "discrete_flow_shift": 1.0},
    "hunyuan_image": {"model_prediction_type": "raw", "discrete_flow_shift": 5.0},
}
_CHROMA: Mapping[str, Any] = {
    "timestep_sampling": "sigmoid",
    "model_prediction_type": "raw",
    "guidance_scale": 0.0,
    "apply_t5_attn_mask": True,
}
"""flux_train_network with model_type = "chroma", which has no CLIP-L."""
_LARGE_ENCODERS = frozenset({"sd3", "flux", "lumina", "anima", "hunyuan_image"})
_ATTENTION = ("sdpa", "xformers", "mem_eff_attn", "attn_mode", "use_flash_attn", "use_sage_attn")
_CHANGING = ("caption_dropout_rate", "caption_tag_dropout_rate", "token_warmup_step")
_CAPTION_CACHE = ("cache_text_encoder_outputs", "cache_text_encoder_outputs_to_disk")


def settings(recipe: Recipe, run_folder: Path) -> dict[str, Any]:
    """Keys of config.toml to add to the recipe's own."""
    family, said = recipe.base.family or "", recipe.kohya
    added: dict[str, Any] = {
        **(_CHROMA if said.get("model_type") == "chroma" else _SETTINGS.get(family, {})),
        "max_data_loader_n_workers": 2,  # 8 by default: each costs memory and /dev/shm, and there is no need
        "persistent_data_loader_workers": said.get("max_data_loader_n_workers") != 0,
        "logging_dir": str(run_folder / "logs"),  # the only place of each step's loss and real rates
        "log_with": "tensorboard",
    }
    if not any(said.get(key) for key in _ATTENTION):
        added["sdpa"] = True
    if family == "sdxl" and recipe.training.precision == "fp16":
        added["no_half_vae"] = True  # its VAE gives NaN in fp16
    if (
        family in _LARGE_ENCODERS
        and _captions_stay(recipe)
        and not any(key in said for key in _CAPTION_CACHE)
    ):
        added["cache_text_encoder_outputs"] = True
    return {key: value for key, value in added.items() if key not in said}


def _captions_stay(recipe: Recipe) -> bool:
    """Whether captions are the same in each epoch and nobody trains what encodes them."""
    changing = recipe.dataset.shuffle_captions or any(recipe.kohya.get(key) for key in _CHANGING)
    return recipe.optimizer.text_encoder_rate is None and not changing


def model_keys(recipe: Recipe) -> dict[str, Any]:
    """``base.vae`` under the name that the family's program has for it."""
    if recipe.base.vae and recipe.base.family in ("flux", "lumina"):
        return {"ae": recipe.base.vae}
    return {}


def problems(recipe: Recipe) -> Iterator[Problem]:
    """Model files that are missing, and settings that the family's program ignores or dies of."""
    family, said = recipe.base.family or "", recipe.kohya
    needed = dict(NEEDED.get(family, {}))
    if said.get("model_type") == "chroma":
        needed.pop("clip_l", None)
    for key, words in needed.items():
        if not said.get(key) and not (recipe.base.vae and key in ("ae", "vae")):
            yield Problem(
                f"kohya.{key}",
                f"{family} training also needs {words}, and none is named.",
                f'Write {key} = "path/to/the/file" under [kohya].',
            )
    for key in FILE_KEYS:
        path = said.get(key)
        if isinstance(path, str) and path and not expanded(path).exists():
            yield Problem(f"kohya.{key}", f"there is no {path}.", "Check the path.")
    if said.get("model_type") == "chroma" and said.get("apply_t5_attn_mask") is False:
        yield Problem("kohya.apply_t5_attn_mask", "Chroma needs it.", "Remove the line.")
    if said.get("persistent_data_loader_workers") and said.get("max_data_loader_n_workers") == 0:
        yield Problem(
            "kohya.persistent_data_loader_workers",
            "without worker processes (max_data_loader_n_workers = 0) there is nothing to keep.",
            "Remove the line.",
        )
    if said.get("blocks_to_swap") and said.get("cpu_offload_checkpointing"):
        yield Problem(
            "kohya.blocks_to_swap", "it does not go with cpu_offload_checkpointing.", "Remove one of them."
        )
    if family in ("anima", "hunyuan_image"):
        for key in ("fp8_base", "fp8_base_unet"):
            if said.get(key):
                fix = "Use fp8_scaled." if family == "hunyuan_image" else "Remove it."
                yield Problem(f"kohya.{key}", f"sd-scripts ignores it for {family}.", fix)
