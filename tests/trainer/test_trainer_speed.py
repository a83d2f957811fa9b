"""The trainer's own measure of its speed."""

from __future__ import annotations

import pytest

from loratui.trainer.reporting.speed import WINDOW, Speed


def test_the_first_step_counts_only_while_it_is_alone() -> None:
    speed = Speed()
    assert (speed.seconds_per_step, speed.images_per_second) == (None, None)
    speed.add(30.0, 4)
    assert speed.seconds_per_step == 30.0
    speed.add(0.5, 4)
    speed.add(1.5, 2)
    assert (speed.seconds_per_step, speed.images_per_second) == (1.0, 3.0)


def test_only_the_last_steps_count() -> None:
    speed = Speed()
    for _ in range(WINDOW + 1):
        speed.add(9.0, 1)
    for _ in range(WINDOW):
        speed.add(0.25, 2)
    assert speed.seconds_per_step == pytest.approx(0.25)
    assert speed.images_per_second == pytest.approx(8.0)


def test_steps_that_take_no_time_have_no_speed() -> None:
    speed = Speed()
    speed.add(0.0, 4)
    assert speed.images_per_second is None
