"""A .json saved by kohya_ss' GUI, as what the GUI would have sd-scripts do: keys of config.toml, and changes
of a recipe for what no config.toml says (kohya_gui/lora_gui.py, ``train_model``)."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from loratui import kohya_config
from loratui.engines.importing import kohya_ss_networks
from loratui.engines.importing import kohya_ss_words as words
from loratui.engines.importing.imported import NotUnderstood
from loratui.families import FAMILIES
from loratui.formats.sample_prompts import parse_prompt
from loratui.problems import nearest


@dataclass(slots=True)
class FromGui:
    """What was read."""

    flat: dict[str, Any] = field(default_factory=dict)
    """Keys of config.toml, with its types."""
    changes: dict[str, Any] = field(default_factory=dict)
    """Settings of a recipe, by dotted key, that no key of config.toml says."""
    remarks: list[str] = field(default_factory=list)
    left: list[NotUnderstood] = field(default_factory=list)


def read(gui: Mapping[str, Any]) -> FromGui:
    """The meaning of the GUI's values. What has none here is listed in ``left``. Secrets stand in ``flat`` as
    any other key; a recipe takes none (``importing``)."""
    found = FromGui()
    family = next((family for box, family in words.CHECKBOXES.items() if gui.get(box) is True), None)
    if family:
        found.changes["base.family"] = family
        if not FAMILIES[family].builtin:
            found.changes["launch.engine"] = "kohya"
    script = FAMILIES[family].script if family else "train_network"
    if "LoRA_type" not in gui:
        found.remarks.append("it names no LoRA_type, so it may have been saved on another tab than LoRA")
    _network(gui, found)
    for name, value in gui.items():
        _one(name, value, words.passed_key(name, family), script, found)
    _noise(gui, found)
    for part in (_length, _rates, _warmup, _cycles, _attention, _arguments, _samples, _processes):
        part(gui, found)
    _additional(str(gui.get("additional_parameters") or ""), script, found)
    return found


def _network(gui: Mapping[str, Any], found: FromGui) -> None:
    try:
        found.flat |= kohya_ss_networks.network(gui)
        if kohya_ss_networks.is_own_locon(gui, found.flat["network_module"]):
            found.remarks.append(
                "LyCORIS' LoCon is written as sd-scripts' own, which needs no further package; LyCORIS would"
                " train the U-Net's first and last layers and its time embedding as well"
            )
    except KeyError:
        kind = gui.get("LoRA_type")
        found.left.append(NotUnderstood("LoRA_type", kind, "sd-scripts trains no network of this name"))
    except (TypeError, ValueError):
        found.left.append(NotUnderstood("LoRA_type", gui.get("LoRA_type"), "its settings hold no number"))


def _one(name: str, value: Any, key: str, script: str, found: FromGui) -> None:
    if name in words.SILENT or name in words.CHECKBOXES or name in kohya_ss_networks.SETTINGS or not key:
        return
    if value in words.UNSET and key != "network_alpha":
        return
    if key == "max_token_length" and str(value) == "75":
        return
    option = kohya_config.option(key, script)
    if option is not None:
        try:
            found.flat[key] = _typed(value, option)
        except (TypeError, ValueError):
            found.left.append(NotUnderstood(name, value, f"it must be {option.expectation()}"))
    elif key in words.ADVICE or not kohya_config.scripts_with(key):
        said = words.ADVICE.get(key, "no script of sd-scripts has such a key")
        found.left.append(NotUnderstood(name, value, said))


def _typed(value: Any, option: kohya_config.Option) -> Any:
    makers: dict[str, Callable[[Any], Any]] = {
        "int": lambda text: int(float(text)),
        "float": float,
        "number": float,
        "str": str,
        "bool": lambda text: text if isinstance(text, bool) else str(text).lower() in ("true", "1"),
    }
    if option.many and isinstance(value, str):
        value = value.split()
    typed = (
        [makers[option.kind](one) for one in value] if isinstance(value, list) else makers[option.kind](value)
    )
    if not option.accepts(typed):
        raise ValueError(typed)
    return typed


def _number(value: Any) -> float:
    """0 for what is not set or no number."""
    try:
        return float(value or 0)
    except (TypeError, ValueError):
        return 0.0


def _noise(gui: Mapping[str, Any], found: FromGui) -> None:
    """One of two kinds of noise; the other's values stay in the file and are not passed on."""
    others = {
        "Original": ("multires_noise_discount", "multires_noise_iterations"),
        "Multires": ("noise_offset", "adaptive_noise_scale", "noise_offset_random_strength"),
    }
    for key in others.get(str(gui.get("noise_offset_type")), ()):
        found.flat.pop(key, None)


def _length(gui: Mapping[str, Any], found: FromGui) -> None:
    """``epoch`` only serves the GUI to work out the steps where neither of the others is set."""
    if epochs := int(_number(gui.get("max_train_epochs"))):
        found.flat["max_train_epochs"] = epochs
    elif steps := int(_number(gui.get("max_train_steps"))):
        found.flat["max_train_steps"] = steps
    elif epochs := int(_number(gui.get("epoch"))):
        found.flat["max_train_epochs"] = epochs


