"""Two losses at equal steps: what is said of them is no more than they tell."""

from __future__ import annotations

import random
from typing import Any

import pytest

from loratui.runs.losses import EpochMean, LossHistory
from loratui.runs.reporting.equal_steps import Standing, at_last_common_step, standing, what_it_means
from loratui.runs.view import RunView


def view(loss: float, steps: int, *, own: bool = True, seed: int = 0) -> RunView:
    """A run whose loss is level, with noise."""
    history, chance = LossHistory(), random.Random(seed)
    for step in range(1, steps + 1):
        history.add(step, loss + chance.gauss(0, 0.05))
    return RunView(losses=history, epoch_means=(EpochMean(1, 1, steps, steps, loss),) if own else ())


def of(one: RunView, other: RunView, *changes: Any) -> Standing:
    return standing((one, other), changes)


def test_a_difference_beyond_chance_has_a_winner_and_one_within_has_none() -> None:
    far = of(view(0.30, 400), view(0.25, 1000, seed=1))
    assert (far.sense, far.lower, far.step, far.steps) == ("lower", "B", 400, 100)
    assert "B has learned its pictures more closely" in what_it_means(far)
    assert at_last_common_step(far).endswith("B 18% lower")
    near = [of(view(0.3, 400, seed=one), view(0.3, 400, seed=one + 50)).sense for one in range(40)]
    assert near.count("lower") <= 6  # one in twenty by chance


@pytest.mark.parametrize(
    ("key", "comparable"),
    [
        ("network.rank", True),
        ("optimizer.unet_rate", True),
        ("steps.batch_size", True),
        ("training.seed", True),
        ("dataset.folder", False),
        ("training.resolution", False),
        ("training.noise_offset", False),
        ("base.model", False),
        ("kohya.min_snr_gamma", False),
        ("network.arguments", False),
    ],
)
def test_losses_that_measure_something_else_are_not_held_against_each_other(
    key: str, comparable: bool
) -> None:
    found = of(view(0.3, 100), view(0.2, 100, seed=1), (key, 1, 2))
    assert (found.sense == "lower") == comparable
    assert ("only the pictures can tell" in what_it_means(found)) == (not comparable)
    assert ("lower" in at_last_common_step(found)) == comparable


def test_means_and_few_steps_name_no_winner() -> None:
    assert of(view(0.3, 400, own=False), view(0.2, 400)).sense == "means only"
    assert of(view(0.3, 5), view(0.2, 400)).sense == "too few"
    assert of(RunView(), view(0.2, 400)).sense == "no losses"
    for found in (of(view(0.3, 5), view(0.2, 9)), of(RunView(), RunView())):
        assert found.chance is None and "lower" not in what_it_means(found)
