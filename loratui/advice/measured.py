"""What this machine measured: peak memory and speed for each GPU and setting, in one small JSON file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from loratui.atomic import new_file
from loratui.recipe import Recipe

FILE_NAME = "measured.json"
_MOST_KEPT = 500
_MOST_BYTES = 4 << 20


class Setting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of a recipe that memory and speed hang on."""

    family: str
    engine: str
    width: int
    height: int
    batch_size: int
    accumulation: int = 1
    rank: int
    network: str
    conv_rank: int = 0
    optimizer: str
    precision: str
    checkpointing: bool
    cached_latents: bool
    text_encoders: bool
    """Whether they are trained."""
    switches: tuple[str, ...] = ()
    """Keys of config.toml that save memory, in order."""

    def kind(self) -> tuple[object, ...]:
        """What must be the same for one setting to tell of another."""
        return (self.family, self.engine, self.precision, self.checkpointing, self.switches)

    def pace(self) -> tuple[object, ...]:
        """What the time of a step hangs on; rank and optimizer hardly change it."""
        return (
            *self.kind(),
            self.width,
            self.height,
            self.batch_size,
            self.accumulation,
            self.network,
            self.cached_latents,
            self.text_encoders,
        )


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """One run's numbers."""

    gpu: str
    setting: Setting
    peak_gib: float | None = None
    modelled_gib: float | None = None
    """What the model said of this setting then."""
    seconds_per_step: float | None = None
    """Optimizer steps: the median after warm-up, without saving and sampling."""
    steps: int = 0
    """How many were measured."""


_SWITCHES = (
    "blocks_to_swap",
    "cache_text_encoder_outputs",
    "cache_text_encoder_outputs_to_disk",
    "fp8_base",
    "fp8_base_unet",
    "full_bf16",
    "full_fp16",
    "mem_eff_attn",
    "sdpa",
    "xformers",
)


def setting_of(recipe: Recipe, family: str) -> Setting:
    """The setting of a recipe."""
    given = {key: recipe.kohya[key] for key in _SWITCHES if recipe.kohya.get(key)}
    if recipe.training.base_4bit:
        given["base_4bit"] = True
    return Setting(
        family=family,
        engine=recipe.launch.engine,
        width=recipe.training.resolution[0],
        height=recipe.training.resolution[1],
        batch_size=recipe.steps.batch_size,
        accumulation=recipe.steps.accumulation,
        rank=recipe.network.rank,
        network=recipe.network.type,
        conv_rank=recipe.network.conv_rank or 0,
        optimizer=recipe.optimizer.name.lower(),
        precision=recipe.training.precision,
        checkpointing=recipe.training.gradient_checkpointing,
        cached_latents=recipe.training.cache_latents,
        text_encoders=recipe.optimizer.text_encoder_rate is not None,
        switches=tuple(key if value is True else f"{key}={value}" for key, value in given.items()),
    )


def read_measurements(path: Path) -> tuple[Measurement, ...]:
    """All that was kept, oldest first. A missing or damaged file holds none: measuring begins again."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            return ()
        return msgspec.json.decode(path.read_bytes(), type=tuple[Measurement, ...])
    except (OSError, ValueError):
        return ()


def remember(path: Path, measurement: Measurement) -> None:
    """Keep a measurement, in place of an older one of the same GPU and setting.

    Raises ``UserError`` when the disk refuses.
    """
    others: Sequence[Measurement] = [
        one
        for one in read_measurements(path)
        if (one.gpu, one.setting) != (measurement.gpu, measurement.setting)
    ]
    kept = [*others, measurement][-_MOST_KEPT:]
    with new_file(path, "Make room on this disk.") as temporary:
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(kept), indent=1))
