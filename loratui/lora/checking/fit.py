"""Does a LoRA belong to a base model? Names and shapes alone."""

from __future__ import annotations

from loratui.families import FAMILIES
from loratui.lora.files.base import Base
from loratui.lora.files.layers import canonical, component
from loratui.lora.files.modules import Module
from loratui.problems import Problem

_SHORT = 80
_ANYONE = frozenset({"unknown", "norm"})


def fit_problems(
    modules: list[Module], family: str | None, base: Base, problems: list[Problem], skipped: list[str]
) -> int:
    """The number of modules that have a place in ``base``. Adds what is wrong to ``problems`` and what
    could not be told to ``skipped``.

    Parts that the base model's file does not hold (a text encoder kept apart) are not missed.
    """
    if family and base.family and family != base.family:
        problems.append(
            Problem(
                "",
                f"it is made for {_title(family)}, and {base.path.name} is {_title(base.family)}.",
                "Choose a base model of its family.",
            )
        )
        return 0
    missing: list[Module] = []
    misshapen: list[Module] = []
    apart: set[str] = set()
    matched = 0
    for module in modules:
        name = canonical(module.name, base.layers_per_block)
        layer = base.layers.get(name)
        if layer is None and component(name) not in base.components:
            apart.add(component(name))
        elif layer is None:
            missing.append(module)
        elif module.kind not in _ANYONE and module.size not in (None, layer.size):
            misshapen.append(module)
        else:
            matched += 1
    if missing:
        problems.append(
            Problem(
                "",
                f"{len(missing)} of its {len(modules)} modules have no place in {base.path.name},"
                f" first {missing[0].name[:_SHORT]}.",
                "It was made for another model; what has no place is left out or fails to load.",
            )
        )
    if misshapen:
        first = misshapen[0]
        wanted = base.layers[canonical(first.name, base.layers_per_block)].size
        problems.append(
            Problem(
                "",
                f"{len(misshapen)} of its {len(modules)} modules have another shape than in {base.path.name},"
                f" first {first.name[:_SHORT]}: {_times(first.size)} where the model has {_times(wanted)}.",
                "It was made for another model.",
            )
        )
    if apart:
        skipped.append(
            f"{base.path.name} holds no {' and no '.join(sorted(apart))}: that part was not compared."
        )
    return matched


def _title(family: str) -> str:
    return FAMILIES[family].title if family in FAMILIES else family


def _times(size: tuple[int, int] | None) -> str:
    return "?" if size is None else f"{size[0]} x {size[1]}"
