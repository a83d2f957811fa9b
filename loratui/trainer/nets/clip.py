"""CLIP's text encoder (arXiv:2103.00020), and OpenCLIP's, which differs in size and activation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from loratui.trainer.nets.frozen import Linear
from loratui.trainer.nets.layers import Projecting, attention
from loratui.trainer.nets.net import Block, Config, Net


def quick_gelu(x: Tensor) -> Tensor:
    """OpenAI's approximation."""
    return x * torch.sigmoid(1.702 * x)


_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"quick_gelu": quick_gelu, "gelu": functional.gelu}


@dataclass(frozen=True, slots=True)
class TextStates:
    """What a text encoder makes of its tokens."""

    hidden_states: list[Tensor]
    """[B,77,C] before the first layer and after each."""
    last_hidden_state: Tensor
    """After the final norm."""
    text_embeds: Tensor | None
    """[B,P]: the projection of the state at a text's end, where the encoder has one."""


class CLIPAttention(Projecting):
    """Each token to those before it."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.k_proj = Linear(channels, channels)
        self.v_proj = Linear(channels, channels)
        self.q_proj = Linear(channels, channels)
        self.out_proj = Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.project(x, self.q_proj, self.k_proj, self.v_proj)
        found: Tensor = self.out_proj(attention(query, key, value, self.heads, causal=True))
        return found


class CLIPMLP(nn.Module):
    """Token by token."""

    def __init__(self, channels: int, inner: int, activation: str) -> None:
        super().__init__()
        self._activation = _ACTIVATIONS[activation]
        self.fc1 = Linear(channels, inner)
        self.fc2 = Linear(inner, channels)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.fc2(self._activation(self.fc1(x)))
        return found


class CLIPEncoderLayer(Block):
    """Attention and a feed-forward part."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        channels, eps = int(config["hidden_size"]), float(config.get("layer_norm_eps", 1e-5))
        self.self_attn = CLIPAttention(channels, int(config["num_attention_heads"]))
        self.layer_norm1 = nn.LayerNorm(channels, eps)
        self.mlp = CLIPMLP(channels, int(config["intermediate_size"]), config.get("hidden_act", "quick_gelu"))
        self.layer_norm2 = nn.LayerNorm(channels, eps)

    def compute(self, x: Tensor) -> Tensor:
        """``x`` [B,77,C]."""
        x = x + self.self_attn(self.layer_norm1(x))
        found: Tensor = x + self.mlp(self.layer_norm2(x))
        return found


class Vocabulary(nn.Embedding):
    """A vector for each token; may have its weight as a file stores it, since few are ever looked at."""


class _Embeddings(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.token_embedding = Vocabulary(int(config["vocab_size"]), int(config["hidden_size"]))
        self.position_embedding = nn.Embedding(
            int(config.get("max_position_embeddings", 77)), int(config["hidden_size"])
        )

    def forward(self, ids: Tensor) -> Tensor:
        places = self.position_embedding.weight[: ids.shape[-1]]
        found: Tensor = self.token_embedding(ids).to(places.dtype) + places
        return found


class _Encoder(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [CLIPEncoderLayer(config) for _ in range(int(config["num_hidden_layers"]))]
        )


class _Text(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.embeddings = _Embeddings(config)
        self.encoder = _Encoder(config)
        self.final_layer_norm = nn.LayerNorm(
            int(config["hidden_size"]), float(config.get("layer_norm_eps", 1e-5))
        )


class CLIPTextModel(Net):
    """Without a projection."""

    fixed: ClassVar[Mapping[str, Any]] = {"attention_dropout": 0.0, "dropout": 0.0}

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        if config.get("hidden_act", "quick_gelu") not in _ACTIVATIONS:
            raise ValueError(f"hidden_act = {config['hidden_act']!r} in its config is not known.")
        self.text_model = _Text(config)

    def forward(self, ids: Tensor) -> TextStates:
        """``ids`` [B,77]."""
        text = self.text_model
        x = text.embeddings(ids)
        states = [x]
        for layer in text.encoder.layers:
            x = layer(x)
            states.append(x)
        last = text.final_layer_norm(x)
        return TextStates(states, last, self.projected(last, ids))

    def projected(self, last: Tensor, ids: Tensor) -> Tensor | None:
        """Of the last state [B,77,C]."""
        return None


class CLIPTextModelWithProjection(CLIPTextModel):
    """The second text encoder of SDXL."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.text_projection = Linear(
            int(config["hidden_size"]), int(config.get("projection_dim", 512)), bias=False
        )

    def projected(self, last: Tensor, ids: Tensor) -> Tensor | None:
        """At the first end of text; with the number 2, which old configs have there, at the highest number
        (transformers models/clip/modeling_clip.py)."""
        end = int(self.config.get("eos_token_id", 49407))
        places = ids.int() if end == 2 else (ids == end).int()
        found: Tensor = self.text_projection(
            last[torch.arange(len(ids), device=last.device), places.argmax(dim=-1).to(last.device)]
        )
        return found
