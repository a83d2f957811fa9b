"""How long a run takes and what it costs: from speed measured on this machine, or not at all."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loratui.advice.measured import Measurement, setting_of
from loratui.problems import Problem, UserError
from loratui.recipe import Recipe

PRICE = "LORATUI_PRICE"
UNKNOWN = "unknown until the first 20 steps"


@dataclass(frozen=True, slots=True)
class Pace:
    """Time and money of one run; None for what nothing here has measured."""

    sentence: str
    total_steps: int | None
    seconds_per_step: float | None = None
    seconds: float | None = None
    """Without loading, caching, saving and sampling."""
    price_per_hour: float | None = None
    """In whatever money the person thinks."""
    cost: float | None = None


def price_per_hour(argument: str | None, environment: Mapping[str, str] = os.environ) -> float | None:
    """The price from the argument, else from ``LORATUI_PRICE``; None when neither is given.

    Raises ``UserError`` for what is not a price.
    """
    where, text = ("--price", argument) if argument is not None else (PRICE, environment.get(PRICE))
    if text is None or not text.strip():
        return None
    try:
        price = float(text)
    except ValueError:
        price = math.nan
    if not 0 <= price < math.inf:
        raise UserError("", Problem(where, f"{text!r} is no price per hour.", "Write a number, like 0.69."))
    return price


def pace(
    recipe: Recipe,
    family: str,
    total_steps: int | None,
    gpu: str,
    measurements: Sequence[Measurement] = (),
    price: float | None = None,
) -> Pace:
    """Time of ``total_steps`` by the latest speed measured on this GPU with this resolution, batch and
    precision."""
    wanted = setting_of(recipe, family).pace()
    speeds = [
        one.seconds_per_step
        for one in measurements
        if one.gpu == gpu and one.setting.pace() == wanted and one.seconds_per_step
    ]
    if not speeds or not total_steps:
        sentence = UNKNOWN if total_steps else "unknown: the steps could not be counted"
        return Pace(sentence, total_steps, price_per_hour=price)
    each = speeds[-1]
    seconds = each * total_steps
    cost = None if price is None else seconds / 3600 * price
    sentence = f"about {duration(seconds)}: {total_steps} steps of {each:.2g} s, as measured here"
    if cost is not None:
        sentence += f"; costs {cost:.2f} at {price:g} an hour"
    return Pace(sentence, total_steps, each, seconds, price, cost)


def duration(seconds: float) -> str:
    """``1 h 20 min``, ``12 min`` or ``40 s``."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{max(1, round(seconds))} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
