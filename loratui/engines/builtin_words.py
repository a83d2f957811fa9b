"""Which known issue the builtin trainer means by a sentence of its own."""

from __future__ import annotations

import re
from functools import cache

REFUSED = "refused"
"""What no row of the table is closer to: its own sentence says what it refuses, and the way out."""

_WORDS: tuple[tuple[str, str], ...] = (
    # the dataset's own configuration, named in config.toml
    (r"dataset_config: .*(?:there is no such file|one of these endings|metadata files of)", "config_missing"),
    (r"dataset_config: .*not valid TOML", "config_syntax"),
    (r"dataset_config: .*there is no folder", "no_data"),
    (r"dataset_config: .*has no resolution", "resolution_missing"),
    (r"dataset_config: .*(?:batch_size|num_repeats) = -?\d+ ", "value_range"),
    (r"dataset_config: ", "config_key"),
    # values of one key
    (r"\b(?:this is not valid TOML)", "config_syntax"),
    (r": byte \d+ is not UTF-8 text", "encoding_read"),
    (r"\bresolution: is missing", "resolution_missing"),
    (r"\bresolution: '.*' is no size", "resolution_bad"),
    (r"\btrain_data_dir: is missing", "no_data"),
    (r"\bpretrained_model_name_or_path: is missing", "model_missing"),
    (r"\bnetwork_module: is missing", "network_module_bad"),
    (r"\b\w+: is missing\. ", "setting_missing"),
    (r"\bmixed_precision: '?\w+'? does not fit", "mp_unsupported"),
    (r"\bmixed_precision: fp16 needs a GPU", "torch_cpu"),
    (r"\boptimizer_type: .* (?:does not fit; it must be one of|the builtin trainer has no )", "opt_unknown"),
    (r"\boptimizer_type: the builtin trainer has no ", "opt_unknown"),
    (r"\boptimizer_type: .*takes one learning rate for everything", "prodigy_rates"),
    (r"\bneeds the package lion", "mod_lion"),
    (r"\bneeds the package bitsandbytes", "mod_bnb"),
    (r"\bneeds the package dadaptation", "mod_dadapt"),
    (r"\bneeds the package prodigy", "mod_prodigy"),
    (r"\bneeds the package schedulefree", "mod_schedulefree"),
    (r"\bneeds the package lycoris", "mod_lycoris"),
    (r"\bneeds the package ", "mod_generic"),
    (r"\boptimizer_type: .*cannot be loaded", "opt_unknown"),
    (r"\boptimizer_args: ", "opt_args"),
    (r"\blr_scheduler_type: .*cannot be made: (?:.*has no attribute|No module named)", "sched_unknown"),
    (r"\blr_scheduler_(?:args|type): ", "sched_args"),
    (r"\blr_scheduler: (?:the builtin trainer has no |.* does not fit; it must be one of)", "sched_unknown"),
    (r"\bthe builtin trainer has no 'networks\.(?:lora|oft)_(?:flux|sd3|lumina|anima|hunyuan)", "net_family"),
    (r"\bnetwork_module: the builtin trainer has no ", "network_module_bad"),
    (r"\bnetwork_args: ", "net_args"),
    (r"\bdoes not fit; it must be one of ", "value_range"),
    (r"\bdoes not fit; it must be ", "setting_type"),
    (r"\b(?:min_bucket_reso|max_bucket_reso|bucket_reso_steps): ", "bucket_bounds"),
    (r"\bcache_latents encodes them once", "aug_cache"),
    (r"\bcache_text_encoder_outputs: contradicts (?:shuffle|caption|token)", "te_cache_caption"),
    (r"\bcache_text_encoder_outputs: the text encoders are trained", "te_cache_train"),
    (r"\bv2: .*Stable Diffusion XL", "sdxl_flags"),
    (r"\bv2: ", "v2_flag"),
    (r"\badaptive_noise_scale: ", "noise_args"),
    (r"\bdim_from_weights: ", "net_weights_missing"),
    (r"\binitial_(?:step|epoch): ", "option_conflict"),
    (r"\boutput_name: .*slash", "output_dir_bad"),
    (
        r"(?:contradicts|works with the|cannot do this yet|needs mixed_precision|is a setting for )",
        "option_conflict",
    ),
    (r": .*\b(?:is too (?:small|large)|is above|is below|leaves nothing|leaves pictures)\b", "value_range"),
    # files
    (r": there is no such state folder\.", "net_weights_missing"),
    (r": its \S+ has the shape .*another rank|: nothing in it fits this network", "net_dim_mismatch"),
    (r": there is no such (?:model|VAE)\b|\bno model_index\.json\b", "model_missing"),
    (r": there is no such file\.|Choose such a file as network_weights", "net_weights_missing"),
    (r"\bgit-lfs pointer", "st_corrupt"),
    (r": this is (?:a LoRA|no VAE|only a)\b|: no kind of base model is recognised", "wrong_arch"),
    (r": it is not a \w+ model of the usual shape", "wrong_arch"),
    (r"\bweb page that was saved|: this file is empty\.|: it is cut off", "st_corrupt"),
    (r"\bpickled checkpoint or an archive", "st_corrupt"),
    (r"\bpickled checkpoint", "weights_only"),
    (r"\bHF_HUB_OFFLINE is set|\bthe hub cannot be reached", "hf_offline"),
    (r": this picture cannot be read", "image_corrupt"),
    (r": this caption file is empty", "caption_empty"),
    (r": this caption is not UTF-8", "caption_encoding"),
    (r"\bless than one bucket step\b", "image_too_small"),
    (r"\bout of pictures as they are\b", "image_size"),
    (r"\bno folder in here starts with a number of repeats", "folder_repeats"),
    (r": there is no such folder\.|\bhold no picture\b|\bthis is the folder of pictures itself", "no_data"),
    (r"\blie directly in this folder", "no_data"),
    (r": the sample prompts (?:cannot be read|are not as they should be)", "sample_prompts"),
    (r": it could not be saved: No space left on device", "disk_full"),
    (r": it could not be saved: Disk quota exceeded", "disk_full"),
    (r": it could not be saved: (?:Permission denied|Operation not permitted)", "permission"),
    (r": it could not be saved: ", "output_dir_bad"),
    # memory
    (r"^Out of memory: the GPU\b", "oom_cuda"),
    (r"^Out of memory: the machine\b", "oom_ram"),
    (r"^Out of memory: .*(?:CUDA|GPU|HIP)", "oom_cuda"),
    (r"^Out of memory: ", "oom_ram"),
    (r"^The package \S+ is missing\. ", "mod_generic"),
)


_UNEXPECTED = "The trainer broke off unexpectedly"


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(pattern), key) for pattern, key in _WORDS)


def key_of(text: str) -> str:
    """The key of presets/hints.toml that fits an error of the builtin trainer, by its first line; empty for
    one that nobody expected, of which the traceback before it tells more."""
    if text.startswith(_UNEXPECTED):
        return ""
    first = text.strip().partition("\n")[0]
    return next((key for pattern, key in _patterns() if pattern.search(first)), REFUSED)
