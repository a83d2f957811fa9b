"""What a diffusers folder holds, from its small JSON files alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from loratui.formats.tensorfile import read_header
from loratui.models.keys import Finding
from loratui.models.prediction import FLOW_FAMILIES, Guess
from loratui.problems import refusal

_PIPELINES = (
    # The longer name first: StableDiffusion is the beginning of many.
    ("StableDiffusionXL", "sdxl"),
    ("StableDiffusion3", "sd3"),
    ("Flux2", "flux2"),
    ("Flux", "flux"),
    ("Chroma", "chroma"),
    ("Lumina2", "lumina"),
    ("HunyuanImage", "hunyuan_image"),
    ("HunyuanVideo", "hunyuan_video"),
    ("ZImage", "zimage"),
    ("Cosmos", "cosmos"),
    ("QwenImage", "qwen_image"),
    ("HiDream", "hidream"),
    ("Wan", "wan"),
)
_CONFIG_LIMIT = 10_000_000


def classify_folder(folder: Path) -> Finding:
    """What the configs say. Raises ``UserError`` for a config that is not JSON."""
    pipeline = str(_config(folder / "model_index.json").get("_class_name", ""))
    unet = _config(folder / "unet" / "config.json")
    if unet:
        return _of_unet(folder, pipeline, unet)
    for start, family in _PIPELINES:
        if pipeline.startswith(start):
            return Finding(
                "base",
                family,
                f"model_index.json: {pipeline}",
                f"a diffusers folder of the family {family}; sd-scripts wants its single .safetensors file",
            )
    own = _config(folder / "config.json")
    if "Autoencoder" in str(own.get("_class_name", "")):
        return Finding("vae", None, f"config.json: {own['_class_name']}")
    if any("TextModel" in str(name) or "Encoder" in str(name) for name in own.get("architectures") or ()):
        return Finding("text_encoder", None, f"config.json: {own['architectures'][0]}")
    if str(own.get("_class_name", "")).startswith("UNet"):
        return Finding("unknown", None, "only the U-Net of a diffusers folder; its parent is the model")
    return Finding("unknown", None, "no model_index.json and no unet/config.json")


def _of_unet(folder: Path, pipeline: str, unet: dict[str, Any]) -> Finding:
    channels = unet.get("in_channels", 4)
    context = unet.get("cross_attention_dim")
    evidence = f"unet/config.json: attention over {context} values"
    if unet.get("addition_embed_type") == "text_time" or (folder / "text_encoder_2").is_dir():
        family, evidence = "sdxl", "unet/config.json: addition_embed_type text_time, as SDXL"
        if not (folder / "text_encoder").is_dir() and (folder / "text_encoder_2").is_dir():
            return Finding("base", None, "only the second text encoder: the SDXL refiner", "the SDXL refiner")
    elif context == 1024 or unet.get("use_linear_projection"):
        # Stable Diffusion 1.x has convolutions there, whatever its width.
        family = "sd2"
    elif unet.get("_class_name", "UNet2DConditionModel") == "UNet2DConditionModel":
        family = "sd15"
        if context != 768:
            evidence = f"one text encoder and a U-Net of unusual width ({context})"
    else:
        return Finding("unknown", None, f"unet/config.json: {unet.get('_class_name')}")
    if channels != 4:
        special = "an inpainting model" if channels == 9 else f"a model with {channels} input channels"
        return Finding("base", family, f"unet/config.json: in_channels {channels}", special)
    return Finding("base", family, f"{pipeline}; {evidence}" if pipeline else evidence)


def prediction_of_folder(folder: Path, family: str | None) -> Guess:
    """What ``scheduler/scheduler_config.json`` says."""
    if family in FLOW_FAMILIES:
        return Guess("flow", None, f"{family} models are trained by flow matching")
    config = _config(folder / "scheduler" / "scheduler_config.json")
    if not config:
        return Guess("epsilon", False, "no scheduler config: taken as epsilon")
    zero_snr = config.get("rescale_betas_zero_snr") is True
    named = config.get("prediction_type", "epsilon")
    if named == "v_prediction":
        return Guess("v", zero_snr, "scheduler_config.json: v_prediction")
    if named == "epsilon":
        return Guess("epsilon", zero_snr, "scheduler_config.json: epsilon")
    return Guess(None, zero_snr, f"scheduler_config.json: prediction_type {str(named)[:40]!r}")


def check_weights(folder: Path) -> None:
    """Raises ``UserError`` when a part has no .safetensors file, or one that is cut short."""
    for part in _parts(folder):
        files = sorted(part.glob("*.safetensors"))
        if not files:
            pickled = any(part.glob("*.bin"))
            message = (
                f"{part.name} is there as a pickled .bin file only, which can run any code when opened."
                if pickled
                else f"{part.name} has no .safetensors file."
            )
            fix = "Download the .safetensors files of this model."
            raise refusal(folder, message, fix, "weights_only" if pickled else "model_missing")
        for file in files:
            read_header(file)


def _parts(folder: Path) -> Iterator[Path]:
    for name in ("unet", "vae", "text_encoder", "text_encoder_2"):
        part = folder / name
        if name in ("unet", "vae", "text_encoder") or part.is_dir():
            yield part


def _config(path: Path) -> dict[str, Any]:
    """A small JSON file as a table; empty when there is none."""
    try:
        with path.open("rb") as file:
            raw = file.read(_CONFIG_LIMIT)
    except OSError:
        return {}
    try:
        value = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise refusal(path, "this config is damaged (not valid JSON).", "Download it again.")
    return value
