"""What a training keeps as it is, of a LoRA it goes on with. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from loratui.formats.tensorfile import read_header

if TYPE_CHECKING:
    from loratui.trainer.settings.config import TrainConfig


def held_parts(config: TrainConfig) -> frozenset[str]:
    """The groups (``text_encoder``, ``text_encoder_2``, ``unet``) whose rate is 0 and of which
    network_weights holds something: it keeps its effect, and is saved again as it was.

    Under network_train_unet_only and network_train_text_encoder_only the other part is left out, as in
    sd-scripts (networks/lora.py:1100-1115). Raises ``UserError`` when the file is broken.
    """
    path = Path(config.network_weights or "").expanduser()
    if not config.network_weights or path.suffix.lower() != ".safetensors":
        return frozenset()
    sdxl = config.family == "sdxl"
    prefixes = {}
    if not config.network_train_unet_only:
        names = {"text_encoder": "lora_te1_", "text_encoder_2": "lora_te2_"}
        rates = zip(names, config.text_encoder_rates, strict=False)
        prefixes = {name: names[name] if sdxl else "lora_te_" for name, rate in rates if not rate}
    if not config.network_train_text_encoder_only and not config.unet_rate:
        prefixes["unet"] = "lora_unet_"
    if not prefixes:
        return frozenset()
    keys = read_header(path).tensors
    return frozenset(name for name, prefix in prefixes.items() if any(key.startswith(prefix) for key in keys))
