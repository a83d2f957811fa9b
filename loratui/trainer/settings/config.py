"""config.toml as the trainer obeys it, frozen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from loratui import kohya_config
from loratui.builtin import optimizers as builtin_optimizers
from loratui.builtin.optimizers import OptimizerFact
from loratui.builtin.support import BLOCK_ARGS
from loratui.dataset import sources
from loratui.dataset.sources import Dataset
from loratui.families import FAMILIES, Family
from loratui.problems import UserError
from loratui.trainer.lora.blocks import Blocks, blocks_in


class ConfigRefusedError(UserError):
    """The config itself asks for what cannot be done; nothing was started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """Every key the builtin trainer obeys, by its name in config.toml, with sd-scripts' own default
    where the file is silent."""

    source: Path
    """The config.toml this came from."""
    family: str
    """``sd15``, ``sd2`` or ``sdxl``, read from the model itself."""
    hub_id: str = ""
    """The base model's name on the hub, where it came from there; its path is then one of the hub's cache."""

    pretrained_model_name_or_path: str
    train_data_dir: str
    output_dir: str
    resolution: str
    network_module: str
    adaptive_noise_scale: float | None
    alpha_mask: bool
    base_weights: list[str] | None
    base_weights_multiplier: list[float] | None
    bucket_no_upscale: bool
    bucket_reso_steps: int
    cache_latents: bool
    cache_latents_to_disk: bool
    cache_text_encoder_outputs: bool | None
    cache_text_encoder_outputs_to_disk: bool | None
    caption_dropout_every_n_epochs: int
    caption_dropout_rate: float
    caption_extension: str
    caption_prefix: str | None
    caption_separator: str
    caption_suffix: str | None
    caption_tag_dropout_rate: float
    clip_skip: int | None
    color_aug: bool
    dataset_config: str | None
    dataset_repeats: int
    ddp_timeout: int | None
    debiased_estimation_loss: bool
    dim_from_weights: bool
    enable_bucket: bool
    enable_wildcard: bool
    face_crop_aug_range: str | None
    flip_aug: bool
    fp8_base: bool
    fp8_base_unet: bool
    full_bf16: bool
    full_fp16: bool
    gradient_accumulation_steps: int
    gradient_checkpointing: bool
    huber_c: float
    huber_scale: float
    huber_schedule: str
    in_json: str | None
    initial_epoch: int | None
    initial_step: int | None
    ip_noise_gamma: float | None
    ip_noise_gamma_random_strength: bool
    keep_tokens: int
    keep_tokens_separator: str
    learning_rate: float
    loss_type: str
    lr_decay_steps: int | float
    lr_scheduler: str
    lr_scheduler_args: list[str] | None
    lr_scheduler_min_lr_ratio: float | None
    lr_scheduler_num_cycles: int
    lr_scheduler_power: float
    lr_scheduler_timescale: int | None
    lr_scheduler_type: str
    lr_warmup_steps: int | float
    masked_loss: bool
    max_bucket_reso: int
    max_grad_norm: float
    max_timestep: int | None
    max_token_length: int | None
    max_train_epochs: int | None
    max_train_steps: int
    max_validation_steps: int | None
    metadata_author: str | None
    metadata_description: str | None
    metadata_is_negative_embedding: str | None
    metadata_license: str | None
    metadata_merged_from: str | None
    metadata_preprocessor: str | None
    metadata_tags: str | None
    metadata_thumbnail: str | None
    metadata_title: str | None
    metadata_trigger_phrase: str | None
    metadata_usage_hint: str | None
    min_bucket_reso: int
    min_snr_gamma: float | None
    min_timestep: int | None
    mixed_precision: str
    multires_noise_discount: float
    multires_noise_iterations: int | None
    network_alpha: float
    network_args: list[str] | None
    network_dim: int | None
    network_dropout: float | None
    network_train_text_encoder_only: bool
    network_train_unet_only: bool
    network_weights: str | None
    no_metadata: bool
    noise_offset: float | None
    noise_offset_random_strength: bool
    optimizer_args: list[str] | None
    optimizer_type: str
    output_name: str | None
    prior_loss_weight: float
    random_crop: bool
    reg_data_dir: str | None
    resize_interpolation: str | None
    resume: str | None
    sample_at_first: bool
    sample_every_n_epochs: int | None
    sample_every_n_steps: int | None
    sample_prompts: str | None
    sample_sampler: str
    save_every_n_epochs: int | None
    save_every_n_steps: int | None
    save_last_n_epochs: int | None
    save_last_n_epochs_state: int | None
    save_last_n_steps: int | None
    save_last_n_steps_state: int | None
    save_model_as: str
    save_n_epoch_ratio: int | None
    save_precision: str | None
    save_state: bool
    save_state_on_train_end: bool
    scale_v_pred_loss_like_noise_pred: bool
    scale_weight_norms: float | None
    secondary_separator: str | None
    seed: int | None
    shuffle_caption: bool
    skip_cache_check: bool
    skip_until_initial_step: bool
    token_warmup_min: int
    token_warmup_step: float
    text_encoder_lr: list[float] | float | None
    train_batch_size: int
    training_comment: str | None
    unet_lr: float | None
    use_8bit_adam: bool
    use_lion_optimizer: bool
    v2: bool
    v_parameterization: bool
    validate_every_n_epochs: int | None
    validate_every_n_steps: int | None
    validation_seed: int | None
    validation_split: float
    vae: str | None
    v_pred_like_loss: float | None
    weighted_captions: bool
    zero_terminal_snr: bool

    @property
    def facts(self) -> Family:
        return FAMILIES[self.family]

    @property
    def name(self) -> str:
        """Stem of every file written; sd-scripts falls back to ``last`` as well."""
        return self.output_name or "last"

    @property
    def size(self) -> tuple[int, int]:
        """Training resolution (width, height) in pixels; where the config has none, the first dataset's."""
        if self.dataset_config and not self.resolution:
            return self.outline()[0].bucketing.resolution
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
    def pictures(self) -> str:
        """The file or folder that says where they are; the file wins."""
        return sources.says_where({key: getattr(self, key) for key in sources.KEYS}) or self.train_data_dir

    def datasets(self) -> tuple[Dataset, ...]:
        """The datasets and their subsets. Reads dataset_config, or the names of the folders. Raises
        ``UserError``."""
        return sources.read({key: getattr(self, key) for key in sources.KEYS})

    def outline(self) -> tuple[Dataset, ...]:
        """The same without a look into train_data_dir: one subset stands for all of its folders. Raises
        ``UserError`` for a dataset_config that is not as it should be."""
        return sources.outline({key: getattr(self, key) for key in sources.KEYS})

    @property
    def captions_vary(self) -> bool:
        """Whether the words of some caption differ from showing to showing."""
        return any(subset.rules.varies for dataset in self.outline() for subset in dataset.subsets)

    @property
    def caches_latents(self) -> bool:
        """Whether a picture's latents are drawn once for all."""
        return self.cache_latents or self.cache_latents_to_disk

    @property
    def caches_captions(self) -> bool:
        """Whether what the text encoders make of captions is kept, on disk or in memory."""
        return bool(self.cache_text_encoder_outputs or self.cache_text_encoder_outputs_to_disk)

    @property
    def token_limit(self) -> int:
        """Tokens of a caption that are seen: 75, 150 or 225 (library/strategy_sd.py:40-43)."""
        return self.max_token_length or 75

    @property
    def network_arguments(self) -> dict[str, str]:
        """network_args by name, as text."""
        pairs = (argument.partition("=") for argument in self.network_args or ())
        return {name.strip(): value.strip() for name, _, value in pairs}

    @property
    def convolution(self) -> tuple[int, float] | None:
        """Rank and alpha of kernels larger than 1x1 (LoCon); None leaves them untrained. Without
        conv_alpha it is 1 (networks/lora.py:449-456)."""
        given = self.network_arguments
        if "conv_dim" not in given:
            return None
        rank = int(given["conv_dim"])
        return rank, float(given.get("conv_alpha", 1.0)) or float(rank)

    @property
    def blocks(self) -> Blocks | None:
        """What differs from block to block of the U-Net. Raises ``ValueError`` with a sentence."""
        if not BLOCK_ARGS & self.network_arguments.keys():
            return None
        return blocks_in(
            self.network_arguments,
            sdxl=self.family == "sdxl",
            rank=self.rank,
            alpha=self.alpha,
            convolution=self.convolution,
        )

    @property
    def optimizer_name(self) -> str:
        """optimizer_type, or what the older keys mean (sd-scripts library/train_util.py:4829-4845)."""
        older = "AdamW8bit" if self.use_8bit_adam else "Lion" if self.use_lion_optimizer else "AdamW"
        return self.optimizer_type or older

    @property
    def optimizer(self) -> OptimizerFact:
        """The optimizer; that it is a known one is checked at the door."""
        fact = builtin_optimizers.find(self.optimizer_name)
        assert fact is not None
        return fact

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
