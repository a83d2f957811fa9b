"""The parts of a base model, from a diffusers folder or a single file; offline."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from loratui.problems import UserError, refusal
from loratui.trainer.base.single_file import (
    clip_weights,
    open_clip_weights,
    text_weights,
    unet_weights,
    vae_weights,
    with_kernels,
)
from loratui.trainer.captions.tokenizer import ASSETS, Tokenizer, clip_tokenizer, read_tokenizer
from loratui.trainer.nets.clip import CLIPTextModel, CLIPTextModelWithProjection
from loratui.trainer.nets.net import Config, Net
from loratui.trainer.nets.unet import UNet2DConditionModel
from loratui.trainer.nets.vae import AutoencoderKL

Some = TypeVar("Some", bound=Net)


@dataclass(slots=True)
class BaseModel:
    """What a training needs of its base model, all frozen."""

    family: str
    unet: Any
    vae: Any
    text_encoders: list[Any]
    """CLIP-L; with SDXL also OpenCLIP bigG; with SD 2.x OpenCLIP H alone."""
    tokenizers: list[Tokenizer]


def load(
    path: Path,
    family: str,
    dtype: torch.dtype,
    configs: Path | None = None,
    *,
    projection_as_stored: bool = False,
    as_stored: Collection[str] = (),
    decodes: bool = True,
) -> BaseModel:
    """Load all parts; the VAE stays in float32, which is where half precision turns black.

    ``configs`` is a folder of ``unet/config.json`` and so on for a single file; by default one that lies
    beside the file under its name or its family's (``hero/`` or ``sd15/`` for ``hero.safetensors``), as
    models of unusual width need, else the shipped ones. ``projection_as_stored`` repeats what sd-scripts
    does to SDXL's text projection in a single file (``single_file.open_clip_weights``). ``as_stored``
    names parts (``unet``, ``text_encoder``) that are left in their file's own precision instead of ``dtype``,
    and mostly where they lie on the disk. Without ``decodes`` the VAE is its encoder alone.
    Raises ``UserError`` when a part is missing, broken or of another shape.
    """
    if path.is_dir():
        return _from_folder(path, family, dtype, as_stored, decodes)
    return _from_file(path, family, dtype, configs, projection_as_stored, as_stored, decodes)


def _from_folder(
    path: Path, family: str, dtype: torch.dtype, as_stored: Collection[str], decodes: bool
) -> BaseModel:
    numbers = ("", "_2") if family == "sdxl" else ("",)
    for part in ("unet", "vae", *(f"text_encoder{number}" for number in numbers)):
        if not list((path / part).glob("*.safetensors")):
            raise refusal(
                path / part,
                "no .safetensors weights lie in this folder.",
                "Download the model again, in its safetensors form.",
                "model_missing",
            )
    try:
        vae = vae_weights(folder_weights(path / "vae"))
        return BaseModel(
            family,
            part_of(
                UNet2DConditionModel,
                folder_weights(path / "unet"),
                path / "unet",
                None if "unet" in as_stored else dtype,
            ),
            part_of(AutoencoderKL, vae, path / "vae", torch.float32, decodes=decodes),
            [
                part_of(
                    kind,
                    text_weights(folder_weights(folder)),
                    folder,
                    None if "text_encoder" in as_stored else dtype,
                )
                for kind, folder in zip(
                    ENCODERS, (path / f"text_encoder{number}" for number in numbers), strict=False
                )
            ],
            [read_tokenizer(path / f"tokenizer{number}") for number in numbers],
        )
    except UserError:
        raise
    except Exception as error:  # what a damaged file raises depends on the library that reads it
        raise refusal(
            path, f"the model cannot be loaded: {_first_line(error)}", "Download it again."
        ) from error


def _from_file(
    path: Path,
    family: str,
    dtype: torch.dtype,
    configs: Path | None,
    projection_as_stored: bool,
    as_stored: Collection[str],
    decodes: bool,
) -> BaseModel:
    from safetensors.torch import load_file

    folder = configs or configs_for(path, family)
    try:
        weights = load_file(path)
        unet = unet_weights(weights, "model.diffusion_model.")
        unet_config = read_config(folder / "unet")
        if family == "sd2":
            unet, unet_config = with_kernels(unet), unet_config | {"use_linear_projection": False}
        vae = vae_weights(weights, "first_stage_model.")
        encoders = []
        tokenizers = [clip_tokenizer()]
        if family == "sd2":
            # Its last layer is left out by the config: training and inference take the last but one.
            encoders.append(open_clip_weights(weights, "cond_stage_model.model."))
            tokenizers = [clip_tokenizer().with_pad("!")]
        elif family == "sdxl":
            encoders.append(clip_weights(weights, "conditioner.embedders.0.transformer."))
            prefix = "conditioner.embedders.1.model."
            encoders.append(open_clip_weights(weights, prefix, projection_as_stored=projection_as_stored))
            tokenizers.append(clip_tokenizer().with_pad("!"))
        else:
            encoders.append(clip_weights(weights, "cond_stage_model.transformer."))
        return BaseModel(
            family,
            part_of(
                UNet2DConditionModel,
                unet,
                folder / "unet",
                None if "unet" in as_stored else dtype,
                config=unet_config,
            ),
            part_of(AutoencoderKL, vae, folder / "vae", torch.float32, decodes=decodes),
            [
                part_of(
                    kind,
                    tensors,
                    folder / f"text_encoder{number}",
                    None if "text_encoder" in as_stored else dtype,
                )
                for kind, tensors, number in zip(ENCODERS, encoders, ("", "_2"), strict=False)
            ],
            tokenizers,
        )
    except UserError:
        raise
    except Exception as error:  # as above
        raise refusal(
            path,
            f"it is not a {family} model of the usual shape: {_first_line(error)}",
            "Choose another checkpoint.",
            "wrong_arch",
        ) from error


ENCODERS: tuple[type[CLIPTextModel], ...] = (CLIPTextModel, CLIPTextModelWithProjection)
"""The first and the second text encoder."""


def configs_for(path: Path, family: str) -> Path:
    """The folder of a model's config.json files: its own, or those beside the file, or the shipped ones."""
    folders = (path, path.with_suffix(""), path.parent / family)
    beside = (folder for folder in folders if (folder / "unet" / "config.json").is_file())
    return next(beside, ASSETS / family)


def read_config(folder: Path) -> Config:
    """``folder``/config.json."""
    config: Config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return config


def folder_weights(folder: Path) -> dict[str, Tensor]:
    """All tensors of a part: one file or several, of which a float16 copy counts only where there is nothing
    else."""
    from safetensors.torch import load_file

    files = sorted(folder.glob("*.safetensors"))
    plain = [file for file in files if len(file.suffixes) == 1]
    return {key: tensor for file in plain or files for key, tensor in load_file(file).items()}


def part_of(
    kind: type[Some],
    weights: Mapping[str, Tensor],
    folder: Path,
    dtype: torch.dtype | None,
    config: Config | None = None,
    **options: bool,
) -> Some:
    """A network of the shape that ``config`` or else ``folder``/config.json tells, and its class's
    ``options``, frozen, with these weights; those that have the precision already, or are left as they are
    stored (None), stay where they lie. Raises ``ValueError`` when some are missing."""
    try:
        part = kind.without_weights(config or read_config(folder), **options)
        wanted = part.state_dict().keys()
        own = {key: weights[key] for key in wanted if key in weights}
        return part.take({key: tensor.to(dtype) if dtype else tensor for key, tensor in own.items()})
    except (KeyError, ValueError) as error:
        raise ValueError(f"{folder.name}: {error}") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
