"""What a LoRA file's metadata tells of a person's things, and the same metadata without it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from loratui.lora.files.metadata import EMPTY, parse_json
from loratui.lora.files.scale import ADAPTER_METADATA

_KEPT = re.compile(
    r"^(?:format"
    r"|sshs_(?:model|legacy)_hash|modelspec\.hash_sha256"
    r"|modelspec\.(?:sai_model_spec|architecture|implementation|implementation_version|resolution"
    r"|prediction_type|encoder_layer|timestep_range)"
    r"|ss_(?:base_model_version|v2|network_(?:module|dim|alpha|args|dropout)|steps|max_train_steps|epoch"
    r"|num_epochs|learning_rate|unet_lr|text_encoder_lr|optimizer|lr_scheduler|lr_warmup_steps"
    r"|total_batch_size|batch_size_per_device|gradient_accumulation_steps|gradient_checkpointing"
    r"|resolution|enable_bucket|bucket_no_upscale|min_bucket_reso|max_bucket_reso|clip_skip|noise_offset"
    r"|min_snr_gamma|mixed_precision|full_fp16|seed|keep_tokens|shuffle_caption|flip_aug|color_aug"
    r"|random_crop|cache_latents|max_grad_norm|max_token_length|prior_loss_weight|zero_terminal_snr"
    r"|scale_weight_norms|huber_schedule|loss_type|sd_scripts_commit_hash|caption_dropout_rate"
    r"|caption_tag_dropout_rate|fp8_base|lowram))$"
)
"""What a stripped copy keeps: hashes and settings that viewers show and programs choose a loader by. A list
of what stays, not of what goes: what nobody thought of is taken out."""

_WORDS = {
    "ss_dataset_dirs": "names of the dataset folders",
    "ss_reg_dataset_dirs": "names of the regularization folders",
    "ss_datasets": "the dataset's folders, settings and tags",
    "ss_tag_frequency": "every tag of the captions, with its count",
    "ss_bucket_info": "how many pictures of which size there were",
    "ss_sd_model_name": "file name of the base model",
    "ss_sd_model_hash": "which base model it was",
    "ss_new_sd_model_hash": "which base model it was",
    "ss_vae_name": "file name of the VAE",
    "ss_vae_hash": "which VAE it was",
    "ss_new_vae_hash": "which VAE it was",
    "ss_output_name": "the name you gave it",
    "ss_training_comment": "the training comment",
    "ss_session_id": "a number of the training session",
    "ss_training_started_at": "when it was trained",
    "ss_training_finished_at": "when it was trained",
    "modelspec.title": "the name you gave it",
    "modelspec.date": "when it was trained",
    "modelspec.author": "the author",
    "modelspec.description": "the description",
    "modelspec.trigger_phrase": "the trigger word",
    "modelspec.tags": "tags",
    "modelspec.merged_from": "file names of other models",
    "modelspec.thumbnail": "a picture",
    "modelspec.usage_hint": "the description",
    "modelspec.license": "the licence",
}
_PRIVATE = re.compile(
    r"(?:^|[\s\"'=(,\[])(?:~?/[\w.-]+/|[A-Za-z]:[\\/]|\\\\)"  # a path
    r"|[\w.+-]+@[\w-]+\.\w+"  # an address
    r"|https?://"
)
_NUMBERS = re.compile(r"^(?:None|True|False|[-+.\deE]{1,24}|\([\d, .]{1,40}\))$")
"""Settings of other trainers: a number or a switch names nothing."""
_KEPT_LENGTH = 500
_ADAPTER_PRIVATE = ("base_model_name_or_path", "auto_mapping", "revision", "parent_library")


@dataclass(frozen=True, slots=True)
class Leak:
    """Something in the metadata that names the person's things."""

    key: str
    what: str
    example: str


def leaks_of(metadata: Mapping[str, str]) -> list[Leak]:
    """What ``stripped`` would take out, each with what it tells and the beginning of its value."""
    kept = stripped(metadata)
    return [
        Leak(key, _what(key, value), _example(key, value))
        for key, value in metadata.items()
        if kept.get(key) != value and value not in EMPTY
    ]


def stripped(metadata: Mapping[str, str]) -> dict[str, str]:
    """The metadata without folder names, tags, file names, comments, dates and anything unknown. What the
    hashes and the loaders need stays, also diffusers' ``lora_adapter_metadata``, where alpha is."""
    kept = {}
    for key, value in metadata.items():
        if key == ADAPTER_METADATA:
            adapter = _public_adapter(value)
            if adapter is not None:
                kept[key] = adapter
        elif _is_public(key, value):
            kept[key] = value
    return kept


def _is_public(key: str, value: str) -> bool:
    if key in _WORDS or len(value) > _KEPT_LENGTH or _PRIVATE.search(value):
        return False
    return bool(_KEPT.match(key) or (key.startswith("ss_") and _NUMBERS.match(value)))


def _public_adapter(value: str) -> str | None:
    """The same text where nothing had to go."""
    table = parse_json(value)
    if not isinstance(table, dict):
        return None
    public = {
        key: item
        for key, item in table.items()
        if item is None or (not key.endswith(_ADAPTER_PRIVATE) and not _PRIVATE.search(json.dumps(item)))
    }
    return value if public == table else json.dumps(public, indent=2, sort_keys=True)


def _what(key: str, value: str) -> str:
    if key in _WORDS:
        return _WORDS[key]
    return "a path or an address" if _PRIVATE.search(value) else "an entry that is not known here"


def _example(key: str, value: str) -> str:
    table = (
        parse_json(value) if key in ("ss_dataset_dirs", "ss_reg_dataset_dirs", "ss_tag_frequency") else None
    )
    text = ", ".join(table) if isinstance(table, dict) else value
    text = " ".join(text[:1000].split())
    return text if len(text) <= 60 else text[:59] + "…"
