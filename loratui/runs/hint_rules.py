"""Known issues that no log line tells of: rules on numbers."""

from __future__ import annotations

from collections.abc import Mapping

from loratui.events import Hint
from loratui.recipe import Recipe

NO_EFFECT = "no_effect"

SMALLEST_MOVE = 0.003
"""Below this, rate x steps x alpha / rank leaves a picture as it was.

Adam moves a weight by at most about its learning rate in a step (Kingma and Ba 2015, section 2.1), and
B starts at zero, so the product bounds the size of any entry of B times the strength it is applied
with. The usual 1500 steps at 1e-4 with alpha = rank / 2 come to 0.075; a twenty-fifth of that is
not seen.
"""

ADAPTIVE = ("prodigy", "dadapt")
"""Optimizers that find the rate themselves and want 1 as learning rate (README of prodigyopt)."""

SMALLEST_ADAPTIVE_RATE = 0.05


def without_effect(recipe: Recipe, steps: int, rates: Mapping[str, float] | None = None) -> Hint | None:
    """A hint when a LoRA trained so for ``steps`` steps will hardly show.

    ``rates`` are the learning rates seen in the last step, by parameter group; with an adaptive
    optimizer they are what it found, and without them only its setting can be judged.
    """
    if steps < 1:
        return None
    strength = recipe.network.alpha / recipe.network.rank
    setting = recipe.optimizer.unet_rate
    adaptive = recipe.optimizer.name.lower().startswith(ADAPTIVE)
    if adaptive and setting < SMALLEST_ADAPTIVE_RATE:
        return Hint(
            NO_EFFECT,
            "quality",
            f"{recipe.optimizer.name} multiplies the rate it finds by {setting:g}; it is made for 1",
        )
    rate = max((rates or {}).values(), default=0.0) if adaptive else setting
    move = rate * steps * strength
    if (adaptive and not rates) or move >= SMALLEST_MOVE:
        return None
    return Hint(
        NO_EFFECT,
        "quality",
        f"rate {rate:g} x {steps} steps x alpha/rank {strength:g} = {move:.2g}, below {SMALLEST_MOVE:g}",
    )
