"""LoRA files in Kohya's format: written whole or not at all, and read back."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from loratui.atomic import new_file
from loratui.formats.tensorfile import Tensor as TensorEntry
from loratui.formats.tensorfile import read_header
from loratui.problems import refusal
from loratui.trainer.lora.network import Network

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


def sizes_in(path: Path) -> dict[str, tuple[int, float]]:
    """Rank and alpha of each module in a LoRA file; without an alpha it is the rank (sd-scripts
    networks/lora.py:803-818). Raises ``UserError`` when the file is broken or holds no LoRA."""
    from safetensors import safe_open

    header = _header(path)
    found = {}
    with safe_open(path, "pt") as file:
        for key, entry in header.items():
            name, dot, kind = key.partition(".")
            if dot and kind == "lora_down.weight":
                alpha = f"{name}.alpha"
                rank = entry.shape[0]
                found[name] = rank, float(file.get_tensor(alpha)) if alpha in header else float(rank)
    if not found:
        raise refusal(
            path,
            "no LoRA is in it.",
            "Choose a LoRA in Kohya's format, or remove dim_from_weights.",
            "net_weights_missing",
        )
    return found


def load_into(network: Network, path: Path) -> list[str]:
    """Start from the weights in a file. Returns remarks for the person.

    Raises ``UserError`` when the file is broken, is not in Kohya's format, has another rank, or nothing in it
    fits the network.
    """
    from safetensors import safe_open

    keys: dict[str, list[str]] = {}
    for key in _header(path):
        name, _, kind = key.partition(".")
        keys.setdefault(name, []).append(kind)
    fitting = 0
    other_alphas = set()
    with safe_open(path, "pt") as file:
        for name, layer in network.layers.items():
            trained = layer.tensors().keys() - {"alpha"}
            if not trained <= set(keys.get(name, ())):
                continue
            own = layer.tensors()
            tensors = {kind: like(own.get(kind), file.get_tensor(f"{name}.{kind}")) for kind in keys[name]}
            own_alpha = float(own.get("alpha", 0.0))
            alpha = float(tensors.pop("alpha", own_alpha))
            if alpha != own_alpha:
                other_alphas.add((alpha, own_alpha))
            try:
                layer.take(tensors)
            except ValueError as error:
                raise refusal(
                    path,
                    f"its {name} {error}: another rank or another family.",
                    "Set network_dim to the rank of this file, or dim_from_weights.",
                    "net_dim_mismatch",
                ) from None
            fitting += 1
    if not fitting:
        raise refusal(
            path,
            "nothing in it fits this network.",
            "Choose a LoRA of the same family in Kohya's format.",
            "net_dim_mismatch",
        )
    remarks = []
    if other_alphas:
        old, new = min(other_alphas)
        remarks.append(f"{path.name} was made with alpha {old:g}; it is trained on with alpha {new:g}.")
    if fitting < (count := len(network.layers)):
        remarks.append(
            f"{path.name} holds {fitting} of the network's {count} modules; the rest starts fresh."
        )
    return remarks


def _header(path: Path) -> Mapping[str, TensorEntry]:
    if path.suffix.lower() != ".safetensors":
        fix = "Choose such a file as network_weights."
        raise refusal(path, "only .safetensors files are opened.", fix, "net_weights_missing")
    if not path.exists():
        raise refusal(path, "there is no such file.", "Check the path.", "net_weights_missing")
    return read_header(path).tensors


def like(own: Tensor | None, given: Tensor) -> Tensor:
    """A 1x1 kernel as the matrix it is, and the other way round."""
    if own is None or min(own.dim(), given.dim()) < 2 or own.flatten(1).shape != given.flatten(1).shape:
        return given
    return given.reshape(own.shape)
