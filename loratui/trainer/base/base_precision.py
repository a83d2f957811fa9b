"""The precision in which the frozen base model is kept: the mixed one, float8, or 4 bits."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from loratui.builtin.support import LYCORIS_MODULE
from loratui.trainer.base.loading import BaseModel
from loratui.trainer.base.packing import pack_4bit, pack_float8, round_to_float8
from loratui.trainer.lora.held import held_parts
from loratui.trainer.nets.clip import Vocabulary
from loratui.trainer.nets.frozen import Conv2d, Linear
from loratui.trainer.nets.skinny_matmul import can_wait
from loratui.trainer.settings.config import TrainConfig
from loratui.trainer.settings.options import Options

DTYPES = {"no": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
"""By mixed_precision."""


def pack_unet(config: TrainConfig, options: Options, unet: Any, device: torch.device) -> None:
    """Bring the U-Net out of its file's precision into the one that is asked for, and to ``device``, layer by
    layer. On a CPU large layers widen their weights themselves, when they have to (``nets.few_rows``), but
    for lycoris-lora, which goes past them.

    sd-scripts also rounds the time embedding of SD 1.x and 2.x to float8, since it takes the precision of the
    U-Net's weights for that of its input (library/original_unet.py:1586); with ``as_sd_scripts`` so do we.
    """
    dtype = DTYPES[config.mixed_precision]
    if options.base_4bit:
        pack_4bit(unet, dtype, device)
    elif config.fp8_base or config.fp8_base_unet:
        pack_float8(unet, dtype, device)
        if options.as_sd_scripts and config.family != "sdxl":
            unet.time_embedding.register_forward_pre_hook(
                lambda module, given: (round_to_float8(given[0]), *given[1:])
            )
    else:
        _settle(unet, dtype, device, at_once=config.network_module == LYCORIS_MODULE)
    unet.to(device)


def _settle(part: nn.Module, dtype: torch.dtype, device: torch.device, *, at_once: bool) -> None:
    """Weight by weight, so that little lies there twice; over to a GPU as it is stored, and cast there."""
    for layer in part.modules():
        for weight in layer.parameters(recurse=False):
            stored = weight.data.to(device)
            waits = (
                not at_once and isinstance(layer, Linear | Conv2d | Vocabulary) and can_wait(stored, dtype)
            )
            weight.data = stored if waits else stored.to(dtype)


def pack_text_encoders(config: TrainConfig, options: Options, model: BaseModel, device: torch.device) -> None:
    """The same of the text encoders. On a CPU those that encode once and for all, and are gone before the
    first step, widen each weight while it is used.

    fp8_base, other than fp8_base_unet, is for them too (train_network.py:837-861), where they run in every
    step; captions that are encoded once are encoded in mixed precision. sd-scripts leaves their embeddings,
    which have no float8, in mixed precision, but rounds them to float8 on the way there; with
    ``as_sd_scripts`` so do we.
    """
    dtype = DTYPES[config.mixed_precision]
    every_step = any(config.text_encoder_rates) or bool(held_parts(config)) or config.captions_vary
    if options.as_sd_scripts and not config.caches_captions:
        every_step = True
    packs = config.fp8_base and not config.fp8_base_unet and every_step
    for encoder in model.text_encoders:
        _settle(encoder, dtype, device, at_once=every_step)
        for layer in encoder.modules():
            if isinstance(layer, Linear):
                layer.brief = not every_step
        if packs:
            pack_float8(encoder, dtype, device)
            if options.as_sd_scripts:
                for layer in encoder.modules():
                    if isinstance(layer, nn.Embedding):
                        layer.weight.data = round_to_float8(layer.weight.data)
