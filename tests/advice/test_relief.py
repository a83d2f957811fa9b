"""What is taken off the GPU when a run ran out of its memory."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loratui.advice.memory import estimate
from loratui.advice.relief import relief, smaller_batch
from loratui.recipe import Recipe, change


def recipe(**changes: object) -> Recipe:
    base: dict[str, object] = {
        "base.family": "sdxl",
        "training.resolution": (1024, 1024),
        "training.precision": "bf16",
        "launch.engine": "kohya",
        "kohya.sdpa": True,
    }
    return change(Recipe(), base | {key.replace("__", "."): value for key, value in changes.items()})


def after(before: Recipe, **more: object) -> tuple[Recipe, tuple[str, ...]]:
    found = relief(before, before.base.family or "", **more)  # type: ignore[arg-type]
    changed = before
    for lever in found.levers:
        changed = change(changed, lever.changes)
    return changed, tuple(key for key, _, _ in before.diff(changed))


def test_the_batch_is_halved_first_and_the_effective_batch_stays() -> None:
    changed, keys = after(recipe(steps__batch_size=4))
    assert keys[:2] == ("steps.batch_size", "steps.accumulation")
    assert (changed.steps.batch_size, changed.steps.accumulation) == (2, 2)


@given(st.integers(2, 64), st.integers(1, 16))
def test_no_smaller_batch_changes_what_a_step_sees(batch: int, accumulation: int) -> None:
    before = change(Recipe(), {"steps.batch_size": batch, "steps.accumulation": accumulation})
    lever = smaller_batch(before)
    assert lever is not None
    steps = change(before, lever.changes).steps
    assert steps.batch_size <= batch / 2
    assert steps.batch_size * steps.accumulation == batch * accumulation


def test_with_a_batch_of_one_checkpointing_comes_next() -> None:
    assert after(recipe())[1] == ("training.gradient_checkpointing",)


def test_levers_are_taken_until_it_fits_the_gpu_that_ran_out() -> None:
    before = recipe(steps__batch_size=8)
    found = relief(before, "sdxl", capacity_gib=12.0)
    changed, _ = after(before, capacity_gib=12.0)
    assert found.before_gib is not None and found.after_gib is not None
    assert found.before_gib >= 12.0 > found.after_gib
    assert estimate(changed, "sdxl").estimate_gib <= 12.0
    assert changed.training.gradient_checkpointing
    assert changed.steps.batch_size * changed.steps.accumulation == 8


def test_a_gpu_that_can_never_hold_it_is_said_so() -> None:
    found = relief(recipe(), "sdxl", capacity_gib=2.0)
    assert found.levers == ()
    assert "take a larger GPU" in found.refusal


def test_what_the_model_says_cannot_help_is_not_offered() -> None:
    """The builtin trainer's attention is fused already, and its AdamW has no 8-bit form."""
    builtin = change(Recipe(), {"base.family": "sd15", "training.gradient_checkpointing": True})
    keys = after(builtin)[1]
    assert not {"kohya.sdpa", "optimizer.name", "training.gradient_checkpointing"} & set(keys)
    drawn = recipe(samples__prompts=("a cat",), training__gradient_checkpointing=True)
    lowered = [lever.changes for lever in relief(drawn, "sdxl").levers]
    for number, _ in enumerate(lowered):
        before = after_levers(drawn, lowered[:number])
        changed = after_levers(drawn, lowered[: number + 1])
        assert estimate(changed, "sdxl").estimate_gib < estimate(before, "sdxl").estimate_gib


def after_levers(before: Recipe, changes: list[dict[str, object]]) -> Recipe:
    for one in changes:
        before = change(before, one)
    return before


def test_while_a_sample_is_drawn_only_samples_are_touched() -> None:
    keys = after(recipe(steps__batch_size=4, samples__prompts=("a cat",)), sampling=True)[1]
    assert keys and all(key.startswith("samples.") for key in keys)


def test_a_family_without_sizes_gets_the_first_lever() -> None:
    before = msgspec.structs.replace(recipe(steps__batch_size=2))
    found = relief(before, "no such family")
    assert [lever.changes for lever in found.levers] == [{"steps.batch_size": 1, "steps.accumulation": 2}]


@pytest.mark.parametrize(("capability", "word"), [((8, 6), "bf16"), ((7, 5), "fp16")])
def test_fp32_becomes_what_the_gpu_has(capability: tuple[int, int], word: str) -> None:
    before = recipe(training__precision="no", training__gradient_checkpointing=True)
    changed, _ = after(before, capability=capability)
    assert changed.training.precision == word


def test_the_base_model_is_kept_smaller_before_pictures_are() -> None:
    before = recipe(launch__engine="builtin", training__gradient_checkpointing=True, network__rank=8)
    peak = estimate(before, "sdxl").estimate_gib
    found = relief(before, "sdxl", capacity_gib=peak - 1)
    assert [lever.changes for lever in found.levers] == [{"kohya.fp8_base_unet": True}]
    found = relief(before, "sdxl", capacity_gib=peak - 2.6)
    assert found.levers[0].changes["training.base_4bit"] is True
    assert len(found.levers) == 1
