"""What a LoRA's factors are multiplied by: alpha / rank, from wherever a file keeps alpha.

Kohya keeps it as a scalar tensor beside each module, diffusers as JSON in the metadata
(``lora_adapter_metadata``, diffusers loaders/lora_base.py), peft in ``adapter_config.json`` next to
the file. Without any, loaders take alpha = rank (sd-scripts networks/lora.py; diffusers and peft too).
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from loratui.formats.tensorfile import Header, Tensor
from loratui.lora.files.modules import Module
from loratui.problems import Problem, UserError

_SCALARS = {
    "F16": "<e",
    "F32": "<f",
    "F64": "<d",
    "I64": "<q",
    "I32": "<i",
    "I16": "<h",
    "I8": "<b",
    "U8": "<B",
}
_CONFIG_LIMIT = 1_000_000
ADAPTER_METADATA = "lora_adapter_metadata"


@dataclass(frozen=True, slots=True)
class Scale:
    """One module's factor."""

    alpha: float | None
    """As the file has it; None when it has none."""
    factor: float
    """What the product of the halves is multiplied by at strength 1."""


def scales(path: Path, header: Header, modules: list[Module]) -> dict[str, Scale]:
    """Each module's scale by its name. Reads the alphas' bytes alone. Raises ``UserError`` when the disk
    refuses."""
    adapters = _adapters(path, header)
    found = {}
    try:
        with path.open("rb") as file:
            for module in modules:
                alpha = _alpha(file, header, module)
                rooted = False
                if alpha is None:
                    alpha, rooted = _adapter_alpha(adapters, module.name)
                found[module.name] = Scale(alpha, _factor(module, alpha, rooted))
    except OSError as error:
        raise UserError(
            str(path), Problem("", f"it cannot be read: {error.strerror}.", "Check the disk.")
        ) from None
    return found


def _factor(module: Module, alpha: float | None, rooted: bool) -> float:
    rank = module.rank
    if alpha is None or not rank or not math.isfinite(alpha):
        return 1.0
    if module.kind not in ("lora", "loha", "lokr", "glora"):
        return 1.0
    return alpha / math.sqrt(rank) if rooted else alpha / rank


def _alpha(file: BinaryIO, header: Header, module: Module) -> float | None:
    key = module.keys.get("alpha")
    if key is None:
        return None
    tensor = header.tensors[key]
    return _scalar(file, header.data_start, tensor) if math.prod(tensor.shape) == 1 else None


def _scalar(file: BinaryIO, start: int, tensor: Tensor) -> float | None:
    file.seek(start + tensor.begin)
    raw = file.read(tensor.end - tensor.begin)
    if tensor.dtype == "BF16":
        raw, layout = b"\0\0" + raw, "<f"
    elif tensor.dtype in _SCALARS:
        layout = _SCALARS[tensor.dtype]
    else:
        return None
    return float(struct.unpack(layout, raw)[0]) if len(raw) == struct.calcsize(layout) else None


def _adapters(path: Path, header: Header) -> dict[str, Mapping[str, Any]]:
    """peft's settings by the component they are for (``unet``); "" for all of the file."""
    flat = _table(header.metadata.get(ADAPTER_METADATA, ""))
    found: dict[str, dict[str, Any]] = {}
    for key, value in flat.items():
        where, _, name = key.rpartition(".")
        found.setdefault(where, {})[name] = value
    if not found:
        try:
            with path.with_name("adapter_config.json").open("rb") as file:
                config = _table(file.read(_CONFIG_LIMIT).decode("utf-8", "replace"))
        except OSError:
            config = {}
        if config:
            found[""] = config
    return dict(found)


def _adapter_alpha(adapters: Mapping[str, Mapping[str, Any]], name: str) -> tuple[float | None, bool]:
    """(alpha, whether it is divided by the rank's square root, peft's rslora)."""
    for where, config in adapters.items():
        if where and not name.startswith(f"{where}."):
            continue
        alpha = config.get("lora_alpha")
        patterns = config.get("alpha_pattern")
        for pattern, value in patterns.items() if isinstance(patterns, dict) else ():
            if name.endswith(re.sub(r"[\^$]", "", str(pattern))):
                alpha = value
        if isinstance(alpha, int | float) and not isinstance(alpha, bool):
            return float(alpha), config.get("use_rslora") is True
    return None, False


def _table(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
