"""TensorBoard's files: a real one, torn ones, damaged ones."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loratui.engines.kohya.tfevents import EventFile, Scalar
from loratui.engines.kohya.watch import StepFold, real_rates
from loratui.events import Event, Measured

REAL = Path(__file__).parent / "transcripts" / "prodigy_accumulation.tfevents"
"""Written by sd-scripts: Prodigy, two small steps to a step, three batches an epoch, validation."""


def scalars(path: Path) -> list[Scalar]:
    return list(EventFile(path).poll())


def test_numbers_of_a_real_file() -> None:
    found = scalars(REAL)
    losses = [(scalar.step, round(scalar.value, 4)) for scalar in found if scalar.tag == "loss/current"]
    assert losses == [(0, 1.1468), (1, 1.1788), (2, 0.9988), (2, 1.0664), (3, 1.0672), (4, 1.1926)]
    assert {scalar.tag for scalar in found} >= {"lr/d*lr/unet", "loss/validation/epoch_average"}


@given(cuts=st.lists(st.integers(0, 4200), max_size=5))
@settings(deadline=None, max_examples=30)
def test_a_file_read_while_it_grows_gives_the_same(
    cuts: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    data, path = REAL.read_bytes(), tmp_path_factory.mktemp("grow") / "events"
    file, found = EventFile(path), []
    places = [0, *sorted(cut % len(data) for cut in cuts), len(data)]
    for start, end in itertools.pairwise(places):
        with path.open("ab") as out:
            out.write(data[start:end])
        found += list(file.poll())
    assert found == scalars(REAL)


def test_a_torn_tail_is_waited_for_and_damage_ends_the_reading(tmp_path: Path) -> None:
    data, path = REAL.read_bytes(), tmp_path / "events"
    path.write_bytes(data[:-7])
    whole = scalars(REAL)
    assert scalars(path) == whole[:-1]
    path.write_bytes(data[:1000] + b"\xff" * 400 + data[1400:])
    found = scalars(path)
    assert 0 < len(found) < len(whole)
    assert found == whole[: len(found)]
    path.write_bytes(b"")
    assert scalars(path) == []
    assert scalars(tmp_path / "none") == []


@given(st.binary(max_size=300))
def test_no_bytes_break_it(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("noise") / "events"
    path.write_bytes(data)
    assert scalars(path) == []


def folded(numbers: list[Scalar], offset: int = 0, counter: int = 0) -> list[Event]:
    fold = StepFold(counter)
    return [event for scalar in numbers for event in fold.feed(scalar, offset, scalar.step + offset)]


def test_small_steps_are_taken_together_and_rates_belong_to_the_next_step() -> None:
    steps = [event for event in folded(scalars(REAL)) if isinstance(event, Measured) and event.loss]
    assert [step.step for step in steps] == [1, 2, 3, 4]
    assert [round(step.loss or 0, 4) for step in steps] == [1.1628, 0.9988, 1.0668, 1.1926]
    assert set(steps[0].rates) == {"textencoder", "unet"}
    assert steps[0].rates["unet"] == pytest.approx(1e-6)  # d x lr, not 1.0


def test_losses_of_validation() -> None:
    losses = [event.validation_loss for event in folded(scalars(REAL)) if isinstance(event, Measured)]
    assert len([loss for loss in losses if loss]) == 4


def test_a_resumed_count() -> None:
    numbers = [Scalar(step, "loss/current", 1.0) for step in (3, 4)]
    assert [event.step for event in folded(numbers, 4, 2) if isinstance(event, Measured)] == [7, 8]
    negative = [Scalar(step, "loss/current", 1.0) for step in (-7, -6, -6)]
    assert [event.step for event in folded(negative, 15, -7) if isinstance(event, Measured)] == [9]


def test_rates_by_group() -> None:
    assert real_rates({"unet": 1e-4, "group1": 1e-4}) == {"unet": 1e-4}
    assert real_rates({"group0": 1e-4}) == {"group0": 1e-4}
    assert real_rates({"d*lr": 3e-4, "unet": 1.0}) == {"d*lr": 3e-4}
    assert real_rates({}) == {}
