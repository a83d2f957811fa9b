"""What the trainer is told beside config.toml, which stays Kohya's own. No torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from loratui.trainer.control import Asked

if TYPE_CHECKING:
    from loratui.trainer.settings.config import TrainConfig


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the command line."""

    state_minutes: float = 0.0
    """Save a state whenever so much time has passed since the last one; 0 does not."""
    asked: Asked = field(default_factory=Asked)
    as_sd_scripts: bool = False
    """Repeat what sd-scripts does otherwise than programs that draw: SDXL's text projection of a single file
    is taken as it lies (``single_file.open_clip_weights``)."""
    base_4bit: bool = False
    """Keep the U-Net in 4 bits (``packing.pack_4bit``)."""
    skip_damaged: bool = False
    """Leave out pictures that cannot be read, instead of stopping before the first step."""


def packs_unet(config: TrainConfig, options: Options) -> bool:
    """Whether the U-Net is kept in fewer bits than it computes in; rounded once, out of its file's own
    precision."""
    return config.fp8_base or config.fp8_base_unet or options.base_4bit
