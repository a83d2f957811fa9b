"""Between our networks and those of diffusers and transformers, for whoever wants to see both do the same."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from loratui.trainer.base.loading import BaseModel
from loratui.trainer.nets.clip import TextStates
from loratui.trainer.nets.net import Config, Net


class UnetOfDiffusers:
    """diffusers' U-Net, called like ours."""

    def __init__(self, unet: Any) -> None:
        self._unet = unet

    def __call__(
        self,
        sample: Tensor,
        timesteps: Tensor,
        context: Tensor,
        pooled: Tensor | None = None,
        sizes: Tensor | None = None,
    ) -> Tensor:
        """As ``UNet2DConditionModel.forward``."""
        extra = None if pooled is None else {"text_embeds": pooled, "time_ids": sizes}
        answer: Tensor = self._unet(sample, timesteps, context, added_cond_kwargs=extra, return_dict=False)[0]
        return answer


class EncoderOfTransformers:
    """transformers' text encoder, called like ours; without clip_skip."""

    def __init__(self, encoder: Any) -> None:
        self._encoder = encoder
        self.device: torch.device = encoder.device

    def __call__(self, ids: Tensor) -> TextStates:
        """As ``CLIPTextModel.forward``."""
        output = self._encoder(ids, output_hidden_states=True, return_dict=True)
        hidden = list(output.hidden_states)
        return TextStates(hidden, output.last_hidden_state, getattr(output, "text_embeds", None))


def called_like_ours(pipeline: Any, model: BaseModel) -> BaseModel:
    """A pipeline's U-Net and text encoders under our names, with our tokenizers."""
    encoders = [pipeline.text_encoder]
    if model.family == "sdxl":
        encoders.append(pipeline.text_encoder_2)
    found = [EncoderOfTransformers(encoder) for encoder in encoders]
    return BaseModel(model.family, UnetOfDiffusers(pipeline.unet), None, found, model.tokenizers)


def parts_for_pipeline(model: BaseModel) -> dict[str, Any]:
    """diffusers' and transformers' own networks around our weights, under a pipeline's names."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from transformers.models.clip.configuration_clip import CLIPTextConfig
    from transformers.models.clip.modeling_clip import CLIPTextModel, CLIPTextModelWithProjection

    parts = {
        "unet": _around(UNet2DConditionModel, _own(model.unet.config), model.unet),
        "vae": _around(AutoencoderKL, _own(model.vae.config), model.vae),
    }
    for number, (encoder, kind) in enumerate(
        zip(model.text_encoders, (CLIPTextModel, CLIPTextModelWithProjection), strict=False)
    ):
        name = f"text_encoder_{number + 1}" if number else "text_encoder"
        parts[name] = _around(kind, CLIPTextConfig(**_own(encoder.config)), encoder)
    return parts


def _own(config: Config) -> Config:
    return {key: value for key, value in config.items() if not key.startswith("_")}


def _around(kind: Any, config: Any, ours: Net) -> Any:
    with torch.device("meta"):
        made: nn.Module = kind(**config) if isinstance(config, dict) else kind(config)
    weights = ours.state_dict()
    # transformers 5.6 dropped this level from CLIPTextModel, and only from it.
    if not any(key.startswith("text_model.") for key in made.state_dict()):
        weights = {key.removeprefix("text_model."): tensor for key, tensor in weights.items()}
    made.load_state_dict(weights, strict=False, assign=True)
    for name, buffer in list(made.named_buffers()):
        if buffer.is_meta and name.endswith("position_ids"):
            owner = made.get_submodule(name.rpartition(".")[0])
            owner.position_ids = torch.arange(buffer.shape[-1]).expand((1, -1))
    return made.requires_grad_(False).eval()
