"""What a LoRA's strength multiplies the learning rate by, by kind of network.

alpha / rank for a LoRA. LyCORIS differs in two places (lycoris-lora 4.1.3, modules/lokr.py:165-218): with
``rs_lora`` it is alpha / sqrt(rank), and a LoKr layer whose second factor the rank fills holds whole
matrices and leaves alpha out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from loratui.advice.optimizer import kind_of
from loratui.recipe import Recipe

_WIDTHS = (320, 10_240)
"""Of the narrowest and the widest layers: the first blocks of SD 1.x, the feed-forward of SD and SDXL."""
_OF_LYCORIS = ("loha", "lokr")


@dataclass(frozen=True, slots=True)
class Scale:
    """The factor where alpha counts, and whether it counts."""

    factor: float
    formula: str = "alpha / rank"
    ignored: str = ""
    """Where alpha is left out: in ``all`` layers, in ``some``; empty for none."""

    @property
    def most(self) -> float:
        """The largest factor of any layer."""
        return max(1.0, self.factor) if self.ignored else self.factor


def scale(recipe: Recipe) -> Scale:
    """The factor on the learning rate of a recipe's network."""
    network = recipe.network
    given = recipe.kohya.get("network_args")
    said = dict(str(one).partition("=")[::2] for one in given) if isinstance(given, list) else {}
    kind = network.type if network.type in _OF_LYCORIS else said.get("algo", "")
    found = Scale(network.alpha / network.rank)
    if kind and _is_on(said, "rs_lora"):
        found = Scale(network.alpha / math.sqrt(network.rank), "alpha / sqrt(rank)")
    if kind != "lokr":
        return found
    narrow, wide = (_second_factor(width, said.get("factor", "")) / 2 for width in _WIDTHS)
    if network.rank >= wide or _is_on(said, "full_matrix"):
        return Scale(1.0, "1", "all")
    return replace(found, ignored="some") if network.rank >= narrow else found


def effective_rate(recipe: Recipe) -> float:
    """The learning rate as scaled by the LoRA's strength, where alpha counts at all."""
    return recipe.optimizer.unet_rate * scale(recipe).factor


def in_words(recipe: Recipe) -> str:
    """What alpha makes of the rate."""
    optimizer, found = recipe.optimizer, scale(recipe)
    kind = kind_of(optimizer.name)
    own = kind is not None and kind.finds_its_rate
    if found.ignored == "all":
        rate = f"{optimizer.name} finds its rate" if own else f"effective rate {optimizer.unet_rate:g}"
        return f"{rate}; alpha is left out: LoKr is whole at this rank"
    strength = f"{found.formula} = {found.factor:.3g}"
    apart = "; 1 where LoKr is whole" if found.ignored else ""
    if own:
        return f"{optimizer.name} finds its rate; {strength} scales it{apart}"
    return f"effective rate {effective_rate(recipe):.2g} = {optimizer.unet_rate:g} x {strength}{apart}"


def _is_on(said: dict[str, str], name: str) -> bool:
    return said.get(name, "").strip().lower() in ("true", "1", "yes", "on")


def _second_factor(width: int, factor: str) -> int:
    """The larger of the two numbers a layer's width is split into (lycoris-lora, functional/general.py)."""
    most = math.isqrt(width)
    if factor.strip().isdecimal() and int(factor) > 0:
        most = min(most, int(factor))
    return width // next(number for number in range(most, 0, -1) if width % number == 0)
