"""What is learnt of the machine from a run, and that the next estimate goes by it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from loratui import places
from loratui.advice.measured import FILE_NAME, read_measurements
from loratui.advice.memory import estimate
from loratui.advice.pace import pace
from loratui.events import AnyEvent, Checkpoint, Planned, Record, Step
from loratui.recipe import Recipe
from loratui.runs.hardware.gpu import Gpu, GpuReading
from loratui.runs.hardware.measuring import measured, seconds_per_step
from loratui.runs.hardware.meter import FEWEST_STEPS, Meter
from loratui.runs.store import Run, Status

GIB = 2**30


def at(time: float, event: AnyEvent) -> Record:
    return Record(0, 0.0, time, event)


def reading(used_gib: float) -> GpuReading:
    return GpuReading((Gpu(0, "RTX 4090", int(used_gib * GIB), 24 * GIB, None, None, None, None),), "")


def metered(*used_gib: float) -> Meter:
    """A meter that has seen these readings, the first before the trainer started."""
    seen, clock = iter(used_gib), iter(range(0, 1000, 3))
    meter = Meter(lambda: reading(next(seen)), lambda: float(next(clock)))
    for _ in used_gib[1:]:
        meter.look()
    return meter


def test_the_peak_is_what_came_on_top_of_what_was_in_use() -> None:
    meter = metered(1.5, 4.0, 9.5, 9.0)
    assert meter.gpu == "RTX 4090"
    assert meter.peak_gib == pytest.approx(8.0)


def test_without_a_gpu_only_speed_is_measured(recipe: Recipe) -> None:
    meter = Meter(lambda: GpuReading((), "none"))
    meter.look()
    steps = [at(number * 0.5, Step(number)) for number in range(1, 61)]
    found = measured(recipe, [at(0, Planned(60, 1, 60, 60)), *steps], meter)
    assert found is not None
    assert (found.gpu, found.peak_gib) == ("", None)
    assert found.seconds_per_step == pytest.approx(0.5)


def test_saving_and_the_first_steps_do_not_count() -> None:
    records, time = [], 0.0
    for step in range(1, 61):
        time += 5.0 if step <= 5 else 0.4
        records.append(at(time, Step(step)))
        if step % 20 == 0:
            time += 30.0
            records.append(at(time, Checkpoint("x", step)))
    assert seconds_per_step(records) == pytest.approx(0.4)


def test_only_the_last_attempt_counts_and_a_short_one_says_nothing(recipe: Recipe) -> None:
    slow = [at(number * 2.0, Step(number)) for number in range(1, 40)]
    fast = [at(1000 + number * 0.25, Step(number)) for number in range(40, 80)]
    plan = Planned(80, 1, 80, 80)
    found = measured(recipe, [at(0, plan), *slow, at(1000, plan), *fast], metered(0, 6))
    assert found is not None
    assert found.seconds_per_step == pytest.approx(0.25)
    assert measured(recipe, [at(0, plan), *slow[: FEWEST_STEPS - 1]], metered(0, 6)) is None


def test_a_real_run_leaves_what_the_next_estimate_goes_by(
    begin: Callable[..., Run], verdict: Callable[[Run], Status], recipe: Recipe
) -> None:
    run = begin(
        """
        plan(60)
        for number in range(1, 61):
            step(number)
            time.sleep(0.06)
        save()
        say("ended", outcome="finished", step=60)
        """
    )
    assert verdict(run).state == "finished"
    kept = read_measurements(places.home() / FILE_NAME)
    assert [one.steps for one in kept] == [60]
    told = pace(recipe, "sd15", 1000, kept[0].gpu, kept, price=3.6)
    assert told.seconds is not None
    assert 50 < told.seconds < 250  # the steps sleep 0.06 s; the machine may be busy
    assert told.cost == pytest.approx(told.seconds / 1000)
    assert run.supervisor_log.read_text() == ""


def test_a_measured_peak_replaces_the_model(recipe: Recipe) -> None:
    steps = [at(number * 0.5, Step(number)) for number in range(1, 41)]
    found = measured(recipe, [at(0, Planned(40, 1, 40, 40)), *steps], metered(1, 7))
    assert found is not None
    now = estimate(recipe, "sd15", "RTX 4090", (found,))
    assert now.basis == "measured"
    assert now.estimate_gib == pytest.approx(6.0)


def test_a_disk_that_refuses_leaves_the_verdict_alone(
    begin: Callable[..., Run], verdict: Callable[[Run], Status]
) -> None:
    (places.home() / FILE_NAME).mkdir(parents=True)
    run = begin(
        """
        plan(25)
        for number in range(1, 26):
            step(number)
        save()
        say("ended", outcome="finished", step=25)
        """
    )
    assert verdict(run).state == "finished"
    assert Path(run.supervisor_log).read_text() == ""
