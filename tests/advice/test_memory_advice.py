"""The memory model against published runs, and the ways it must never bend."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loratui.advice.advise import advise
from loratui.advice.facts import MachineFacts
from loratui.advice.measured import Measurement, read_measurements, remember, setting_of
from loratui.advice.memory import checkpointing_needed, estimate, fits, largest_batch
from loratui.advice.sizes import GB, GIB, SIZES
from loratui.advice.suggestion import applied
from loratui.recipe import Recipe, change

FUSED = {"kohya.sdpa": True}
KOHYA = {"launch.engine": "kohya", "training.precision": "bf16", **FUSED}
UNET_ONLY_CACHED = {"kohya.cache_text_encoder_outputs": True, "optimizer.text_encoder_rate": None}


def recipe(family: str, side: int, batch: int, rank: int, optimizer: str, **more: Any) -> Recipe:
    return change(
        Recipe(),
        {
            "base.family": family,
            "training.resolution": [side, side],
            "steps.batch_size": batch,
            "network.rank": rank,
            "optimizer.name": optimizer,
            **more,
        },
    )


@dataclass(frozen=True)
class Row:
    """A published run: what it took (GB), or the card it fitted into or not.

    Few sources state everything: rank, optimizer, caching and checkpointing are the usual ones where a
    source is silent. There are no rows for SD 2, SD 3 and Anima.
    """

    source: str
    family: str
    side: int
    batch: int
    rank: int
    optimizer: str
    took: tuple[float, float] | None = None
    fitted: float | None = None
    failed: float | None = None
    more: dict[str, Any] = field(default_factory=dict)


CHECKPOINTED = {"training.gradient_checkpointing": True}
TEXT = {"optimizer.text_encoder_rate": 5e-5}
FP8 = {"kohya.fp8_base": True, **CHECKPOINTED, **UNET_ONLY_CACHED}
ROWS = [
    Row("diffusers training/lora.md, 2080 Ti", "sd15", 512, 1, 4, "AdamW", fitted=11),
    Row("kohya_ss options.md: barely", "sd15", 512, 2, 8, "AdamW8bit", fitted=6, more=TEXT),
    Row("kohya_ss#2474", "sd15", 512, 1, 8, "AdamW8bit", took=(3.5, 4.5), more=TEXT | CHECKPOINTED),
    Row("kohya_ss#1730", "sd15", 512, 4, 64, "AdamW8bit", fitted=11, more=TEXT),
    Row("kohya_ss#1504: barely", "sd15", 768, 2, 32, "AdamW8bit", fitted=12, more=TEXT),
    Row("kohya_ss#485, GTX 1070", "sd15", 512, 2, 16, "AdamW", fitted=8, more=TEXT),
    Row(
        "sd-scripts train_SDXL-en.md",
        "sdxl",
        1024,
        1,
        4,
        "AdamW8bit",
        fitted=8,
        more=UNET_ONLY_CACHED | CHECKPOINTED,
    ),
    Row("synpixcloud: typical", "sdxl", 1024, 1, 16, "AdamW8bit", took=(13, 15), more=UNET_ONLY_CACHED),
    Row(
        "FurkanGozukara/SD#24",
        "sdxl",
        1024,
        1,
        64,
        "Adafactor",
        fitted=12,
        more=UNET_ONLY_CACHED | CHECKPOINTED,
    ),
    Row("sd-scripts#648", "sdxl", 1024, 2, 16, "AdamW8bit", failed=12, more=TEXT | CHECKPOINTED),
    Row(
        "Realtime-Lora#22, low",
        "sdxl",
        1024,
        1,
        16,
        "AdamW8bit",
        took=(7.6, 7.6),
        more=UNET_ONLY_CACHED | CHECKPOINTED,
    ),
    Row("Realtime-Lora#22, max", "sdxl", 1024, 4, 16, "AdamW8bit", failed=32, more=UNET_ONLY_CACHED),
    Row(
        "kohya_ss#1288, 4090",
        "sdxl",
        1024,
        8,
        32,
        "AdamW8bit",
        fitted=24,
        more=UNET_ONLY_CACHED | CHECKPOINTED,
    ),
    Row("kohya_ss#1730, 3090 rank 8", "sdxl", 1024, 1, 8, "AdamW8bit", fitted=24),
    Row("flux_train_network.md, 24 GB", "flux", 1024, 2, 16, "AdamW8bit", fitted=24, more=FP8),
    Row(
        "flux_train_network.md, 12 GB",
        "flux",
        1024,
        1,
        16,
        "AdamW8bit",
        fitted=12,
        more=FP8 | {"kohya.blocks_to_swap": 16},
    ),
    Row(
        "flux_train_network.md, 10 GB",
        "flux",
        1024,
        1,
        16,
        "AdamW8bit",
        fitted=10,
        more=FP8 | {"kohya.blocks_to_swap": 22},
    ),
    Row(
        "flux_train_network.md, 8 GB",
        "flux",
        1024,
        1,
        16,
        "AdamW8bit",
        fitted=8,
        more=FP8 | {"kohya.blocks_to_swap": 28},
    ),
    Row("sd-scripts#1445, 4060 Ti", "flux", 512, 1, 16, "AdamW8bit", fitted=16, more=FP8),
    Row(
        "LoRA_Easy#344",
        "flux",
        512,
        1,
        16,
        "AdamW8bit",
        took=(14.3, 14.5),
        more=FP8 | {"kohya.full_bf16": True},
    ),
    Row("fluxgym 20G", "flux", 512, 1, 4, "AdamW8bit", took=(17, 18), more=FP8),
    Row("PR 1374, A6000 bf16", "flux", 1024, 1, 128, "Adafactor", took=(44.18, 44.18), more=CHECKPOINTED),
    Row(
        "PR 1374, A6000 fp8",
        "flux",
        1024,
        1,
        128,
        "Adafactor",
        took=(33.53, 33.53),
        more=CHECKPOINTED | {"kohya.fp8_base": True},
    ),
    Row("SimpleTuner Lumina", "lumina", 1024, 1, 16, "AdamW", took=(12, 14), more=CHECKPOINTED),
    Row(
        "HunyuanImage doc, plain",
        "hunyuan_image",
        2048,
        1,
        16,
        "AdamW8bit",
        took=(38, 46),
        more=CHECKPOINTED | UNET_ONLY_CACHED,
    ),
    Row(
        "HunyuanImage doc, 12 GB",
        "hunyuan_image",
        2048,
        1,
        16,
        "AdamW8bit",
        fitted=12,
        more=FP8 | {"kohya.blocks_to_swap": 32},
    ),
    Row(
        "HunyuanImage doc, 8 GB",
        "hunyuan_image",
        2048,
        1,
        16,
        "AdamW8bit",
        fitted=8,
        more=FP8 | {"kohya.blocks_to_swap": 37},
    ),
]
MISSED = {"fluxgym 20G": "its text encoders stay on the GPU, by the numbers; its script does not say"}
OFF = {
    "kohya_ss options.md: barely",  # 6.5 GB expected, 6.0 there
    "sd-scripts#648",  # 12.4 GB expected, and more than 12.5 was needed
    "flux_train_network.md, 10 GB",  # 10.4 of 10.3
    "flux_train_network.md, 8 GB",  # 8.5 of 8.2
    "HunyuanImage doc, 8 GB",  # 8.9 of 8.2
    "fluxgym 20G",
}
"""Inside the bounds (but for the last), yet not on the right side by the expected value."""
K = GIB / GB


def usable(card: float) -> float:
    """GB of a card sold with so many GiB."""
    return card * K - 0.4


def bounds(row: Row) -> tuple[float, float, float]:
    """Low, expected and high, in GB."""
    settings = KOHYA | row.more
    found = estimate(recipe(row.family, row.side, row.batch, row.rank, row.optimizer, **settings), row.family)
    return found.low_gib * K, found.estimate_gib * K, found.high_gib * K


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.source)
def test_the_bounds_hold_what_was_published(row: Row) -> None:
    low, expected, high = bounds(row)
    assert low <= expected <= high
    brackets = all(
        (
            row.took is None or (low <= row.took[1] and row.took[0] <= high),
            row.fitted is None or low <= usable(row.fitted),
            row.failed is None or high > usable(row.failed),
        )
    )
    assert brackets == (row.source not in MISSED)


def test_the_expected_value_is_right_for_nearly_all() -> None:
    """Within 12 per cent of what was taken; on the right side of the card's size for the rest."""
    wrong = []
    for row in ROWS:
        _, expected, _ = bounds(row)
        right = all(
            (
                row.took is None or row.took[0] * 0.88 <= expected <= row.took[1] * 1.12,
                row.fitted is None or expected <= usable(row.fitted),
                row.failed is None or expected > usable(row.failed),
            )
        )
        if not right:
            wrong.append(row.source)
    assert set(wrong) == OFF


