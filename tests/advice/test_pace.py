"""Time and money: only from what was measured."""

from __future__ import annotations

import pytest

from loratui.advice.measured import Measurement, setting_of
from loratui.advice.pace import UNKNOWN, duration, pace, price_per_hour
from loratui.problems import UserError
from loratui.recipe import Recipe, change

RECIPE = change(Recipe(), {"base.family": "sd15", "steps.epochs": 10})


def seen(recipe: Recipe, speed: float, gpu: str = "GPU A") -> Measurement:
    return Measurement(gpu=gpu, setting=setting_of(recipe, "sd15"), seconds_per_step=speed, steps=20)


def test_without_a_measurement_the_time_is_unknown() -> None:
    for measurements in (
        (),
        [seen(RECIPE, 1.0, "GPU B")],
        [seen(change(RECIPE, {"steps.batch_size": 2}), 1.0)],
    ):
        found = pace(RECIPE, "sd15", 1000, "GPU A", measurements, 0.5)
        assert (found.sentence, found.seconds, found.cost) == (UNKNOWN, None, None)


def test_time_and_cost_follow_the_latest_measurement() -> None:
    other_rank = change(RECIPE, {"network.rank": 64})
    found = pace(RECIPE, "sd15", 1000, "GPU A", [seen(RECIPE, 9.0), seen(other_rank, 3.6)], 0.5)
    assert found.seconds == pytest.approx(3600)
    assert found.cost == pytest.approx(0.5)
    assert "1 h 00 min" in found.sentence
    assert "0.50" in found.sentence
    assert pace(RECIPE, "sd15", 1000, "GPU A", [seen(RECIPE, 1.0)]).cost is None


def test_the_price_comes_from_the_argument_or_the_environment() -> None:
    assert price_per_hour(None, {}) is None
    assert price_per_hour(None, {"LORATUI_PRICE": "0.69"}) == 0.69
    assert price_per_hour("2", {"LORATUI_PRICE": "0.69"}) == 2


@pytest.mark.parametrize("text", ["cheap", "-1", "nan", "inf", "0,69"])
def test_what_is_no_price_is_named(text: str) -> None:
    with pytest.raises(UserError, match=r"LORATUI_PRICE: .*price per hour"):
        price_per_hour(None, {"LORATUI_PRICE": text})


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (29, "29 s"), (720, "12 min"), (3599, "1 h 00 min"), (4800, "1 h 20 min")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words
