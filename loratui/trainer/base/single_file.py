"""The parts of single-file checkpoints, renamed to diffusers' and transformers' keys; nothing is copied that
can stay where it lies."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from loratui.formats.layouts import unet_layout, vae_layout
from loratui.formats.layouts.text_layout import with_text_model

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


def unet_weights(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The U-Net behind a prefix."""
    own = _behind(prefix, weights)
    layers = unet_layout.sgm_layers(own)
    named = ((unet_layout.unet_to_diffusers(key, layers), tensor) for key, tensor in own.items())
    return {key: tensor for key, tensor in named if key}


def with_kernels(unet: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """SD 2.x's U-Net with 1x1 convolutions around its transformers, where the file has linear layers.

    So sd-scripts trains a single file, other than a folder of diffusers' (library/model_util.py:246 and 398,
    library/train_util.py:5551). Both compute the same; but a LoRA's weights are kernels then, in its file and
    to optimizers that go by a weight's last two sides (Adafactor, CAME).
    """
    ends = ("proj_in.weight", "proj_out.weight")
    return {
        key: tensor[:, :, None, None] if key.endswith(ends) and tensor.dim() == 2 else tensor
        for key, tensor in unet.items()
    }


def vae_weights(weights: Mapping[str, Tensor], prefix: str = "") -> dict[str, Tensor]:
    """The VAE behind a prefix, in Stability's names or in those of diffusers, old or new; its attention as
    linear layers."""
    own = _behind(prefix, weights)
    if any(".down_blocks." in key for key in own):
        found = {vae_layout.new_vae_name(key): tensor for key, tensor in own.items()}
    else:
        levels = vae_layout.vae_levels(own)
        named = ((vae_layout.vae_to_diffusers(key, levels), tensor) for key, tensor in own.items())
        found = {key: tensor for key, tensor in named if key}
    return {
        key: tensor.flatten(1) if vae_layout.is_vae_attention_weight(key) else tensor
        for key, tensor in found.items()
    }


def _behind(prefix: str, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): tensor for key, tensor in weights.items() if key.startswith(prefix)}


def clip_weights(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """CLIP-L: transformers' own keys behind a prefix. Some files lack the ``text_model`` level."""
    return text_weights(_behind(prefix, weights))


def text_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """CLIP in transformers' keys. Since version 5.6 they lack the ``text_model`` level."""
    return {with_text_model(key): tensor for key, tensor in weights.items()}


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
