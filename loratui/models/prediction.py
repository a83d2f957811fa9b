"""What a model predicts: the noise (epsilon), v, or a flow.

In order of trust: the file's own metadata, marker tensors, a .yaml beside it, and for Stable Diffusion 2
the spread of one small tensor. A file name only raises doubt.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from loratui.formats.tensorfile import Header, Tensor

Prediction = Literal["epsilon", "v", "flow"]

FLOW_FAMILIES = frozenset(
    {"sd3", "flux", "flux2", "chroma", "lumina", "anima", "hunyuan_image", "hunyuan_video", "zimage"}
    | {"cosmos", "qwen_image", "krea2", "hidream", "wan"}
)

_NAME_SAYS_V = re.compile(r"v[-_ ]?pred|zt?snr|terminal[-_ ]?snr", re.IGNORECASE)
_YAML_SAYS_V = re.compile(r"""^\s*parameterization:\s*["']?v["']?\s*(#.*)?$""", re.MULTILINE)
_SIDECAR_LIMIT = 100_000

_SD2_MARK = "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias"
_SD2_V_SPREAD = 0.09
"""ComfyUI's threshold (supported_models.py, SD20): the 768-v models spread wider than the 512-base ones."""


@dataclass(frozen=True, slots=True)
class Guess:
    """What is known of a model's prediction."""

    prediction: Prediction | None
    zero_terminal_snr: bool | None
    evidence: str


def of_file(path: Path, header: Header, family: str | None) -> Guess:
    """What a single file predicts. ``prediction`` is None when only its name speaks, for v."""
    if family in FLOW_FAMILIES:
        return Guess("flow", None, f"{family} models are trained by flow matching")
    zero_snr = True if "ztsnr" in header.tensors else None
    named = header.metadata.get("modelspec.prediction_type")
    if named == "v":
        return Guess("v", zero_snr, "its metadata says v (modelspec.prediction_type)")
    if named == "epsilon":
        return Guess("epsilon", bool(zero_snr), "its metadata says epsilon (modelspec.prediction_type)")
    if "v_pred" in header.tensors:
        return Guess("v", bool(zero_snr), "it carries the marker tensor v_pred")
    if _sidecar_says_v(path):
        return Guess("v", zero_snr, f"{path.stem}.yaml beside it says v")
    if family == "sd2" and (spread := _spread(path, header, _SD2_MARK)) is not None:
        is_v = spread > _SD2_V_SPREAD
        return Guess(
            "v" if is_v else "epsilon",
            False,
            f"spread {spread:.3f} of one norm, as Stable Diffusion 2's "
            f"{'768-v' if is_v else '512-base'} models",
        )
    if family == "sd2" and not path.exists():
        return Guess(None, zero_snr, "one norm of the file would tell, and it is not here: please choose")
    if zero_snr or _NAME_SAYS_V.search(path.stem):
        return Guess(
            None, zero_snr, "its name speaks of v-prediction, the file itself does not: please choose"
        )
    return Guess("epsilon", False, "no mark of v-prediction: taken as epsilon")


def _sidecar_says_v(path: Path) -> bool:
    try:
        with path.with_suffix(".yaml").open("rb") as file:
            text = file.read(_SIDECAR_LIMIT).decode("utf-8", "replace")
    except OSError:
        return False
    return _YAML_SAYS_V.search(text) is not None


def _spread(path: Path, header: Header, name: str) -> float | None:
    """The standard deviation of one small tensor."""
    tensor = header.tensors.get(name)
    if tensor is None or not 0 < tensor.end - tensor.begin <= 65536 or not path.exists():
        return None
    with path.open("rb") as file:
        file.seek(header.data_start + tensor.begin)
        values = _floats(file.read(tensor.end - tensor.begin), tensor)
    if not values:
        return None
    mean = sum(values) / len(values)
    return float((sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5)


def _floats(raw: bytes, tensor: Tensor) -> list[float]:
    match tensor.dtype:
        case "F32":
            return [value for (value,) in struct.iter_unpack("<f", raw)]
        case "F16":
            return [value for (value,) in struct.iter_unpack("<e", raw)]
        case "BF16":  # the upper half of a float32
            return [struct.unpack("<f", b"\0\0" + raw[at : at + 2])[0] for at in range(0, len(raw), 2)]
        case _:
            return []
