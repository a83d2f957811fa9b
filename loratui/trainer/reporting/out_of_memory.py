"""Memory that was not enough: the numbers in one sentence, and what takes less. No torch."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from loratui.builtin.support import LORA_MODULE

if TYPE_CHECKING:
    from loratui.trainer.settings.config import TrainConfig

_SIZE = r"([\d.]+ [KMG]i?B|\d+ bytes)"
_GPU = re.compile(rf"[Tt]ried to allocate {_SIZE}.*?total capacity of {_SIZE} of which {_SIZE}", re.DOTALL)
_BYTES = re.compile(r"tried to allocate (\d+) bytes")


def is_out_of_memory(error: Exception) -> bool:
    """Whether torch's CUDA allocator, its CPU allocator, or Python had no memory left."""
    text = str(error)
    named = type(error).__name__ == "OutOfMemoryError" or isinstance(error, MemoryError)
    return named or "out of memory" in text.lower() or "can't allocate memory" in text


def is_of_gpu(error: Exception) -> bool:
    """Whether it was a GPU's memory, not the machine's."""
    text = f"{type(error).__name__} {error}"
    return bool(_GPU.search(text)) or any(word in text for word in ("CUDA", "GPU", "HIP"))


def shortage(error: Exception) -> str:
    """What was wanted and what there was, as far as the error tells."""
    text = str(error)
    gpu = _GPU.search(text)
    if gpu:
        return f"the GPU was asked for {gpu[1]} more, and of its {gpu[2]} {gpu[3]} were free"
    wanted = _BYTES.search(text)
    if wanted:
        mib = int(wanted[1]) / 2**20
        size = f"{mib / 1024:.1f} GiB" if mib >= 1024 else f"{mib:.0f} MiB"
        return f"the machine was asked for {size} more of its memory (RAM), and had no such room"
    return f"{(text.strip().splitlines() or ['no more could be had'])[0][:200]}"


def next_lever(config: TrainConfig, *, packed: bool = False) -> str:
    """The setting to change next: what costs least first. ``packed``: the U-Net is kept in 4 bits already."""
    if not config.gradient_checkpointing:
        return "Next: set gradient_checkpointing = true (slower by about a third)."
    size, times = config.train_batch_size, config.gradient_accumulation_steps
    if size > 1:
        half = size // 2
        return (
            f"Next: train_batch_size {size} -> {half}, and gradient_accumulation_steps {times} ->"
            f" {times * size // half}, which trains alike."
        )
    if any(config.text_encoder_rates):
        return "Next: set network_train_unet_only = true."
    if config.mixed_precision == "no":
        return 'Next: set mixed_precision = "bf16" (on a GPU).'
    if not (config.fp8_base or config.fp8_base_unet or packed):
        return "Next: set fp8_base_unet = true, which halves the base model."
    if not packed and config.network_module == LORA_MODULE:
        return (
            "Next: in a recipe, base_4bit = true below [training] in place of fp8_base, which halves the base"
            " model once more."
        )
    return (
        f"Next: a smaller resolution than {config.resolution}, or a smaller network_dim than {config.rank}."
    )
