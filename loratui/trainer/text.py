"""Prompts as the U-Net takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from loratui.trainer.loading import BaseModel


@dataclass(frozen=True, slots=True)
class Condition:
    """What a batch of prompts tells the U-Net."""

    states: Tensor
    """[B,77,C]."""
    pooled: Tensor | None = None
    """[B,P]; SDXL only."""


def encode(model: BaseModel, prompts: Sequence[str], clip_skip: int | None) -> Condition:
    """Run the text encoders on their own device.

    SD 1.x: the last layer, or with clip_skip n >= 2 the n-th from the end, then the final norm
    (sd-scripts library/strategy_sd.py:67). SDXL: the last but one of each without norm, side by side,
    and the second's pooled projection; clip_skip means nothing there (strategy_sdxl.py:126).
    """
    states: list[Tensor] = []
    pooled: Tensor | None = None
    for number, (encoder, tokenizer) in enumerate(zip(model.text_encoders, model.tokenizers, strict=True)):
        ids = torch.tensor([tokenizer.encode(prompt) for prompt in prompts], device=encoder.device)
        output = encoder(ids, output_hidden_states=True, return_dict=True)
        if model.family == "sdxl":
            states.append(output.hidden_states[-2])
            if number == 1:
                pooled = output.text_embeds
        elif clip_skip is None or clip_skip < 2:
            states.append(output.last_hidden_state)
        else:
            norm = getattr(encoder, "text_model", encoder).final_layer_norm
            states.append(norm(output.hidden_states[-clip_skip]))
    return Condition(torch.cat(states, dim=-1), pooled)


def stack(conditions: Sequence[Condition], device: torch.device) -> Condition:
    """Conditions of single prompts as one batch on ``device``."""
    pooled = [condition.pooled for condition in conditions if condition.pooled is not None]
    return Condition(
        torch.cat([condition.states for condition in conditions]).to(device),
        torch.cat(pooled).to(device) if pooled else None,
    )


def predict(
    unet: torch.nn.Module, noisy: Tensor, timesteps: Tensor, condition: Condition, sizes: Tensor | None
) -> Tensor:
    """The U-Net's answer [B,4,h,w]. ``sizes`` [B,6] are SDXL's size conditions."""
    extra = None
    if condition.pooled is not None:
        extra = {"text_embeds": condition.pooled, "time_ids": sizes}
    answer: Tensor = unet(noisy, timesteps, condition.states, added_cond_kwargs=extra, return_dict=False)[0]
    return answer
