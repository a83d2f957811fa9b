"""Learning rate schedules beside the functions that sd-scripts calls."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers import optimization as of_diffusers
from transformers import optimization as of_transformers

from loratui.trainer.optimizing.rate_shapes import RateShape, steps_of
from loratui.trainer.optimizing.rates import rates_for

TOTAL, WARMUP, RATE = 20, 5, 2e-3


def theirs(make: Any, **arguments: Any) -> list[float]:
    """The rates of 24 steps from a function that takes an optimizer."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
    scheduler = make(optimizer, **arguments)
    found = []
    for _ in range(TOTAL + 4):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


@pytest.mark.parametrize(
    ("shape", "function", "arguments"),
    [
        ({"name": "linear"}, of_transformers.get_linear_schedule_with_warmup, {"total": True}),
        ({"name": "cosine"}, of_transformers.get_cosine_schedule_with_warmup, {"total": True}),
        (
            {"name": "cosine", "arguments": {"num_cycles": 0.8}},
            of_transformers.get_cosine_schedule_with_warmup,
            {"total": True, "num_cycles": 0.8},
        ),
        (
            {"name": "cosine_with_restarts", "cycles": 3},
            of_transformers.get_cosine_with_hard_restarts_schedule_with_warmup,
            {"total": True, "num_cycles": 3},
        ),
        (
            {"name": "polynomial", "power": 2.0},
            of_transformers.get_polynomial_decay_schedule_with_warmup,
            {"total": True, "power": 2.0},
        ),
        (
            {"name": "polynomial", "arguments": {"lr_end": 1e-4}},
            of_transformers.get_polynomial_decay_schedule_with_warmup,
            {"total": True, "lr_end": 1e-4},
        ),
        ({"name": "constant_with_warmup"}, of_transformers.get_constant_schedule_with_warmup, {}),
        ({"name": "inverse_sqrt"}, of_transformers.get_inverse_sqrt_schedule, {}),
        (
            {"name": "inverse_sqrt", "timescale": 9},
            of_transformers.get_inverse_sqrt_schedule,
            {"timescale": 9},
        ),
        ({"name": "inverse_sqrt", "warmup": 0}, of_transformers.get_inverse_sqrt_schedule, {}),
        (
            {"name": "cosine_with_min_lr", "cycles": 3, "least": 0.2},
            of_transformers.get_cosine_with_min_lr_schedule_with_warmup,
            {"total": True, "num_cycles": 1.5, "min_lr_rate": 0.2},
        ),
        (
            {"name": "cosine_with_min_lr", "arguments": {"min_lr": 1e-4}},
            of_transformers.get_cosine_with_min_lr_schedule_with_warmup,
            {"total": True, "min_lr": 1e-4},
        ),
    ],
)
def test_formulas_equal_the_ones_of_transformers(
    shape: dict[str, Any], function: Any, arguments: dict[str, Any]
) -> None:
    ours = RateShape(**{"total_steps": TOTAL, "warmup": WARMUP, "rate": RATE, **shape})
    given = dict(arguments)
    if given.pop("total", False):
        given["num_training_steps"] = TOTAL
    wanted = theirs(function, num_warmup_steps=ours.warmup, **given)
    assert [RATE * ours.factor(step) for step in range(TOTAL + 4)] == pytest.approx(
        wanted, rel=1e-12, abs=1e-18
    )


@pytest.mark.parametrize("kind", ["linear", "cosine", "1-sqrt"])
def test_warmup_stable_decay(kind: str) -> None:
    ways = {"warmup_type": kind, "decay_type": kind}
    ours = RateShape(
        name="warmup_stable_decay",
        total_steps=TOTAL,
        warmup=WARMUP,
        decay=6,
        cycles=1,
        least=0.1,
        rate=RATE,
        arguments=ways,
    )
    wanted = theirs(
        of_transformers.get_wsd_schedule,
        num_warmup_steps=WARMUP,
        num_stable_steps=TOTAL - WARMUP - 6,
        num_decay_steps=6,
        num_cycles=0.5,
        min_lr_ratio=0.1,
        **ways,
    )
    assert [RATE * ours.factor(step) for step in range(TOTAL + 4)] == pytest.approx(wanted, rel=1e-12)


def test_pieces_and_constant() -> None:
    rules = "1:10,0.1:15,0.01"
    ours = RateShape(name="piecewise_constant", total_steps=TOTAL, arguments={"step_rules": rules})
    wanted = theirs(of_diffusers.get_piecewise_constant_schedule, step_rules=rules)
    assert [RATE * ours.factor(step) for step in range(TOTAL + 4)] == pytest.approx(wanted)
    assert RateShape(name="constant", total_steps=9, warmup=5).factor(0) == 1.0
    with pytest.raises(ValueError, match="sawtooth"):
        RateShape(name="sawtooth", total_steps=1).factor(0)


def test_steps_and_fractions_of_all_steps() -> None:
    assert [steps_of(given, 40) for given in (0.25, 7, 0, 1.0, 1, 100.0)] == [10, 7, 0, 40, 1, 100]


def test_a_scheduler_of_torch_goes_on_where_it_was() -> None:
    config: Any = SimpleNamespace(
        lr_scheduler_type="CosineAnnealingWarmRestarts", lr_scheduler_args=["T_0=4", "T_mult=2"], source="x"
    )
    chosen: Any = SimpleNamespace(fact=SimpleNamespace(schedule_free=False))

    def rates(done: int, count: int) -> list[float]:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
        found = []
        followed = rates_for(config, chosen, optimizer, [RATE], TOTAL, done)
        for step in range(done, done + count):
            followed.set(step)
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            followed.advance()
        return found

    whole = rates(0, 10)
    assert whole[:2] == pytest.approx([RATE, RATE * 0.853553], rel=1e-5)
    assert len(set(whole)) > 6
    assert rates(3, 7) == whole[3:]
