"""A loss history keeps extremes and means in bounded memory."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loratui.runs.losses import LossHistory

losses = st.lists(st.floats(0, 1e6, allow_nan=False), min_size=1, max_size=300)


def filled(values: list[float], capacity: int) -> LossHistory:
    history = LossHistory(capacity)
    for step, value in enumerate(values, 1):
        history.add(step, value)
    return history


@given(losses, st.integers(2, 40))
def test_nothing_is_lost_but_resolution(values: list[float], capacity: int) -> None:
    history = filled(values, capacity)
    assert len(history) <= capacity
    assert sum(span.count for span in history.spans) == len(values)
    assert min(span.low for span in history.spans) == min(values)
    assert max(span.high for span in history.spans) == max(values)
    assert math.isclose(sum(span.total for span in history.spans), sum(values), abs_tol=1e-6)
    firsts = [span.first_step for span in history.spans]
    assert firsts == sorted(set(firsts))


@given(losses)
def test_a_smoothed_line_stays_between_the_extremes(values: list[float]) -> None:
    smooth = filled(values, 64).smoothed()
    assert all(min(values) - 1e-6 <= value <= max(values) + 1e-6 for value in smooth)


def test_smoothing_follows_the_known_recursion() -> None:
    assert filled([1.0, 0.0, 0.0], 10).smoothed(0.5) == [1.0, 0.5, 0.25]


def test_a_resumed_run_replaces_what_it_does_again() -> None:
    history = filled([5.0, 4.0, 3.0, 9.0, 9.0], 10)
    history.add(4, 2.0)
    assert [span.mean for span in history.spans] == [5.0, 4.0, 3.0, 2.0]


def test_values_that_are_no_numbers_are_left_out() -> None:
    history = filled([1.0, math.nan, math.inf], 10)
    assert [span.mean for span in history.spans] == [1.0]


def test_first_and_last_means() -> None:
    history = filled([float(value) for value in range(100)], 1000)
    assert history.first_mean(10) == pytest.approx(4.5)
    assert history.last_mean(10) == pytest.approx(94.5)
    assert LossHistory().first_mean() is None
