"""Steps backwards: from how often pictures should be seen to epochs and checkpoints."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loratui.advice.length import CHECKPOINTS, EFFORTS, exposures, plan, repeats, save_interval
from loratui.families import FAMILIES
from loratui.recipe import Purpose

PURPOSES = get_args(Purpose)


def test_a_usual_set_comes_to_two_thousand() -> None:
    found = plan("character", "sdxl", "balanced", images=25, repeated=25, steps_per_epoch=13, batch=2)
    assert (found.exposures, found.epochs, found.save_every_epochs) == (2000, 80, 8)
    assert found.times_seen == 80
    assert found.total_steps == 80 * 13


@pytest.mark.parametrize(
    ("purpose", "family", "images", "wanted"),
    [
        ("style", "sd15", 60, 3000),
        ("concept", "sdxl", 40, 2500),
        ("character", "flux", 25, 1500),
        ("character", "sdxl", 6, 600),  # tiny: each picture 100 times at most
        ("character", "sdxl", 500, 4000),  # many: each at least 8 times
        ("trial", "sd15", 8, 500),
    ],
)
def test_exposures_by_purpose_family_and_pictures(
    purpose: Purpose, family: str, images: int, wanted: int
) -> None:
    assert exposures(purpose, family, images) == wanted


def test_effort_scales_and_says_why_where_it_cannot() -> None:
    lengths = [exposures("character", "sdxl", 40, effort) for effort in EFFORTS]
    assert lengths == [1200, 2000, 3200]
    found = plan("character", "sdxl", "thorough", images=10, repeated=10, steps_per_epoch=10, batch=1)
    assert found.times_seen == 100
    assert "by heart" in found.capped


def test_a_set_whose_epoch_is_already_long_gets_steps() -> None:
    found = plan("character", "sdxl", "balanced", images=200, repeated=2000, steps_per_epoch=1000, batch=2)
    assert (found.epochs, found.target) == (None, 1000)
    assert found.save_every_steps == 100


def test_repeats_are_one_unless_regularization_pictures_need_more() -> None:
    assert repeats(25, 0) == 1
    assert repeats(25, 100) == 4
    assert repeats(0, 5) == 1
    assert repeats(25, 3) == 1


@given(
    st.sampled_from(PURPOSES),
    st.sampled_from(list(FAMILIES)),
    st.sampled_from(list(EFFORTS)),
    st.integers(1, 3000),
    st.integers(1, 20),
    st.integers(1, 16),
)
def test_every_plan_keeps_eight_to_twelve_checkpoints_where_it_can(
    purpose: Purpose, family: str, effort: str, images: int, times: int, batch: int
) -> None:
    repeated = images * times
    steps_per_epoch = -(-repeated // batch)
    found = plan(
        purpose,
        family,
        effort,  # type: ignore[arg-type]
        images=images,
        repeated=repeated,
        steps_per_epoch=steps_per_epoch,
        batch=batch,
    )
    assert (found.epochs is None) != (found.target is None)
    assert bool(found.save_every_epochs) != bool(found.save_every_steps)
    if found.total_steps >= 20:
        assert CHECKPOINTS[0] <= found.checkpoints <= CHECKPOINTS[1]
    if found.epochs is not None:
        assert found.total_steps == found.epochs * steps_per_epoch
        wanted = found.exposures / repeated
        assert abs(found.epochs - wanted) <= max(1, 0.2 * wanted)  # 14 becomes 12 or 16


@given(st.integers(1, 5000))
def test_any_number_of_epochs_is_saved_about_ten_times(epochs: int) -> None:
    every = save_interval(epochs)
    assert 1 <= every <= epochs
    if epochs >= 8:
        assert 6 <= -(-epochs // every) <= 15
