"""A loss history keeps extremes and means in bounded memory."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loratui.runs.losses import EpochMean, LossHistory, steps_of

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


def test_spans_of_several_steps_have_their_means_and_are_found_by_any_of_their_steps() -> None:
    history = filled([8.0, 4.0, 2.0, 0.0, 6.0, 6.0], 4)  # full at the fifth: pairs from then on
    assert [(span.first_step, span.mean) for span in history.spans] == [(1, 6.0), (3, 1.0), (5, 6.0)]
    assert steps_of(history) == (1, 6)
    smooth = history.smoothed()
    for step, index in ((1, 0), (2, 0), (3, 1), (4, 1), (5, 2), (6, 2), (99, 2)):
        assert history.at(step) == (history.spans[index], smooth[index])
    assert history.at(0) is None
    assert LossHistory().at(1) is None


def test_the_ends_are_means_of_25_losses_or_of_a_quarter() -> None:
    assert filled([1.0], 1000).ends() == (None, None)
    assert filled([1.0, 3.0], 1000).ends() == (1.0, 3.0)
    assert filled([float(value) for value in range(20)], 1000).ends() == (2.0, 17.0)
    assert filled([float(value) for value in range(200)], 1000).ends() == (12.0, 187.0)


def test_the_mean_of_an_epoch_grows_by_steps_that_are_new() -> None:
    mean = EpochMean(2, 11, 11, 1, 4.0)
    for step, loss in ((12, 2.0), (12, 90.0), (13, 0.0)):
        mean = mean.with_step(step, loss)
    assert mean == EpochMean(2, 11, 13, 3, 2.0)