def _rates(gui: Mapping[str, Any], found: FromGui) -> None:
    """A rate of 0 beside one that is not leaves that part untrained."""
    rates = {key: _number(gui.get(key)) for key in ("learning_rate", "unet_lr", "text_encoder_lr")}
    found.flat |= {key: rate for key, rate in rates.items() if rate}
    if not {"unet_lr", "text_encoder_lr"} <= gui.keys():
        return
    if rates["unet_lr"] and not rates["text_encoder_lr"]:
        found.flat["network_train_unet_only"] = True
    elif rates["text_encoder_lr"] and not rates["unet_lr"]:
        found.flat["network_train_text_encoder_only"] = True
    if rates["text_encoder_lr"] and (second := _number(gui.get("t5xxl_lr"))):
        found.flat["text_encoder_lr"] = [rates["text_encoder_lr"], second]


def _warmup(gui: Mapping[str, Any], found: FromGui) -> None:
    """In per cent of all steps, unless steps are given; a constant rate has none (library/train_util.py,
    ``get_scheduler_fix``)."""
    if gui.get("lr_scheduler") in ("constant", "adafactor"):
        return
    if steps := int(_number(gui.get("lr_warmup_steps"))):
        found.flat["lr_warmup_steps"] = steps
    elif share := _number(gui.get("lr_warmup")):
        found.flat["lr_warmup_steps"] = share / 100


def _cycles(gui: Mapping[str, Any], found: FromGui) -> None:
    """As many as epochs where the field was left empty."""
    if gui.get("lr_scheduler") == "cosine_with_restarts" and "lr_scheduler_num_cycles" in gui:
        cycles = int(_number(gui["lr_scheduler_num_cycles"])) or int(_number(gui.get("epoch")))
        if cycles > 1:
            found.flat["lr_scheduler_num_cycles"] = cycles


def _attention(gui: Mapping[str, Any], found: FromGui) -> None:
    chosen = gui.get("xformers")
    if chosen in ("sdpa", "xformers"):
        found.flat[chosen] = True
    elif chosen is True:
        found.flat["xformers"] = True
    if gui.get("mem_eff_attn") is True:
        found.flat["mem_eff_attn"] = True


def _arguments(gui: Mapping[str, Any], found: FromGui) -> None:
    for key in ("optimizer_args", "lr_scheduler_args"):
        given = gui.get(key)
        arguments = given.replace('"', "").split() if isinstance(given, str) else list(given or ())
        if arguments:
            found.flat[key] = arguments


def _samples(gui: Mapping[str, Any], found: FromGui) -> None:
    """The prompts themselves, one a line, with sd-scripts' options behind the words."""
    lines = [line.strip() for line in str(gui.get("sample_prompts") or "").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if not lines:
        for key in ("sample_every_n_steps", "sample_sampler"):
            found.flat.pop(key, None)
        return
    size = (found.flat.get("resolution") or "512,512").split(",")
    prompts = [parse_prompt(line, (int(size[0]), int(size[-1]))) for line in lines]
    first = prompts[0]
    found.changes |= {
        "samples.prompts": tuple(prompt.text for prompt in prompts),
        "samples.negative": first.negative,
        "samples.width": first.width,
        "samples.height": first.height,
        "samples.steps": first.steps,
        "samples.scale": first.scale,
    }
    if first.seed is not None:
        found.changes["samples.seed"] = first.seed
    shared = [(one.negative, one.width, one.height, one.steps, one.scale) for one in prompts]
    if len(set(shared)) > 1:
        found.remarks.append(
            "the sample prompts differ in size, steps, scale or negative words: the first one's hold for all"
        )


def _processes(gui: Mapping[str, Any], found: FromGui) -> None:
    if gui.get("multi_gpu") is True and (processes := int(_number(gui.get("num_processes")))) > 1:
        found.changes["launch.num_processes"] = processes
        if (machines := int(_number(gui.get("num_machines")))) > 1:
            found.changes["launch.num_machines"] = machines
    if (backend := gui.get("dynamo_backend")) not in (None, "", "no"):
        said = 'add torch_compile = true and dynamo_backend to [kohya], with engine = "kohya"'
        found.left.append(NotUnderstood("dynamo_backend", backend, said))


def _additional(text: str, script: str, found: FromGui) -> None:
    """``--key value`` and ``--key=value`` as sd-scripts' command line would take them; they win."""
    try:
        parts = shlex.split(text)
    except ValueError:
        parts = text.split()
    for key, values in _options(parts):
        option = kohya_config.option(key, script)
        said = f"--{key} {' '.join(values)}".strip()
        if option is None:
            reason = nearest(key, kohya_config.keys(script)) or "no script of sd-scripts has such a key"
            found.left.append(NotUnderstood("additional_parameters", said, reason))
            continue
        value = True if option.kind == "bool" else list(values) if option.many else " ".join(values)
        try:
            found.flat[key] = _typed(value, option)
        except (TypeError, ValueError):
            reason = f"it must be {option.expectation()}"
            found.left.append(NotUnderstood("additional_parameters", said, reason))


def _options(parts: Iterable[str]) -> list[tuple[str, list[str]]]:
    options: list[tuple[str, list[str]]] = []
    for word in parts:
        if word.startswith("--"):
            key, joined, value = word[2:].partition("=")
            options.append((key, [value] if joined else []))
        elif options:
            options[-1][1].append(word)
    return options
