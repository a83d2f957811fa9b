"""A recipe's network in Kohya's words, and back. What a recipe has no words for (other modules, further
arguments, a rate for each text encoder) stands under ``[kohya]`` and is handed on with the rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from loratui.builtin.support import LORA_MODULE, LYCORIS_MODULE
from loratui.families import FAMILIES
from loratui.problems import Problem, UserError
from loratui.recipe import Recipe

OF_LYCORIS = ("loha", "lokr")
"""Types of a recipe that lycoris-lora trains."""
BESIDE = frozenset({"network_module", "network_args", "text_encoder_lr"})
"""Keys that ``[kohya]`` may hold though a recipe says part of the same in its own words."""
_LORA_MODULES = frozenset(family.lora_module for family in FAMILIES.values())
_CONVOLUTIONS = ("conv_dim", "conv_alpha")
_NONE = "0"
"""The ``conv_dim`` with which LyCORIS leaves the convolutions alone; without one it takes the rank
(lycoris-lora 4.1.3, kohya.py, ``create_network``)."""


def write(recipe: Recipe) -> dict[str, Any]:
    """``network_module``, and ``network_args`` where there are any."""
    network = recipe.network
    lycoris = network.type in OF_LYCORIS
    arguments = [f"algo={network.type}"] if lycoris else []
    if network.conv_rank is not None:
        arguments += [f"conv_dim={network.conv_rank}", f"conv_alpha={network.conv_alpha or 1:g}"]
    arguments += recipe.kohya.get("network_args") or ()
    own = FAMILIES[recipe.base.family].lora_module if recipe.base.family else LORA_MODULE
    module = LYCORIS_MODULE if lycoris else recipe.kohya.get("network_module") or own
    return {"network_module": module} | ({"network_args": arguments} if arguments else {})


def text_encoder_rates(recipe: Recipe) -> dict[str, Any]:
    """``text_encoder_lr`` where ``[kohya]`` has a list of them: their proportion, the first being the
    recipe's own rate."""
    given, rate = recipe.kohya.get("text_encoder_lr"), recipe.optimizer.text_encoder_rate
    if rate is None or not isinstance(given, list) or not given:
        return {}
    if not all(isinstance(value, int | float) for value in given):
        return {"text_encoder_lr": given}  # ``checks`` says what is wrong with it
    factor = rate / given[0] if given[0] else 1.0
    return {"text_encoder_lr": [value * factor for value in given]}


def read(flat: Mapping[str, Any], source: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Changes of a recipe, and what is kept under ``[kohya]``. Raises ``UserError`` for a list or a number
    that is none."""
    changes: dict[str, Any] = {}
    kept: dict[str, Any] = {}
    rates = flat.get("text_encoder_lr")
    if isinstance(rates, list) and len(rates) > 1 and not flat.get("network_train_unet_only"):
        kept["text_encoder_lr"] = rates
    module, given = flat.get("network_module") or "", flat.get("network_args") or []
    if not isinstance(given, list):
        raise UserError(source, _no_list("network_args", given))
    arguments = _by_name(given)
    of_lycoris = module in ("", LYCORIS_MODULE) and arguments.get("algo") in OF_LYCORIS
    said: tuple[str, ...] = ()
    if of_lycoris:
        changes["network.type"] = arguments["algo"]
        said = ("algo",)
    elif module and module not in _LORA_MODULES:
        kept["network_module"] = module
    if "network_module" not in kept and arguments.get("conv_dim", _NONE) != _NONE:
        said += _CONVOLUTIONS
        changes.setdefault("network.type", "locon")
        try:
            changes["network.conv_rank"] = int(arguments["conv_dim"])
            changes["network.conv_alpha"] = float(arguments.get("conv_alpha", 1))
        except ValueError:
            raise UserError(
                source,
                Problem(
                    "network_args",
                    f"{given!r} holds no number where one belongs.",
                    'Write ["conv_dim=4", "conv_alpha=1"].',
                ),
            ) from None
    rest = [argument for argument in given if argument.partition("=")[0] not in said]
    return changes, kept | ({"network_args": rest} if rest else {})


def _no_list(key: str, given: object) -> Problem:
    return Problem(
        key, f"{given!r} is one text; a list belongs here.", 'Write ["conv_dim=4", "conv_alpha=1"].'
    )


def _by_name(arguments: Iterable[str]) -> dict[str, str]:
    return dict(argument.partition("=")[::2] for argument in arguments)


def problems(recipe: Recipe) -> Iterator[Problem]:
    """Where ``[kohya]`` contradicts the recipe's own words for the network, or says them again."""
    rates = recipe.kohya.get("text_encoder_lr")
    if rates is not None and not isinstance(rates, list):
        message, fix = "a recipe has its own words for one rate.", "Use optimizer.text_encoder_rate."
        yield Problem("kohya.text_encoder_lr", message, fix)
    kind, module = recipe.network.type, recipe.kohya.get("network_module")
    if module and kind != "lora":
        fix = 'Write type = "lora", and say the rest in network_args.'
        yield Problem("kohya.network_module", f"{module!r} contradicts network.type {kind}.", fix)
    given = recipe.kohya.get("network_args") or []
    if not isinstance(given, list):
        yield _no_list("kohya.network_args", given)
        return
    names = _by_name(given)
    by_recipe = not module and names.get("conv_dim") != _NONE
    own = {name: "network.conv_rank and network.conv_alpha" for name in _CONVOLUTIONS if by_recipe}
    if kind in OF_LYCORIS:
        own["algo"] = "network.type"
    for name in own.keys() & names.keys():
        message = f"a recipe has its own words for {name}."
        yield Problem("kohya.network_args", message, f"Use {own[name]}.")
