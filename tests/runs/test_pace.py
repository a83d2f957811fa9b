"""Speed and time left."""

from __future__ import annotations

import pytest

from loratui.runs.pace import RECENT, Pace


def test_pauses_count_in_the_time_left_and_not_in_the_speed() -> None:
    pace, clock = Pace(), 0.0
    for step in range(1, 41):
        clock += 1.0 + (20.0 if step % 10 == 0 else 0.0)  # pictures are drawn every tenth step
        pace.add(step, clock, 1.0)
    assert pace.seconds_per_step == 1.0
    assert pace.seconds_per_step_overall == pytest.approx((39 + 4 * 20) / 39)


def test_the_speed_is_that_of_now() -> None:
    pace = Pace()
    for step in range(1, 3 * RECENT):
        pace.add(step, step * 1.0, 1.0 if step < 2 * RECENT else 3.0)
    assert pace.seconds_per_step == 3.0


def test_without_a_step_s_own_time_the_clock_tells() -> None:
    pace = Pace()
    assert pace.seconds_per_step is None
    pace.add(1, 10.0, None)
    assert pace.seconds_per_step is None
    assert pace.seconds_per_step_overall is None
    pace.add(3, 16.0, None)
    assert pace.seconds_per_step == pace.seconds_per_step_overall == 3.0
