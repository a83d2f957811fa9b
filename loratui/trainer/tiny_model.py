"""A tiny model in the shape of Stable Diffusion, made from a seed: for the demo and for tests.

Its weights are random, so its pictures are noise and stay noise; its loss is real and falls when a
LoRA is trained on it.

``python -m loratui.trainer.tiny_model DIR [--family sd15|sd2|sdxl] [--seed N]``
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from loratui.atomic import new_folder
from loratui.families import FAMILIES
from loratui.formats.diffusers_folder import model_index
from loratui.problems import UserError
from loratui.trainer.base.loading import ENCODERS
from loratui.trainer.captions.tokenizer import END, LENGTH, START, byte_alphabet
from loratui.trainer.nets.clip import CLIPTextModel
from loratui.trainer.nets.net import Net
from loratui.trainer.nets.unet import UNet2DConditionModel
from loratui.trainer.nets.vae import AutoencoderKL

_UNET: dict[str, dict[str, Any]] = {
    "sd15": {
        "block_out_channels": (32, 64),
        "down_block_types": ("CrossAttnDownBlock2D",) * 2,
        "up_block_types": ("CrossAttnUpBlock2D",) * 2,
        "layers_per_block": 1,
        "cross_attention_dim": 32,
        "attention_head_dim": 4,
    },
    "sd2": {
        "block_out_channels": (32, 64),
        "down_block_types": ("CrossAttnDownBlock2D",) * 2,
        "up_block_types": ("CrossAttnUpBlock2D",) * 2,
        "layers_per_block": 1,
        "cross_attention_dim": 32,
        "attention_head_dim": (2, 4),
        "use_linear_projection": True,
    },
    "sdxl": {
        "block_out_channels": (16, 32, 64),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "layers_per_block": 2,
        "transformer_layers_per_block": (1, 1, 2),
        "cross_attention_dim": 48,
        "attention_head_dim": (2, 4, 8),
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 16 + 6 * 256,
    },
}
_SCHEDULER = {
    "_class_name": "DDPMScheduler",
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "prediction_type": "epsilon",
    "steps_offset": 1,
}


def make(folder: Path, family: str = "sd15", seed: int = 0) -> None:
    """Write the model as a diffusers folder, whole or not at all.

    The same seed gives the same weights. Raises ``UserError`` when the disk refuses.
    """
    torch.manual_seed(seed)
    unet = UNet2DConditionModel({"sample_size": 8, "norm_num_groups": 8, **_UNET[family]})
    vae = _vae(FAMILIES[family].latent_scale)
    with new_folder(folder) as temporary:
        _write_part(temporary / "unet", unet, "diffusion_pytorch_model")
        _write_part(temporary / "vae", vae, "diffusion_pytorch_model")
        for number, encoder in enumerate(_text_encoders(family)):
            suffix = f"_{number + 1}" if number else ""
            _write_part(temporary / f"text_encoder{suffix}", encoder, "model")
            _write_tokenizer(temporary / f"tokenizer{suffix}", "!" if number else END)
        _write_json(temporary / "scheduler" / "scheduler_config.json", _SCHEDULER)
        _write_json(temporary / "model_index.json", model_index(family, "DDPMScheduler"))


def _vae(latent_scale: float) -> AutoencoderKL:
    """A VAE whose scaled latents of ordinary pictures have a standard deviation of 1.

    Random weights alone give small latents, beside which noise is all there is to see.
    """
    vae = AutoencoderKL(
        {
            "block_out_channels": (8, 8, 16, 16),
            "down_block_types": ("DownEncoderBlock2D",) * 4,
            "up_block_types": ("UpDecoderBlock2D",) * 4,
            "layers_per_block": 1,
            "norm_num_groups": 4,
            "sample_size": 64,
            "scaling_factor": latent_scale,
        }
    )
    vae.requires_grad_(False)
    pictures = torch.nn.functional.interpolate(
        torch.rand(16, 3, 5, 5) * 2 - 1, size=(64, 64), mode="bilinear"
    )
    mean, _ = vae.encode(pictures)
    wanted = 1.0 / (latent_scale * mean.std())
    assert vae.quant_conv.bias is not None
    vae.quant_conv.weight[:4] *= wanted
    vae.quant_conv.bias[:4] *= wanted
    # The other half of the output is the logarithm of the variance: next to none.
    vae.quant_conv.weight[4:] = 0
    vae.quant_conv.bias[4:] = -8
    return vae


def _text_encoders(family: str) -> list[CLIPTextModel]:
    vocabulary = len(_vocabulary())
    widths = (32, 16) if family == "sdxl" else (32,)
    made = [
        kind(
            {
                "model_type": "clip_text_model",
                "hidden_act": "quick_gelu",
                "vocab_size": vocabulary,
                "hidden_size": width,
                "intermediate_size": 4 * width,
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "max_position_embeddings": LENGTH,
                "projection_dim": width,
                "bos_token_id": vocabulary - 2,
                "eos_token_id": vocabulary - 1,
                "pad_token_id": vocabulary - 1,
            }
        )
        for kind, width in zip(ENCODERS, widths, strict=False)
    ]
    for encoder in made:
        embeddings = encoder.text_model.embeddings
        for table in (embeddings.token_embedding, embeddings.position_embedding):
            torch.nn.init.normal_(table.weight, std=0.02)
    return made


def _write_part(folder: Path, part: Net, stem: str) -> None:
    from safetensors.torch import save_file

    name = type(part).__name__
    kind = {"architectures": [name]} if isinstance(part, CLIPTextModel) else {"_class_name": name}
    _write_json(folder / "config.json", kind | part.config)
    save_file(
        {key: tensor.contiguous() for key, tensor in part.state_dict().items()},
        folder / f"{stem}.safetensors",
        {"format": "pt"},
    )


def _vocabulary() -> dict[str, int]:
    """Every byte inside a word and at its end, and the two marks: 514 entries."""
    alphabet = byte_alphabet()
    entries = [*alphabet, *(f"{letter}</w>" for letter in alphabet), START, END]
    return {entry: number for number, entry in enumerate(entries)}


def _write_tokenizer(folder: Path, pad_token: str) -> None:
    _write_json(folder / "vocab.json", _vocabulary())
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    marks = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": pad_token}
    _write_json(folder / "special_tokens_map.json", marks)
    _write_json(
        folder / "tokenizer_config.json",
        {"tokenizer_class": "CLIPTokenizer", "model_max_length": LENGTH, "do_lower_case": True, **marks},
    )


def _write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m loratui.trainer.tiny_model", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--family", choices=sorted(_UNET), default="sd15")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    try:
        make(options.folder, options.family, options.seed)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