def test_what_ran_out_of_memory_is_never_said_to_fit() -> None:
    for row in ROWS:
        if row.failed is not None:
            settings = KOHYA | row.more
            one = recipe(row.family, row.side, row.batch, row.rank, row.optimizer, **settings)
            assert not fits(estimate(one, row.family), usable(row.failed) / K)


families = st.sampled_from(sorted(SIZES))
optimizers = st.sampled_from(["AdamW", "AdamW8bit", "Prodigy", "Lion", "Adafactor", "DAdaptAdam", "CAME"])


@st.composite
def settings(draw: st.DrawFn) -> Recipe:
    prompts = draw(st.sampled_from([[], ["a cat"]]))
    return recipe(
        draw(families),
        draw(st.integers(4, 32)) * 64,
        draw(st.integers(1, 16)),
        draw(st.integers(1, 128)),
        draw(optimizers),
        **{
            "training.gradient_checkpointing": draw(st.booleans()),
            "training.precision": draw(st.sampled_from(["no", "bf16"])),
            "optimizer.text_encoder_rate": draw(st.sampled_from([None, 1e-5])),
            "launch.engine": draw(st.sampled_from(["builtin", "kohya"])),
            "samples.prompts": prompts,
        },
    )


@given(settings(), st.integers(1, 8))
def test_memory_grows_with_batch_rank_and_area(one: Recipe, more: int) -> None:
    family = one.base.family
    assert family is not None
    width, height = one.training.resolution
    before = estimate(one, family)
    larger = (
        {"steps.batch_size": one.steps.batch_size + more},
        {"network.rank": one.network.rank + more},
        {"training.resolution": [width + 64 * more, height]},
    )
    for change_ in larger:
        after = estimate(change(one, change_), family)
        assert after.low_gib >= before.low_gib
        assert after.estimate_gib >= before.estimate_gib
        assert after.high_gib >= before.high_gib
    assert after.estimate_gib > 0
    assert sum(before.parts.values()) == pytest.approx(before.estimate_gib)
    assert before.low_gib <= before.estimate_gib <= before.high_gib


