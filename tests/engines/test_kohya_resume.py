"""Resumes of sd-scripts add up. The cases with a comment were met in real runs of it, to the last step."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loratui.engines.kohya.resume import Course, Ledger, course, initial_step, read_ledger


@pytest.mark.parametrize(
    ("total", "batches", "accumulation", "initial", "expected"),
    [
        (12, 4, 1, 4, Course(8, 0, 1)),  # bar 8/12
        (12, 4, 1, 6, Course(6, 2, 1)),  # bar 6/10, files named 3 and 6
        (10, 4, 1, 6, Course(6, 2, 1)),  # two steps more than planned
        (10, 4, 1, 8, Course(4, 0, 2)),  # bar 4/10
        (24, 15, 2, 8, Course(8, -14, 2)),  # an epoch lost: bar 8/38
        (24, 15, 2, 4, Course(16, -7, 1)),  # bar 16/31
        (4, 4, 1, 2, Course(2, 2, 0)),  # bar 2/2
    ],
)
def test_what_sd_scripts_does_from_a_step_on(
    total: int, batches: int, accumulation: int, initial: int, expected: Course
) -> None:
    assert course(total, batches, accumulation, initial) == expected


@given(st.integers(1, 400), st.integers(1, 60), st.data())
def test_without_accumulation_every_resume_ends_at_the_planned_step(
    total: int, batches: int, data: st.DataObject
) -> None:
    done = data.draw(st.integers(0, total - 1))
    chosen = initial_step(done, total, batches, 1)
    epochs = math.ceil(total / batches)
    if done + epochs * batches - total < total:  # there is enough data to pass over
        assert done + course(total, batches, 1, chosen).steps == total
    assert course(total, batches, 1, chosen).steps >= total - done or chosen == total - 1


@given(st.integers(1, 12), st.integers(2, 80), st.integers(2, 8), st.data())
def test_with_accumulation_a_resume_from_an_epochs_end_ends_at_the_planned_step(
    epochs: int, batches: int, accumulation: int, data: st.DataObject
) -> None:
    per_epoch = math.ceil(batches / accumulation)
    if per_epoch < accumulation:
        return  # epochs too short to be told apart by initial_step
    total = epochs * per_epoch
    done = per_epoch * data.draw(st.integers(0, epochs - 1))
    chosen = initial_step(done, total, batches, accumulation)
    assert chosen < total
    assert done + course(total, batches, accumulation, chosen).steps == total


def test_the_ledger(tmp_path: Path) -> None:
    assert read_ledger(None) == read_ledger(tmp_path) == Ledger(0, 0)
    (tmp_path / "resume.json").write_text(Ledger(8, -7).dumps())
    assert read_ledger(tmp_path) == Ledger(8, -7)
    (tmp_path / "resume.json").write_text("[")
    assert read_ledger(tmp_path) == Ledger(0, 0)
