"""What is asked of a process that runs a model with a finished LoRA: JSON both sides can read.

Whoever asks knows the LoRA file's names and has checked them; whoever answers knows the model's layers.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

_Some = TypeVar("_Some", bound=msgspec.Struct)


class PlacedModule(msgspec.Struct, frozen=True):
    """One module of a LoRA file, and the layer it belongs to: it adds scale x up(mid(down(x)))."""

    layer: str
    """Kohya's name with diffusers' blocks: ``lora_unet_down_blocks_1_attentions_0_proj_in``,
    ``lora_te1_text_model_encoder_layers_0_mlp_fc1``."""
    down: str
    """The tensor's name in the file."""
    up: str
    scale: float
    """alpha / rank."""
    mid: str | None = None
    """A convolution's kernel between two 1x1 ones (LyCORIS' Tucker form)."""


class LoraFile(msgspec.Struct, frozen=True):
    """A LoRA file with a place for each of its modules."""

    path: str
    modules: tuple[PlacedModule, ...]


class SheetRequest(msgspec.Struct, frozen=True):
    """Pictures to draw: every LoRA x prompt x seed x strength, into one contact sheet."""

    base: str
    family: str
    loras: tuple[LoraFile, ...]
    prompts: tuple[str, ...]
    seeds: tuple[int, ...]
    strengths: tuple[float, ...]
    """0 draws without a LoRA, once for all of them."""
    size: tuple[int, int]
    """(width, height) in pixels, multiples of 8."""
    steps: int
    scale: float
    """Classifier-free guidance; 1 switches it off."""
    sheet: str
    """The PNG to write."""
    pictures: str
    """The folder for the single pictures."""
    answer: str
    """Where to write the ``SheetAnswer``."""
    negative: str = ""
    clip_skip: int | None = None
    v_parameterization: bool = False
    zero_terminal_snr: bool = False


class Picture(msgspec.Struct, frozen=True):
    """One cell of a sheet."""

    path: str
    lora: str
    prompt: str
    seed: int
    strength: float


class SheetAnswer(msgspec.Struct, frozen=True):
    """What was drawn."""

    pictures: tuple[Picture, ...]
    complete: bool
    """False when it was stopped before the last picture."""
    seconds_a_picture: float | None = None


class ProofRequest(msgspec.Struct, frozen=True):
    """Does diffusers make of a file what we make of it?"""

    base: str
    family: str
    lora: LoraFile
    answer: str
    """Where to write the ``ProofAnswer``."""


class ProofAnswer(msgspec.Struct, frozen=True):
    """What diffusers did with a file."""

    modules: int
    """Layers that got a LoRA from diffusers."""
    max_error: float | None
    """Largest difference between diffusers' U-Net and ours, both with the LoRA; relative where the
    answers are larger than 1. None when it could not be loaded."""
    change: float | None
    """Largest difference the LoRA makes to the U-Net's answer."""
    problems: tuple[str, ...] = ()


def read(path: Path, kind: type[_Some]) -> _Some:
    """A request or an answer. Raises ``OSError`` and ``msgspec.MsgspecError``."""
    return msgspec.json.decode(path.read_bytes(), type=kind)


def write(path: Path, content: msgspec.Struct) -> None:
    """Raises ``OSError``."""
    path.write_bytes(msgspec.json.encode(content))