@given(settings(), st.floats(1, 160))
def test_the_largest_batch_fits_and_one_more_does_not(one: Recipe, free: float) -> None:
    family = one.base.family
    assert family is not None
    most = largest_batch(one, free, family=family)
    if most:
        assert fits(estimate(change(one, {"steps.batch_size": most}), family), free)
    if most < 256:
        assert not fits(estimate(change(one, {"steps.batch_size": most + 1}), family), free)


def test_a_large_card_needs_no_checkpointing_and_a_small_one_does() -> None:
    one = recipe("sdxl", 1024, 1, 16, "AdamW8bit", **KOHYA | UNET_ONLY_CACHED)
    assert not checkpointing_needed(one, 79, family="sdxl")
    assert checkpointing_needed(one, 11.5, family="sdxl")
    assert largest_batch(one, 139, family="sdxl") > 4 * largest_batch(one, 23, family="sdxl")


def test_unfused_attention_costs_gigabytes() -> None:
    plain = recipe("sd15", 768, 2, 16, "AdamW", **KOHYA | {"kohya.sdpa": False})
    fused = change(plain, {"kohya.sdpa": True})
    assert estimate(plain, "sd15").estimate_gib > estimate(fused, "sd15").estimate_gib + 5


def measured(one: Recipe, peak: float, gpu: str = "GPU A", speed: float | None = None) -> Measurement:
    family = one.base.family or ""
    return Measurement(
        gpu=gpu,
        setting=setting_of(one, family),
        peak_gib=peak,
        modelled_gib=estimate(one, family).estimate_gib,
        seconds_per_step=speed,
        steps=20,
    )


