"""config.toml as the trainer obeys it: read, checked, and frozen."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loratui import builtin_support, kohya_config
from loratui.dataset.buckets import Bucketing
from loratui.families import FAMILIES, Family
from loratui.problems import Problem, UserError
from loratui.trainer.base_model import detect_family
from loratui.trainer.config_rules import contradictions

_OTHER_ENGINE = 'Remove it, or choose engine = "kohya".'
_REQUIRED = ("pretrained_model_name_or_path", "train_data_dir", "output_dir", "resolution", "network_module")


class ConfigRefusedError(UserError):
    """The config itself asks for what cannot be done; nothing was started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """Every key the builtin trainer obeys, by its name in config.toml, with sd-scripts' own default
    where the file is silent."""

    source: Path
    """The config.toml this came from."""
    family: str
    """``sd15`` or ``sdxl``, read from the model itself."""

    pretrained_model_name_or_path: str
    train_data_dir: str
    output_dir: str
    resolution: str
    network_module: str
    bucket_no_upscale: bool
    bucket_reso_steps: int
    cache_latents: bool
    caption_extension: str
    clip_skip: int | None
    enable_bucket: bool
    flip_aug: bool
    gradient_accumulation_steps: int
    gradient_checkpointing: bool
    keep_tokens: int
    learning_rate: float
    lr_scheduler: str
    lr_warmup_steps: int | float
    max_bucket_reso: int
    max_grad_norm: float
    max_train_epochs: int | None
    max_train_steps: int
    min_bucket_reso: int
    mixed_precision: str
    network_alpha: float
    network_dim: int | None
    network_train_text_encoder_only: bool
    network_train_unet_only: bool
    network_weights: str | None
    noise_offset: float | None
    optimizer_args: list[str] | None
    optimizer_type: str
    output_name: str | None
    prior_loss_weight: float
    reg_data_dir: str | None
    resume: str | None
    sample_at_first: bool
    sample_every_n_epochs: int | None
    sample_prompts: str | None
    save_every_n_epochs: int | None
    save_last_n_epochs: int | None
    save_last_n_epochs_state: int | None
    save_model_as: str
    save_precision: str | None
    save_state: bool
    save_state_on_train_end: bool
    seed: int | None
    shuffle_caption: bool
    skip_until_initial_step: bool
    text_encoder_lr: list[float] | float | None
    train_batch_size: int
    training_comment: str | None
    unet_lr: float | None
    v_parameterization: bool

    @property
    def facts(self) -> Family:
        return FAMILIES[self.family]

    @property
    def name(self) -> str:
        """Stem of every file written; sd-scripts falls back to ``last`` as well."""
        return self.output_name or "last"

    @property
    def size(self) -> tuple[int, int]:
        """Training resolution (width, height) in pixels."""
        return kohya_config.parse_resolution(self.resolution)

    @property
    def rank(self) -> int:
        """networks/lora.py:431 takes 4 when network_dim is not given."""
        return self.network_dim or 4

    @property
    def alpha(self) -> float:
        """Alpha 0 means the rank (networks/lora.py:60)."""
        return self.network_alpha or float(self.rank)

    @property
    def optimizer(self) -> str:
        """``adamw`` or ``prodigy``."""
        return (self.optimizer_type or "AdamW").lower()

    @property
    def bucketing(self) -> Bucketing:
        return Bucketing(
            self.size,
            self.enable_bucket,
            self.min_bucket_reso,
            self.max_bucket_reso,
            self.bucket_reso_steps,
            self.bucket_no_upscale,
        )

    @property
    def unet_rate(self) -> float:
        """Learning rate of the U-Net; 0 leaves it untrained."""
        if self.network_train_text_encoder_only:
            return 0.0
        return self.learning_rate if self.unet_lr is None else float(self.unet_lr)

    @property
    def text_encoder_rates(self) -> tuple[float, ...]:
        """Learning rate of each text encoder; 0 leaves it untrained. What is not given takes
        ``learning_rate``, and one number is for all (networks/lora.py:1148-1240)."""
        count = 2 if self.family == "sdxl" else 1
        if self.network_train_unet_only:
            return (0.0,) * count
        given = self.text_encoder_lr
        if given is None or given == []:
            return (self.learning_rate,) * count
        rates = [float(rate) for rate in (given if isinstance(given, list) else [given])]
        return tuple((rates * count)[:count] if len(rates) == 1 else rates)


def load_config(path: Path) -> TrainConfig:
    """Read and check a config.toml.

    Raises ``ConfigRefusedError`` when it cannot be read, or with every problem in it; and ``UserError`` when
    the base model cannot be read.
    """
    try:
        flat = kohya_config.read(path)
    except UserError as error:
        raise ConfigRefusedError(error.source, *error.problems) from None
    missing = [key for key in _REQUIRED if not flat.get(key)]
    model = flat.get("pretrained_model_name_or_path")
    if not isinstance(model, str) or not model:
        script = "train_network"
        family = "sd15"
    else:
        family = detect_family(Path(model).expanduser())
        script = FAMILIES[family].script
    problems = kohya_config.check(flat, script)
    problems += [Problem(key, "is missing.", "Write it into the file.") for key in missing]
    problems += _unsupported(flat, script)
    if problems:
        raise ConfigRefusedError(str(path), *problems)
    config = _build(path, family, flat, script)
    problems = list(contradictions(config))
    if problems:
        raise ConfigRefusedError(str(path), *problems)
    return config


def _unsupported(flat: Mapping[str, Any], script: str) -> Iterator[Problem]:
    known = builtin_support.KEYS | builtin_support.IGNORED_KEYS
    for key, value in flat.items():
        option = kohya_config.option(key, script)
        if option is None or key in known or value == option.default:
            continue
        if key == "network_args":
            if value:
                message = "the builtin trainer knows plain LoRA only, without network_args."
                yield Problem(key, message, _OTHER_ENGINE)
            continue
        yield Problem(key, "the builtin trainer cannot do this yet.", _OTHER_ENGINE)


def _build(path: Path, family: str, flat: Mapping[str, Any], script: str) -> TrainConfig:
    values = {
        field.name: flat.get(field.name, kohya_config.default(field.name, script))
        for field in dataclasses.fields(TrainConfig)
        if field.name not in ("source", "family")
    }
    return TrainConfig(source=path, family=family, **values)
