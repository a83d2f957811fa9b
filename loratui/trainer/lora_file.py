"""LoRA files in Kohya's format: written whole or not at all, and read back."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from loratui.atomic import new_file
from loratui.problems import refusal
from loratui.tensorfile import read_header
from loratui.trainer.network import Network

DTYPES = {"float": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def save(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str], precision: str | None
) -> None:
    """Write a LoRA file. ``precision`` is float, fp16 or bf16; None keeps float32.

    Adds ``sshs_model_hash`` and ``sshs_legacy_hash``, which WebUIs know a file by. Raises ``UserError``
    when the disk refuses.
    """
    from safetensors.torch import save as to_bytes

    dtype = DTYPES[precision or "float"]
    cast = {name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in tensors.items()}
    hashed = {key: value for key, value in metadata.items() if key.startswith("ss_")}
    data = to_bytes(cast, hashed)
    start = 8 + int.from_bytes(data[:8], "little")
    hashes = {
        "sshs_model_hash": hashlib.sha256(data[start:]).hexdigest(),
        "sshs_legacy_hash": hashlib.sha256(data[0x100000:0x110000]).hexdigest()[:8],
    }
    with new_file(path) as temporary:
        temporary.write_bytes(to_bytes(cast, {**metadata, **hashes}))


def load_into(network: Network, path: Path) -> str:
    """Start from the weights in a LoRA file. Returns a remark for the person, or nothing.

    Raises ``UserError`` when the file is broken, is no LoRA in Kohya's format, has another rank, or
    nothing in it fits the network.
    """
    from safetensors import safe_open

    if path.suffix.lower() != ".safetensors":
        raise refusal(path, "only .safetensors files are opened.", "Choose such a file as network_weights.")
    names = read_header(path).tensors
    fitting = 0
    other_alphas = set()
    with safe_open(path, "pt") as file:
        for name, layer in network.layers.items():
            if f"{name}.lora_down.weight" not in names:
                continue
            for kind, weight in zip(("lora_down", "lora_up"), layer.weights, strict=True):
                tensor = file.get_tensor(f"{name}.{kind}.weight")
                if tensor.shape != weight.shape:
                    raise refusal(
                        path,
                        f"its {name} has the shape {list(tensor.shape)}, and the network's is"
                        f" {list(weight.shape)}: another rank or another family.",
                        "Set network_dim to the rank of this file.",
                    )
                with torch.no_grad():
                    weight.copy_(tensor)
            if f"{name}.alpha" in names:
                alpha = float(file.get_tensor(f"{name}.alpha"))
                if alpha != layer.alpha:
                    other_alphas.add((alpha, layer.alpha))
            fitting += 1
    if not fitting:
        raise refusal(
            path, "nothing in it fits this network.", "Choose a LoRA of the same family in Kohya's format."
        )
    if other_alphas:
        old, new = sorted(other_alphas)[0]
        return f"{path.name} was made with alpha {old:g}; it is trained on with alpha {new:g}."
    if fitting < len(network.layers):
        count = len(network.layers)
        return f"{path.name} holds {fitting} of the network's {count} modules; the rest starts fresh."
    return ""
