"""What the person decided: one frozen, typed document.

Everything else (steps, effective rates, memory) is computed from a recipe and never stored in it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

FamilyName = Literal["sd15", "sd2", "sdxl", "sd3", "flux", "lumina", "anima", "hunyuan_image"]
Prediction = Literal["epsilon", "v", "flow"]
Purpose = Literal["character", "style", "concept", "object", "trial"]
NetworkType = Literal["lora", "locon", "loha", "lokr"]
EngineName = Literal["builtin", "kohya"]
Precision = Literal["no", "fp16", "bf16"]

_Positive = Annotated[int, msgspec.Meta(ge=1)]
_Natural = Annotated[int, msgspec.Meta(ge=0)]
_Rate = Annotated[float, msgspec.Meta(ge=0)]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The base of all sections."""


class Base(Section, frozen=True, kw_only=True):
    """The model to teach."""

    model: str = ""
    """A .safetensors file, a diffusers folder, or a hub id."""
    family: FamilyName | None = None
    """Read from the model; written down so that a rerun does not depend on it."""
    prediction: Prediction = "epsilon"
    zero_terminal_snr: bool = False
    vae: str | None = None


class Dataset(Section, frozen=True, kw_only=True):
    """The pictures."""

    folder: str = ""
    """The parent of ``10_name`` folders."""
    regularization: str | None = None
    trigger: str = ""
    purpose: Purpose = "character"
    caption_extension: str = ".txt"
    shuffle_captions: bool = False
    keep_tokens: _Natural = 0
    flip: bool = False
    skip_damaged: bool = False
    """Leave out pictures that cannot be read, naming each; the builtin engine alone can."""


class Steps(Section, frozen=True, kw_only=True):
    """How long to train: ``target`` steps or ``epochs``, never both."""

    target: _Positive | None = None
    epochs: _Positive | None = None
    batch_size: _Positive = 1
    accumulation: _Positive = 1


class Network(Section, frozen=True, kw_only=True):
    """The LoRA itself. Its strength is alpha / rank."""

    type: NetworkType = "lora"
    rank: _Positive = 16
    alpha: Annotated[float, msgspec.Meta(gt=0)] = 8.0
    conv_rank: _Positive | None = None
    conv_alpha: Annotated[float, msgspec.Meta(gt=0)] | None = None
    weights: str | None = None
    """A LoRA file to start from."""


class Optimizer(Section, frozen=True, kw_only=True):
    """The optimizer and its rates."""

    name: str = "AdamW"
    unet_rate: _Rate = 1e-4
    text_encoder_rate: _Rate | None = None
    """None leaves the text encoders as they are."""
    schedule: str = "cosine"
    warmup: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    """Steps when 1 or more, a fraction of all steps below 1."""
    arguments: tuple[str, ...] = ()
    """``key=value`` strings handed to the optimizer."""


class Training(Section, frozen=True, kw_only=True):
    """How the pictures are shown to the model."""

    resolution: tuple[_Positive, _Positive] = (512, 512)
    """Width and height in pixels; buckets keep this area."""
    buckets: bool = True
    bucket_min: _Positive = 256
    bucket_max: _Positive = 1024
    bucket_step: _Positive = 64
    bucket_no_upscale: bool = False
    precision: Precision = "no"
    seed: _Natural = 42
    clip_skip: _Positive | None = None
    noise_offset: Annotated[float, msgspec.Meta(ge=0)] | None = None
    cache_latents: bool = True
    gradient_checkpointing: bool = False
    base_4bit: bool = False
    """Keep the U-Net in 4 bits (NF4), for the smallest cards; the builtin engine alone can, with the package
    bitsandbytes."""


class Samples(Section, frozen=True, kw_only=True):
    """Pictures drawn while training, to judge it by eye."""

    prompts: tuple[str, ...] = ()
    negative: str = ""
    every_epochs: _Natural = 1
    """0 draws none by epochs; ``kohya.sample_every_n_steps`` may draw by steps then."""
    steps: _Positive = 20
    scale: Annotated[float, msgspec.Meta(ge=0)] = 7.0
    width: _Positive | None = None
    height: _Positive | None = None
    seed: _Natural = 42


class Output(Section, frozen=True, kw_only=True):
    """The files that come out."""

    name: str = "lora"
    precision: Literal["float", "fp16", "bf16"] = "fp16"
    folder: str | None = None
    """Where the LoRA files go; the run's own folder when absent."""
    save_every_epochs: _Natural = 1
    """0 saves at the end only."""
    keep_last: _Positive | None = None
    save_state: bool = True
    """Keep what is needed to resume beside each checkpoint."""
    state_minutes: _Natural = 15
    """Keep it also whenever so many minutes have passed, for machines that vanish; the builtin engine alone
    can. Only the newest of these stays. 0 keeps none."""


class Launch(Section, frozen=True, kw_only=True):
    """What runs it."""

    engine: EngineName = "builtin"
    as_sd_scripts: bool = False
    """The builtin engine repeats what sd-scripts computes otherwise than inference does: SDXL's text
    projection out of a single file."""
    num_processes: _Positive = 1
    """GPUs at work, over all machines, as accelerate counts them. Each takes a batch of its own."""
    num_machines: _Positive = 1
    machine_rank: _Natural = 0
    """Which of the machines this is; 0 is the one that writes the LoRA."""
    main_process_ip: str = ""
    """The address under which the others reach machine 0."""
    main_process_port: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None = None
    """29500 when absent, which is torch's own default; on a single machine any free port."""
    stop_machine: Literal["never", "finished", "ended"] | None = None
    """Stop the rented machine (RunPod, vast.ai) after the run; ``ended``: also when it has failed. As
    notify.toml says when absent."""


class Recipe(Section, frozen=True, kw_only=True):
    """One training run as a person decided it."""

    base: Base = Base()
    dataset: Dataset = Dataset()
    steps: Steps = Steps()
    network: Network = Network()
    optimizer: Optimizer = Optimizer()
    training: Training = Training()
    samples: Samples = Samples()
    output: Output = Output()
    launch: Launch = Launch()
    kohya: dict[str, Any] = {}
    """Any other key of config.toml, passed on as it is once its name and type are checked."""

    @property
    def draws_samples(self) -> bool:
        """Whether its prompts are drawn at all, by epochs or by steps."""
        samples = self.samples
        return bool(samples.prompts and (samples.every_epochs or self.kohya.get("sample_every_n_steps")))

    def diff(self, other: Recipe) -> list[tuple[str, Any, Any]]:
        """What changes from ``self`` to ``other``: (dotted key, old value, new value)."""
        old, new = flatten(self), flatten(other)
        keys = [*old, *(key for key in new if key not in old)]
        return [(key, old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key)]


SECTIONS = frozenset(Recipe.__struct_fields__)


def flatten(recipe: Recipe) -> dict[str, Any]:
    """Every value of a recipe by its dotted key."""
    return {
        f"{section}.{key}": value
        for section, values in msgspec.to_builtins(recipe).items()
        for key, value in values.items()
    }
