"""The small files of a diffusers folder: configs, scheduler, tokenizers, model_index.json."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import loratui
from loratui.formats.diffusers_folder import model_index
from loratui.lora.files.checkpoint import Checkpoint, Key
from loratui.problems import Problem, UserError

_ASSETS = Path(loratui.__file__).parent / "trainer" / "assets"
_VOCABULARY = _ASSETS / "bpe_simple_vocab_16e6.txt.gz"
_START, _END = "<|startoftext|>", "<|endoftext|>"
_CONFIG_LIMIT = 10_000_000
_SD2: dict[str, dict[str, Any]] = {
    # What stabilityai/stable-diffusion-2-1 has otherwise than SD 1.5.
    "unet": {
        "attention_head_dim": [5, 10, 20, 20],
        "cross_attention_dim": 1024,
        "use_linear_projection": True,
        "upcast_attention": True,
        "sample_size": 96,
    },
    "text_encoder": {
        "hidden_act": "gelu",
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_attention_heads": 16,
        "num_hidden_layers": 23,
        "projection_dim": 512,
    },
}
_SCHEDULER = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
}
_SIZES = (
    # (part, config key, tensor, its dimension): what must agree with the weights
    ("unet", "in_channels", "conv_in.weight", 1),
    ("vae", "latent_channels", "decoder.conv_in.weight", 1),
    ("text_encoder", "hidden_size", "text_model.embeddings.token_embedding.weight", 1),
    ("text_encoder", "vocab_size", "text_model.embeddings.token_embedding.weight", 0),
    ("text_encoder_2", "hidden_size", "text_model.embeddings.token_embedding.weight", 1),
    ("text_encoder_2", "vocab_size", "text_model.embeddings.token_embedding.weight", 0),
)


def parts_of(family: str) -> tuple[str, ...]:
    """The parts that have weights."""
    return ("unet", "vae", "text_encoder", *(("text_encoder_2",) if family == "sdxl" else ()))


def configs_for(checkpoint: Checkpoint, folder: Path | None) -> dict[str, dict[str, Any]]:
    """The config of each part, from ``folder`` (``unet/config.json`` ...) or the shipped ones.

    Raises ``UserError`` when one is missing, is not JSON, or describes a model of other sizes.
    """
    family = checkpoint.family
    found = {}
    for part in parts_of(family):
        if folder is not None:
            found[part] = _read(folder / part / "config.json")
        else:
            found[part] = _read(_ASSETS / ("sdxl" if family == "sdxl" else "sd15") / part / "config.json")
            if family == "sd2":
                found[part] |= _SD2.get(part, {})
    _check_sizes(checkpoint, found, folder)
    return found


def text_layers(config: Mapping[str, Any]) -> int:
    """How many layers a text encoder has; a single file of SD 2.x holds one more, which nobody uses."""
    return int(config.get("num_hidden_layers", 12))


def write_small_files(
    out: Path,
    family: str,
    configs: Mapping[str, Mapping[str, Any]],
    folder: Path | None,
    prediction: str | None,
    zero_terminal_snr: bool | None,
) -> None:
    """Everything but the weights. ``prediction`` is epsilon or v; tokenizer and scheduler come from
    ``folder`` where it has them."""
    for part, config in configs.items():
        _write(out / part / "config.json", config)
    for number in ("", "_2") if family == "sdxl" else ("",):
        given = folder / f"tokenizer{number}" if folder is not None else None
        if given is not None and given.is_dir():
            shutil.copytree(given, out / f"tokenizer{number}")
        else:
            _write_tokenizer(out / f"tokenizer{number}", "!" if number or family == "sd2" else _END)
    given = folder / "scheduler" / "scheduler_config.json" if folder is not None else None
    scheduler = _read(given) if given is not None and given.exists() else _scheduler(family, prediction)
    if prediction:
        scheduler["prediction_type"] = "v_prediction" if prediction == "v" else "epsilon"
    if zero_terminal_snr:
        scheduler["rescale_betas_zero_snr"] = True
    _write(out / "scheduler" / "scheduler_config.json", scheduler)
    _write(out / "model_index.json", model_index(family, str(scheduler["_class_name"])))


def _scheduler(family: str, prediction: str | None) -> dict[str, Any]:
    if family == "sdxl":
        return {"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "leading", **_SCHEDULER}
    more = {"clip_sample": False, "set_alpha_to_one": False}
    if prediction == "v" or family == "sd2":
        return {"_class_name": "DDIMScheduler", **_SCHEDULER, **more}
    return {"_class_name": "PNDMScheduler", "skip_prk_steps": True, **_SCHEDULER, "set_alpha_to_one": False}


def _check_sizes(
    checkpoint: Checkpoint, configs: Mapping[str, Mapping[str, Any]], folder: Path | None
) -> None:
    wrong = ""
    for part, name, tensor, dimension in _SIZES:
        place = checkpoint.places.get(Key(part, tensor))
        if part in configs and (
            place is None or configs[part].get(name) not in (None, place.shape[dimension])
        ):
            size = "missing" if place is None else str(place.shape[dimension])
            wrong = wrong or f"{name} of the {part} is {configs[part].get(name)} there and {size} in the file"
    for part, tensor in (("unet", "conv_in.weight"), ("vae", "encoder.conv_in.weight")):
        place = checkpoint.places.get(Key(part, tensor))
        widths = configs[part].get("block_out_channels") or [None]
        if not wrong and place is not None and place.shape[0] != widths[0]:
            wrong = f"the {part} starts with {widths[0]} channels there and {place.shape[0]} in the file"
    if wrong:
        source = str(folder) if folder is not None else "the usual config of its family"
        raise UserError(
            str(checkpoint.path),
            Problem(
                "", f"{source} does not describe this model: {wrong}.", "Give its own with --config FOLDER."
            ),
        )


def _write_tokenizer(folder: Path, pad_token: str) -> None:
    """CLIP's vocabulary in the form that every version of transformers reads."""
    with gzip.open(_VOCABULARY, "rt", encoding="utf-8") as file:
        merges = file.read().split("\n")[1 : 49152 - 256 - 2 + 1]
    # openai/CLIP clip/simple_tokenizer.py, bytes_to_unicode: printable bytes first, then the others.
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    alphabet = [chr(byte) for byte in printable] + [chr(256 + at) for at in range(256 - len(printable))]
    entries = [*alphabet, *(f"{letter}</w>" for letter in alphabet)]
    entries += ["".join(pair.split()) for pair in merges]
    entries += [_START, _END]
    _write(folder / "vocab.json", {entry: number for number, entry in enumerate(entries)})
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    marks = {"bos_token": _START, "eos_token": _END, "unk_token": _END, "pad_token": pad_token}
    _write(folder / "special_tokens_map.json", marks)
    _write(
        folder / "tokenizer_config.json",
        {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True, **marks},
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            value = json.loads(file.read(_CONFIG_LIMIT).decode("utf-8"))
    except OSError:
        raise UserError(
            str(path), Problem("", "this config is missing.", "Give a folder that has it with --config.")
        ) from None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise UserError(
            str(path), Problem("", "this config is damaged (not valid JSON).", "Download it again.")
        )
    return value


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
