"""Prompts as the U-Net takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from loratui.trainer.base.loading import BaseModel
from loratui.trainer.captions.caption_weights import parse
from loratui.trainer.captions.tokenizer import WORDS
from loratui.trainer.to_gpu import moved


@dataclass(frozen=True, slots=True)
class Condition:
    """What a batch of prompts tells the U-Net."""

    states: Tensor
    """[B,T,C]; T is 77, or 75 n + 2 where captions may be n times as long."""
    pooled: Tensor | None = None
    """[B,P]; SDXL only."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """A batch of prompts as one text encoder takes them."""

    ids: Tensor
    """[B,n,77] int64; n is above 1 for long prompts, which are encoded piece by piece."""
    weights: Tensor | None = None
    """[B,75 n + 2]; None where every token weighs 1."""


def tokenize(
    model: BaseModel, prompts: Sequence[str], *, weighted: bool = False, most: int = WORDS
) -> list[Tokens]:
    """The prompts, cut to ``most`` tokens (75, 150 or 225), for each text encoder. ``weighted`` reads
    brackets as weights (``caption_weights``)."""
    found = []
    for tokenizer in model.tokenizers:
        weights = None
        if weighted:
            pairs = [tokenizer.encode_pieces(parse(prompt), most) for prompt in prompts]
            rows, weights = [pair[0] for pair in pairs], torch.tensor([pair[1] for pair in pairs])
        else:
            rows = [tokenizer.encode(prompt, most) for prompt in prompts]
        found.append(Tokens(torch.tensor([tokenizer.chunks(row) for row in rows]), weights))
    return found


def encode(
    model: BaseModel,
    prompts: Sequence[str],
    clip_skip: int | None,
    *,
    weighted: bool = False,
    most: int = WORDS,
) -> Condition:
    """Run the text encoders on their own device."""
    return encode_tokens(model, tokenize(model, prompts, weighted=weighted, most=most), clip_skip)


def encode_to_draw(model: BaseModel, prompts: Sequence[str], clip_skip: int | None) -> Condition:
    """Prompts of pictures that are drawn, as people write them for programs that draw: brackets are weights,
    after which the mean is as it was before, and up to 225 tokens are seen, as many pieces as the longest
    needs (sd-scripts library/lpw_stable_diffusion.py)."""
    longest = max(len(model.tokenizers[0].tokens(prompt)) for prompt in prompts)
    tokens = tokenize(model, prompts, weighted=True, most=WORDS * min(3, max(1, -(-longest // WORDS))))
    weights = tokens[0].weights
    plain = encode_tokens(model, [Tokens(given.ids) for given in tokens], clip_skip)
    assert weights is not None
    if bool((weights == 1).all()):
        return plain
    states = plain.states
    weighed = states * moved(weights, states.device).to(states.dtype).unsqueeze(2)
    before, after = (one.float().mean(dim=(1, 2), keepdim=True) for one in (states, weighed))
    return Condition(weighed * (before / after).to(states.dtype), plain.pooled)


def encode_tokens(model: BaseModel, tokens: Sequence[Tokens], clip_skip: int | None) -> Condition:
    """What the text encoders make of their tokens.

    SD 1.x and 2.x: the last layer, or with clip_skip n >= 2 the n-th from the end, then the final norm
    (sd-scripts library/strategy_sd.py:67). SDXL: the last but one of each without norm, side by side,
    and the second's pooled projection; clip_skip means nothing there (strategy_sdxl.py:126). Weights
    multiply the states of their tokens, and nothing is evened out afterwards (strategy_sd.py:96).

    Of the pieces of a long prompt, the inner states are put side by side between the first piece's start
    and the last one's end; the pooled projection is the first piece's (strategy_sd.py:75-100).
    """
    states: list[Tensor] = []
    pooled: Tensor | None = None
    for number, (encoder, given) in enumerate(zip(model.text_encoders, tokens, strict=True)):
        batch, pieces, _ = given.ids.shape
        ids = moved(given.ids.flatten(0, 1), encoder.device)
        output = encoder(ids)
        if model.family == "sdxl":
            own = output.hidden_states[-2]
            if number == 1:
                pooled = output.text_embeds[::pieces]
        elif clip_skip is None or clip_skip < 2:
            own = output.last_hidden_state
        else:
            own = encoder.text_model.final_layer_norm(output.hidden_states[-clip_skip])
        if pieces > 1:
            own = _joined(own.unflatten(0, (batch, pieces)))
        if given.weights is not None:
            own = own * moved(given.weights, own.device).to(own.dtype).unsqueeze(2)
        states.append(own)
    return Condition(torch.cat(states, dim=-1), pooled)


def _joined(states: Tensor) -> Tensor:
    """[B,n,77,C] to [B,75 n + 2,C]."""
    inner = states[:, :, 1:-1].flatten(1, 2)
    return torch.cat([states[:, 0, :1], inner, states[:, -1, -1:]], dim=1)


def stack(conditions: Sequence[Condition], device: torch.device) -> Condition:
    """Conditions of single prompts as one batch on ``device``."""
    pooled = [condition.pooled for condition in conditions if condition.pooled is not None]
    return Condition(
        moved(torch.cat([condition.states for condition in conditions]), device),
        moved(torch.cat(pooled), device) if pooled else None,
    )


def predict(
    unet: torch.nn.Module, noisy: Tensor, timesteps: Tensor, condition: Condition, sizes: Tensor | None
) -> Tensor:
    """The U-Net's answer [B,4,h,w]. ``sizes`` [B,6] are SDXL's size conditions."""
    answer: Tensor = unet(noisy, timesteps, condition.states, condition.pooled, sizes)
    return answer
