"""What is wrong with a config's network: its module, its arguments, and the file its sizes come from."""

from __future__ import annotations

import math
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from loratui.builtin import support as builtin_support
from loratui.problems import Problem, nearest
from loratui.trainer.reporting import causes

if TYPE_CHECKING:
    from loratui.trainer.settings.config import TrainConfig

_WHOLE = frozenset({"conv_dim", "block_size", "factor"})
_NUMBERS = _WHOLE | {
    "conv_alpha",
    "constraint",
    "dropout",
    "rank_dropout",
    "module_dropout",
    "loraplus_lr_ratio",
    "loraplus_unet_lr_ratio",
    "loraplus_text_encoder_lr_ratio",
}
_ELSEWHERE = {
    "networks.dylora": "lycoris.kohya with algo=dylora",
    "networks.oft": "lycoris.kohya with algo=diag-oft",
    "networks.lora_fa": "networks.lora",
}
_OTHER_MODELS = ("_flux", "_sd3", "_lumina", "_anima", "_hunyuan_image")
"""How sd-scripts' network modules for other families end."""


BYPASSED = frozenset({"lora", "locon", "loha", "lokr"})
"""Algorithms whose bypass mode computes the same."""


def network_problems(config: TrainConfig) -> Iterator[Problem]:
    """Every value that is unknown, contradictory or needs a package that is not there."""
    module = config.network_module
    if module == builtin_support.LYCORIS_MODULE:
        yield from _lycoris(config)
    elif module == builtin_support.LORA_MODULE:
        yield from _arguments(config, builtin_support.NETWORK_ARGS)
        if "conv_alpha" in config.network_arguments and "conv_dim" not in config.network_arguments:
            message = "conv_alpha means nothing without conv_dim."
            yield Problem("network_args", message, 'Add "conv_dim=4", or remove conv_alpha.')
        yield from _blocks(config)
    else:
        instead = _ELSEWHERE.get(module, 'networks.lora or "lycoris.kohya"')
        message = f"the builtin trainer has no {module!r}."
        of_another_model = module.startswith("networks.") and module.endswith(_OTHER_MODELS)
        cause = "net_family" if of_another_model else "network_module_bad"
        yield Problem("network_module", message, f'Use {instead}, or choose engine = "kohya".', cause)
    if (config.network_dropout or 0) >= 1:
        message = f"{config.network_dropout:g} leaves nothing to train."
        yield Problem("network_dropout", message, "Use less than 1.", "value_range")
    for path in config.base_weights or ():
        if not path.lower().endswith(".safetensors"):
            yield Problem("base_weights", f"{path}: only .safetensors files are opened.", "Convert it first.")
        elif not Path(path).expanduser().is_file():
            message = f"{path}: there is no such file."
            yield Problem("base_weights", message, "Check the path.", "net_weights_missing")
    factors = len(config.base_weights_multiplier or ())
    if factors > len(config.base_weights or ()):
        message = f"{factors} numbers are given for {len(config.base_weights or ())} files of base_weights."
        yield Problem("base_weights_multiplier", message, "Give one for each.")
    if config.dim_from_weights and not config.network_weights:
        message = "takes the rank from network_weights, which is not set."
        yield Problem(
            "dim_from_weights", message, "Set network_weights, or remove it.", "net_weights_missing"
        )
    if config.dim_from_weights and module == builtin_support.LYCORIS_MODULE:
        yield Problem("dim_from_weights", "works with networks.lora only here.", "Set network_dim instead.")


def _blocks(config: TrainConfig) -> Iterator[Problem]:
    try:
        blocks = config.blocks
    except ValueError as error:
        yield Problem("network_args", f"{error}.", "Change or remove it.")
        return
    if blocks is not None and config.dim_from_weights:
        message = "what is said of blocks contradicts dim_from_weights."
        yield Problem("network_args", message, "Remove one of the two.")
    rates = {rate for rate in blocks.rates or () if rate} if blocks else set()
    if len(rates) > 1 and config.optimizer.finds_its_rate:
        message = f"{config.optimizer.name} takes one rate for all, and here each block has its own."
        yield Problem("network_args", message, "Choose AdamW, or remove the lr_weights.")


def _lycoris(config: TrainConfig) -> Iterator[Problem]:
    if find_spec("lycoris") is None:
        package = builtin_support.LYCORIS_PACKAGE
        message = f"lycoris.kohya needs the package {package}, which is not installed."
        yield Problem("network_module", message, f"Run: pip install {package}", causes.missing(package))
    yield from _arguments(config, builtin_support.LYCORIS_ARGS)
    if config.fp8_base or config.fp8_base_unet:
        key = "fp8_base" if config.fp8_base else "fp8_base_unet"
        yield from (Problem(key, message, fix) for message, fix in needs_whole_weights(config))
    algorithm = config.network_arguments.get("algo", "lora").lower()
    if algorithm not in builtin_support.LYCORIS_ALGORITHMS:
        known = sorted(builtin_support.LYCORIS_ALGORITHMS)
        fix = nearest(algorithm, known) or f"It knows {', '.join(known)}."
        yield Problem("network_args", f"there is no algo={algorithm}.", fix)


def needs_whole_weights(config: TrainConfig) -> Iterator[tuple[str, str]]:
    """Why this network cannot be trained on a base model in fewer bits, and what to do: it rebuilds the base
    layers' own weights in every pass."""
    arguments = config.network_arguments
    if config.network_module != builtin_support.LYCORIS_MODULE:
        return
    if not can_bypass(arguments) or arguments.get("bypass_mode", "true").lower() == "false":
        words = f"algo={arguments.get('algo', 'lora')} with these network_args"
        fix = "Use locon, loha or lokr without dropout or DoRA."
        yield f"{words} needs the base model's weights whole.", fix
    elif arguments.get("train_norm", "false").lower() == "true":
        yield "train_norm needs the base model's weights whole.", "Remove train_norm."


def can_bypass(arguments: dict[str, str]) -> bool:
    """Whether bypass mode means the same: not with dropout, nor with weight decomposition (DoRA)."""
    algorithm = (arguments.get("algo") or "lora").lower()
    dropped = any(float(arguments.get(key) or 0) for key in ("dropout", "rank_dropout", "module_dropout"))
    decomposed = arguments.get("dora_wd", "false").lower() != "false"
    return algorithm in BYPASSED and not dropped and not decomposed


def _arguments(config: TrainConfig, known: frozenset[str]) -> Iterator[Problem]:
    own_rank = config.network_module == builtin_support.LORA_MODULE
    for name, text in config.network_arguments.items():
        if name not in known:
            message = f"the builtin trainer knows no {name!r}."
            fix = nearest(name, known) or f'It knows {", ".join(sorted(known))}; or choose engine = "kohya".'
            yield Problem("network_args", message, fix)
        elif name not in _NUMBERS:
            continue
        elif not _is_number(text, whole=name in _WHOLE, least=_least(name, own_rank=own_rank)):
            wanted = "a whole number from 1 up" if name in _WHOLE else "a number from 0 up"
            yield Problem("network_args", f"{name}={text} is no sound value.", f"Write {wanted}.")
        elif name.endswith("dropout") and float(text) >= 1:
            yield Problem("network_args", f"{name}={text} leaves nothing to train.", "Use less than 1.")


def _least(name: str, *, own_rank: bool) -> int:
    if name == "factor":
        return -1  # lycoris-lora chooses
    return 1 if name in _WHOLE and own_rank else 0


def _is_number(text: str, *, whole: bool, least: int) -> bool:
    try:
        value = int(text) if whole else float(text)
    except ValueError:
        return False
    return least <= value < math.inf
