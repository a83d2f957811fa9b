"""The parts of a base model, from a diffusers folder or a single file; offline."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from loratui.problems import UserError, refusal
from loratui.trainer.single_file import clip_weights, open_clip_weights
from loratui.trainer.tokenizer import ASSETS, Tokenizer, clip_tokenizer, read_tokenizer


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
    unet_as_stored: bool = False,
) -> BaseModel:
    """Load all parts; the VAE stays in float32, which is where half precision turns black.

    ``configs`` is a folder of ``unet/config.json`` and so on for a single file; by default one that lies
    beside the file under its name or its family's (``hero/`` or ``sd15/`` for ``hero.safetensors``), as
    models of unusual width need, else the shipped ones. ``projection_as_stored`` repeats what sd-scripts
    does to SDXL's text projection in a single file (``single_file.open_clip_weights``). ``unet_as_stored``
    leaves the U-Net in its file's own precision instead of ``dtype``, for what rounds it further.
    Raises ``UserError`` when a part is missing, broken or of another shape.
    """
    if path.is_dir():
        model = _from_folder(path, family, dtype, unet_as_stored)
    else:
        model = _from_file(path, family, dtype, configs, projection_as_stored, unet_as_stored)
    for part in (model.unet, model.vae, *model.text_encoders):
        part.requires_grad_(False)
        part.eval()
    return model


def _from_folder(path: Path, family: str, dtype: torch.dtype, unet_as_stored: bool) -> BaseModel:
    numbers = ("", "_2") if family == "sdxl" else ("",)
    for part in ("unet", "vae", *(f"text_encoder{number}" for number in numbers)):
        if not list((path / part).glob("*.safetensors")):
            raise refusal(
                path / part,
                "no .safetensors weights lie in this folder.",
                "Download the model again, in its safetensors form.",
            )
    unet_class, vae_class = diffusers_classes()
    try:
        unet_dtype = _dtype_in(path / "unet") if unet_as_stored else dtype
        return BaseModel(
            family,
            unet_class.from_pretrained(path / "unet", torch_dtype=unet_dtype, local_files_only=True),
            vae_class.from_pretrained(path / "vae", torch_dtype=torch.float32, local_files_only=True),
            [
                kind.from_pretrained(path / f"text_encoder{number}", local_files_only=True).to(dtype)
                for kind, number in zip(encoder_classes(), numbers, strict=False)
            ],
            [read_tokenizer(path / f"tokenizer{number}") for number in numbers],
        )
    except UserError:
        raise
    except Exception as error:
        raise refusal(
            path, f"the model cannot be loaded: {_first_line(error)}", "Download it again."
        ) from error


def _from_file(
    path: Path,
    family: str,
    dtype: torch.dtype,
    configs: Path | None,
    projection_as_stored: bool,
    unet_as_stored: bool,
) -> BaseModel:
    from safetensors.torch import load_file

    folder = configs or configs_for(path, family)
    unet_class, vae_class = diffusers_classes()
    try:
        weights = load_file(path)
        prefix = "model.diffusion_model."
        stored = next((tensor.dtype for key, tensor in weights.items() if key.startswith(prefix)), dtype)
        unet_dtype = stored if unet_as_stored else dtype
        unet = part_of_file(unet_class, weights, prefix, folder, "unet", unet_dtype)
        vae = part_of_file(vae_class, weights, "first_stage_model.", folder, "vae", torch.float32)
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
        text_encoders = [
            text_encoder(kind, tensors, folder / f"text_encoder{number}", dtype)
            for kind, tensors, number in zip(encoder_classes(), encoders, ("", "_2"), strict=False)
        ]
    except UserError:
        raise
    except Exception as error:
        raise refusal(
            path,
            f"it is not a {family} model of the usual shape: {_first_line(error)}",
            "Choose another checkpoint.",
        ) from error
    return BaseModel(family, unet, vae, text_encoders, tokenizers)


def _dtype_in(folder: Path) -> torch.dtype:
    """Of the first weight of a diffusers part; its files were found already."""
    from safetensors import safe_open

    with safe_open(next(iter(sorted(folder.glob("*.safetensors")))), "pt") as file:
        dtype: torch.dtype = file.get_tensor(next(iter(file.keys()))).dtype
    return dtype


def configs_for(path: Path, family: str) -> Path:
    """The folder of a model's config.json files: its own, or those beside the file, or the shipped ones."""
    folders = (path, path.with_suffix(""), path.parent / family)
    beside = (folder for folder in folders if (folder / "unet" / "config.json").is_file())
    return next(beside, ASSETS / family)


def part_of_file(
    kind: Any, weights: Mapping[str, Tensor], prefix: str, folder: Path, name: str, dtype: torch.dtype
) -> Any:
    """The U-Net or the VAE out of a single file. Raises ``ValueError`` when some of it is missing."""
    own = {key: tensor for key, tensor in weights.items() if key.startswith(prefix)}
    part = kind.from_single_file(
        own, config=str(folder), subfolder=name, local_files_only=True, torch_dtype=dtype
    )
    missing = [key for key, tensor in part.state_dict().items() if tensor.is_meta]
    if missing:
        raise ValueError(f"{len(missing)} tensors of the {name} are missing, for example {missing[0]}.")
    return part


def text_encoder(kind: Any, weights: dict[str, Tensor], folder: Path, dtype: torch.dtype) -> nn.Module:
    """A text encoder of the shape that ``folder``/config.json tells, from transformers' keys. Raises
    ``ValueError`` when one is missing."""
    from transformers.models.clip.configuration_clip import CLIPTextConfig

    encoder: nn.Module = kind(CLIPTextConfig(**json.loads((folder / "config.json").read_text("utf-8"))))
    # transformers 5.6 dropped this level from CLIPTextModel, and only from it.
    if not any(key.startswith("text_model.") for key in encoder.state_dict()):
        weights = {key.removeprefix("text_model."): tensor for key, tensor in weights.items()}
    # Position numbers are no weights, and where they are kept differs between versions.
    missing, _ = encoder.load_state_dict(weights, strict=False)
    missing = [key for key in missing if not key.endswith("position_ids")]
    if missing:
        raise ValueError(f"{len(missing)} tensors of a text encoder are missing, for example {missing[0]}.")
    return encoder.to(dtype)


def diffusers_classes() -> tuple[Any, Any]:
    """The classes of the U-Net and the VAE."""
    # Straight from their modules: the package's front door pulls in every pipeline.
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    return UNet2DConditionModel, AutoencoderKL


def encoder_classes() -> tuple[Any, Any]:
    """The classes of the first and the second text encoder."""
    from transformers.models.clip.modeling_clip import CLIPTextModel, CLIPTextModelWithProjection

    return CLIPTextModel, CLIPTextModelWithProjection


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
