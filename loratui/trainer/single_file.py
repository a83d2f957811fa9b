"""Text encoders as they lie in single-file checkpoints, renamed to transformers' keys."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

_OPEN_CLIP = (
    ("transformer.resblocks.", "text_model.encoder.layers."),
    ("token_embedding.weight", "text_model.embeddings.token_embedding.weight"),
    ("positional_embedding", "text_model.embeddings.position_embedding.weight"),
    ("ln_final.", "text_model.final_layer_norm."),
    ("ln_1.", "layer_norm1."),
    ("ln_2.", "layer_norm2."),
    ("mlp.c_fc.", "mlp.fc1."),
    ("mlp.c_proj.", "mlp.fc2."),
    ("attn.out_proj.", "self_attn.out_proj."),
)


def clip_weights(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """CLIP-L: transformers' own keys behind a prefix. Some files lack the ``text_model`` level."""
    found = {key.removeprefix(prefix): tensor for key, tensor in weights.items() if key.startswith(prefix)}
    return {
        key if key.startswith("text_model.") else f"text_model.{key}": tensor for key, tensor in found.items()
    }


def open_clip_weights(
    weights: Mapping[str, Tensor], prefix: str, *, projection_as_stored: bool = False
) -> dict[str, Tensor]:
    """OpenCLIP: q, k and v lie in one tensor; the projection is applied from the right there
    (open_clip model.py, ``x @ self.text_projection``), so it is turned over for a linear layer.

    ``projection_as_stored`` leaves it as it lies, which is how sd-scripts trains
    (library/sdxl_model_util.py:99); programs that draw pictures turn it over.
    """
    found: dict[str, Tensor] = {}
    for key, tensor in weights.items():
        if not key.startswith(prefix):
            continue
        name = key.removeprefix(prefix)
        if name == "logit_scale":
            continue
        if name == "text_projection":
            found["text_projection.weight"] = tensor if projection_as_stored else tensor.T.contiguous()
            continue
        for old, new in _OPEN_CLIP:
            name = name.replace(old, new)
        if ".attn.in_proj_" in name:
            base, kind = name.split(".attn.in_proj_")
            for part, chunk in zip("qkv", tensor.chunk(3, dim=0), strict=True):
                found[f"{base}.self_attn.{part}_proj.{kind}"] = chunk.contiguous()
        else:
            found[name] = tensor
    return found