def test_what_was_measured_here_wins() -> None:
    one = recipe("sdxl", 1024, 2, 16, "AdamW8bit", **KOHYA)
    other = change(one, {"steps.batch_size": 4})
    modelled = estimate(one, "sdxl").estimate_gib
    seen = [measured(one, modelled * 0.8)]
    exact, near = estimate(one, "sdxl", "GPU A", seen), estimate(other, "sdxl", "GPU A", seen)
    assert exact.basis == "measured"
    assert exact.estimate_gib == pytest.approx(modelled * 0.8)
    assert near.basis == "corrected"
    assert near.estimate_gib == pytest.approx(estimate(other, "sdxl").estimate_gib * 0.8)
    assert estimate(one, "sdxl", "GPU B", seen).basis == "model"
    assert estimate(change(one, {"training.precision": "fp16"}), "sdxl", "GPU A", seen).basis == "model"


def test_measurements_are_kept_one_for_each_setting(tmp_path: Path) -> None:
    path = tmp_path / "home" / "measured.json"
    one = recipe("sd15", 512, 1, 16, "AdamW")
    first, again, other = measured(one, 4), measured(one, 5, speed=0.2), measured(one, 4, "GPU B")
    assert read_measurements(path) == ()
    for each in (first, other, again):
        remember(path, each)
    assert read_measurements(path) == (other, again)


@pytest.mark.parametrize("text", ["", "{}", "[{}]", "\x00", '[{"gpu": 1}]', "[" * 100_000])
def test_a_damaged_store_holds_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "measured.json"
    path.write_text(text)
    assert read_measurements(path) == ()
    remember(path, measured(recipe("sd15", 512, 1, 16, "AdamW"), 4))
    assert len(read_measurements(path)) == 1


def small(**more: Any) -> Recipe:
    """SDXL at its smallest, in the builtin trainer."""
    return recipe("sdxl", 1024, 1, 8, "AdamW", **{"training.precision": "bf16", **CHECKPOINTED, **more})


def test_a_base_model_in_fewer_bits() -> None:
    """The weights of SDXL's U-Net: 4897 MiB in bf16, 2449 in float8, 1276 in NF4."""
    plain = estimate(small(), "sdxl").parts["model"] * 1024
    eight = estimate(small(**{"kohya.fp8_base_unet": True}), "sdxl").parts["model"] * 1024
    four = estimate(small(**{"training.base_4bit": True}), "sdxl").parts["model"] * 1024
    assert (plain, eight, four) == pytest.approx((4897, 2449, 1276), rel=2e-3)
    # Under sd-scripts it saves nothing without checkpointing: copies in 16 bits wait for the backward pass.
    kohya = {**KOHYA, "kohya.fp8_base_unet": True}
    whole = recipe("sdxl", 1024, 1, 8, "AdamW", **kohya)
    assert estimate(whole, "sdxl").parts["model"] > plain / 1024


def test_fewer_bits_are_advised_only_where_nothing_else_fits() -> None:
    def bits(free: float, before: Recipe) -> dict[str, Any]:
        machine = MachineFacts("a card", free, (8, 6))
        found = {one.key: one for one in advise(before, "sdxl", machine=machine)}
        keys = ("kohya.fp8_base_unet", "training.base_4bit")
        assert all("fit" in found[key].reason for key in keys if key in found)
        return {key: found[key].value for key in keys if key in found}

    def needs(before: Recipe) -> float:
        followed = applied(before, advise(before, "sdxl", machine=MachineFacts("a card", 1.0, (8, 6))))
        return estimate(change(followed, {"training.base_4bit": False}), "sdxl").estimate_gib + 1.1

    plain = needs(small())
    assert bits(plain, small()) == {}
    assert bits(plain - 1, small()) == {"kohya.fp8_base_unet": True}
    assert bits(plain - 2.9, small()) == {"kohya.fp8_base_unet": None, "training.base_4bit": True}
    assert bits(1.0, small()) == {}
    assert bits(plain, small(**{"training.base_4bit": True})) == {"training.base_4bit": False}
    assert bits(needs(small(**KOHYA)) - 2.9, small(**KOHYA)) == {}
