"""LoRA files written by hand from arrays, and what they amount to when worked out the long way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

DTYPES = {"float16": "F16", "float32": "F32", "float64": "F64", "int64": "I64"}


def write_arrays(path: Path, arrays: Mapping[str, Any], metadata: Mapping[str, str] | None = None) -> Path:
    """A .safetensors file of arrays (numbers become scalars)."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    data = b""
    for name, values in arrays.items():
        array = np.asarray(values)
        raw = array.tobytes()
        header[name] = {
            "dtype": DTYPES[str(array.dtype)],
            "shape": list(array.shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    head = json.dumps(header).encode()
    path.write_bytes(len(head).to_bytes(8, "little") + head + data)
    return path


def kohya(
    names: Mapping[str, tuple[int, int]], rank: int = 4, alpha: float = 2.0, size: float = 0.02, seed: int = 0
) -> dict[str, Any]:
    """The tensors of a LoRA with random halves on layers of the given (outputs, inputs)."""
    random = np.random.default_rng(seed)
    found: dict[str, Any] = {}
    for name, (outputs, inputs) in names.items():
        found[f"{name}.alpha"] = np.float32(alpha)
        found[f"{name}.lora_down.weight"] = random.normal(0, size, (rank, inputs)).astype("f4")
        found[f"{name}.lora_up.weight"] = random.normal(0, size, (outputs, rank)).astype("f4")
    return found


SD15 = {
    "lora_te_text_model_encoder_layers_0_mlp_fc1": (24, 6),
    "lora_te_text_model_encoder_layers_1_self_attn_q_proj": (6, 6),
    "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k": (8, 768),
    "lora_unet_mid_block_attentions_0_proj_in": (16, 16),
    "lora_unet_up_blocks_3_attentions_2_proj_out": (8, 8),
}
"""Some layers of SD 1.x, with the cross-attention's real width and made-up others."""

SD15_BASE = {
    "cond_stage_model.transformer.text_model.encoder.layers.0.mlp.fc1.weight": (24, 6),
    "cond_stage_model.transformer.text_model.encoder.layers.1.self_attn.q_proj.weight": (6, 6),
    "model.diffusion_model.input_blocks.0.0.weight": (8, 4, 3, 3),
    "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (8, 768),
    "model.diffusion_model.input_blocks.2.1.transformer_blocks.0.attn2.to_k.weight": (8, 768),
    "model.diffusion_model.input_blocks.3.0.op.weight": (8, 8, 3, 3),
    "model.diffusion_model.middle_block.1.proj_in.weight": (16, 16, 1, 1),
    "model.diffusion_model.output_blocks.11.1.proj_out.weight": (8, 8, 1, 1),
    "model.diffusion_model.output_blocks.11.0.skip_connection.weight": (8, 16, 1, 1),
}
"""The same layers in the names of a single file."""

SDXL = {
    "lora_te1_text_model_encoder_layers_0_self_attn_k_proj": (6, 6),
    "lora_te2_text_model_encoder_layers_0_self_attn_k_proj": (10, 10),
    "lora_te2_text_model_encoder_layers_0_mlp_fc2": (10, 40),
    "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k": (8, 2048),
    "lora_unet_middle_block_1_proj_in": (16, 16),
    "lora_unet_output_blocks_5_1_proj_out": (8, 8),
}
SDXL_BASE = {
    "conditioner.embedders.0.transformer.text_model.encoder.layers.0.self_attn.k_proj.weight": (6, 6),
    "conditioner.embedders.1.model.transformer.resblocks.0.attn.in_proj_weight": (30, 10),
    "conditioner.embedders.1.model.transformer.resblocks.0.mlp.c_proj.weight": (10, 40),
    "conditioner.embedders.1.model.text_projection": (10, 10),
    "model.diffusion_model.input_blocks.0.0.weight": (8, 4, 3, 3),
    "model.diffusion_model.input_blocks.3.0.op.weight": (8, 8, 3, 3),
    "model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": (8, 2048),
    "model.diffusion_model.label_emb.0.0.weight": (8, 2816),
    "model.diffusion_model.middle_block.1.proj_in.weight": (16, 16),
    "model.diffusion_model.output_blocks.5.1.proj_out.weight": (8, 8),
}


def base(path: Path, shapes: Mapping[str, tuple[int, ...]], size: float = 0.05) -> Path:
    """A base model of random weights."""
    random = np.random.default_rng(1)
    return write_arrays(
        path, {name: random.normal(0, size, shape).astype("f2") for name, shape in shapes.items()}
    )
