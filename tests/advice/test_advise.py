"""All advice together: followed, it leaves no contradiction; and each contradiction is found and mended."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loratui.advice.advise import advise
from loratui.advice.contradictions import contradictions, refusal_problems
from loratui.advice.facts import DatasetFacts, MachineFacts, ModelFacts
from loratui.advice.optimizer import KINDS, optimizer_advice
from loratui.advice.suggestion import Suggestion, applied
from loratui.families import FAMILIES
from loratui.recipe import Purpose, Recipe, change, check

GOOD = change(
    Recipe(),
    {"base.model": "m.safetensors", "base.family": "sd15", "dataset.folder": "d", "steps.epochs": 10},
)
rates = st.sampled_from([0.0, 1e-9, 4e-7, 1e-5, 1e-4, 5e-4, 0.05, 1.0, 30.0])
names = st.sampled_from([*KINDS, "AdamW", "Prodigy", "CAME"])


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    rank = draw(st.integers(1, 256))
    family = draw(st.sampled_from(sorted(FAMILIES)))
    by_epochs = draw(st.booleans())
    side = draw(st.integers(4, 32)) * 64
    kind = draw(st.sampled_from(["lora", "locon", "loha", "lokr"]))
    switches = draw(
        st.sets(
            st.sampled_from(
                [
                    "cache_text_encoder_outputs",
                    "scale_v_pred_loss_like_noise_pred",
                    "color_aug",
                    "random_crop",
                    "full_bf16",
                    "full_fp16",
                    "v2",
                    "noise_offset_random_strength",
                ]
            )
        )
    )
    numbers = draw(
        st.sets(st.sampled_from(["v_pred_like_loss", "adaptive_noise_scale", "caption_dropout_rate"]))
    )
    return change(
        GOOD,
        {
            "base.family": family,
            "base.prediction": draw(st.sampled_from(["epsilon", "v", "flow"])),
            "base.zero_terminal_snr": draw(st.booleans()),
            "dataset.purpose": draw(st.sampled_from(get_args(Purpose))),
            "dataset.shuffle_captions": draw(st.booleans()),
            "steps.epochs": draw(st.integers(1, 500)) if by_epochs else None,
            "steps.target": None if by_epochs else draw(st.integers(1, 50_000)),
            "steps.batch_size": draw(st.integers(1, 16)),
            "steps.accumulation": draw(st.integers(1, 4)),
            "network.type": kind,
            "network.rank": rank,
            "network.alpha": draw(st.floats(0.01, rank)),
            "network.conv_rank": 16 if kind == "locon" else None,
            "optimizer.name": draw(names),
            "optimizer.unet_rate": draw(rates),
            "optimizer.text_encoder_rate": draw(st.none() | rates),
            "optimizer.schedule": draw(st.sampled_from(["constant", "cosine", "adafactor:1e-4"])),
            "optimizer.warmup": draw(st.sampled_from([0.0, 0.1, 100.0])),
            "training.resolution": [side, side],
            "training.bucket_min": min(side, 1024),
            "training.bucket_max": max(side, 1024),
            "training.noise_offset": draw(st.sampled_from([None, 0.0, 0.05])),
            "training.precision": draw(st.sampled_from(["no", "fp16", "bf16"])),
            "launch.engine": draw(st.sampled_from(["builtin", "kohya"])),
            **{f"kohya.{key}": True for key in switches},
            **{f"kohya.{key}": 0.1 for key in numbers},
        },
    )


@st.composite
def datasets(draw: st.DrawFn) -> DatasetFacts | None:
    if draw(st.booleans()):
        return None
    images, repeats = draw(st.integers(1, 500)), draw(st.integers(1, 40))
    shown = images * repeats
    first = draw(st.integers(0, shown - 1))
    return DatasetFacts(images, shown, tuple(n for n in (first, shown - first) if n))


models = st.builds(
    ModelFacts,
    st.sampled_from(["m", "ponyDiffusionV6XL.safetensors", "AnyLoRA.safetensors"]),
    st.sampled_from([None, "epsilon", "v"]),
    st.sampled_from([None, True, False]),
)
machines = st.none() | st.builds(
    MachineFacts, st.just("GPU A"), st.floats(2, 140), st.sampled_from([None, (7, 5), (9, 0)])
)


@given(recipes(), datasets(), models, machines)
def test_following_all_advice_leaves_no_contradiction(
    recipe: Recipe, dataset: DatasetFacts | None, model: ModelFacts, machine: MachineFacts | None
) -> None:
    assert check(recipe) == []
    family = recipe.base.family
    assert family is not None
    found = advise(recipe, family, dataset, model, machine)
    followed = applied(recipe, found)
    assert check(followed) == []
    assert contradictions(followed, family, dataset, model) == ()
    assert list(refusal_problems(followed)) == []
    assert len({one.key for one in found}) == len(found)
    kept = ("launch.engine", "dataset.purpose", "network.type", "optimizer.name")
    assert not {key for key, _, _ in recipe.diff(followed)} & set(kept)


@given(recipes(), models, machines)
def test_every_single_advice_fits_a_recipe_and_has_its_reason(
    recipe: Recipe, model: ModelFacts, machine: MachineFacts | None
) -> None:
    for one in advise(recipe, recipe.base.family or "", None, model, machine):
        change(recipe, {one.key: one.value})
        assert one.reason.endswith(".")
        assert one.source
        if one.low is not None and one.high is not None and isinstance(one.value, int | float):
            assert one.low <= one.value <= one.high, one


@given(recipes(), datasets(), models)
def test_every_contradiction_has_a_change_that_fits(
    recipe: Recipe, dataset: DatasetFacts | None, model: ModelFacts
) -> None:
    for one in contradictions(recipe, recipe.base.family or "", dataset, model):
        assert one.problem.key
        assert one.problem.fix
        assert one.source
        mended = applied(recipe, [Suggestion(key, value, "", "") for key, value in one.change.items()])
        assert mended != recipe
        left = contradictions(mended, recipe.base.family or "", dataset, model)
        assert one not in left


KOHYA: dict[str, Any] = {"launch.engine": "kohya"}
SDXL = KOHYA | {"base.family": "sdxl"}
HALF = {"training.precision": "fp16", "kohya.full_fp16": True}
CACHED = SDXL | {"kohya.cache_text_encoder_outputs": True}


@pytest.mark.parametrize("engine", ["builtin", "kohya"])
@pytest.mark.parametrize(
    ("changes", "key"),
    [
        (
            {"optimizer.name": "Prodigy", "optimizer.unet_rate": 1.0, "optimizer.text_encoder_rate": 0.5},
            "optimizer.text_encoder_rate",
        ),
        ({"kohya.scale_v_pred_loss_like_noise_pred": True}, "kohya.scale_v_pred_loss_like_noise_pred"),
        ({"kohya.v_pred_like_loss": 0.1, "base.prediction": "v"}, "kohya.v_pred_like_loss"),
        ({"kohya.adaptive_noise_scale": 0.1}, "kohya.adaptive_noise_scale"),
        (HALF | {"optimizer.name": "AdamW"}, "kohya.full_fp16"),
    ],
)
def test_what_both_trainers_die_of_is_refused(engine: str, changes: dict[str, Any], key: str) -> None:
    recipe = change(GOOD, changes | {"launch.engine": engine})
    assert [problem.key for problem in refusal_problems(recipe)] == [key]


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        (CACHED | {"optimizer.text_encoder_rate": 1e-5}, "optimizer.text_encoder_rate"),
        (CACHED | {"dataset.shuffle_captions": True}, "dataset.shuffle_captions"),
        (CACHED | {"kohya.caption_dropout_rate": 0.1}, "kohya.caption_dropout_rate"),
        (KOHYA | {"optimizer.schedule": "constant", "optimizer.warmup": 0.1}, "optimizer.warmup"),
        (KOHYA | {"kohya.color_aug": True}, "kohya.color_aug"),
        (KOHYA | {"kohya.full_bf16": True, "training.precision": "fp16"}, "kohya.full_bf16"),
        (KOHYA | {"base.family": "sd2", "kohya.v2": False}, "kohya.v2"),
        (SDXL | {"kohya.v2": True}, "kohya.v2"),
        ({"optimizer.unet_rate": 0.0}, "optimizer.unet_rate"),
    ],
)
def test_what_one_trainer_dies_of_is_refused(changes: dict[str, Any], key: str) -> None:
    assert [problem.key for problem in refusal_problems(change(GOOD, changes))] == [key]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"optimizer.name": "Prodigy", "optimizer.unet_rate": 1e-4}, "finds its own rate"),
        ({"optimizer.name": "AdamW", "optimizer.unet_rate": 1.0}, "runs away"),
        ({"base.prediction": "v", "training.noise_offset": 0.05}, "noise offset"),
        ({"base.zero_terminal_snr": True}, "last timestep"),
        ({"steps.epochs": None, "steps.target": 20_000}, "more than 10000"),
        ({"network.rank": 128, "network.alpha": 1.0}, "hardly show"),
        ({"optimizer.name": "Adafactor", "optimizer.unet_rate": 5e-4}, "picks its own rate"),
        ({"optimizer.name": "Adafactor", "optimizer.unet_rate": 4e-7}, "hardly show"),
        ({"steps.epochs": 200}, "200 times"),
    ],
)
def test_what_is_paid_for_in_vain_is_said(changes: dict[str, Any], words: str) -> None:
    dataset = DatasetFacts(10, 10, (10,))
    found = [one for one in contradictions(change(GOOD, changes), "sd15", dataset) if not one.fatal]
    assert any(words in one.problem.message for one in found)
    assert list(refusal_problems(change(GOOD, changes))) == []


def test_a_sound_recipe_has_no_contradiction() -> None:
    assert contradictions(GOOD, "sd15", DatasetFacts(20, 200, (200,))) == ()


def test_the_1600_trap() -> None:
    found = contradictions(GOOD, "sd15", length_unsaid=True)
    assert ["1600" in one.problem.message for one in found] == [True]


def advice(family: str, **changes: Any) -> dict[str, Any]:
    model = ModelFacts(changes.pop("name", "m"), changes.pop("prediction", None))
    recipe = change(GOOD, {"base.family": family, **changes})
    return {one.key: one.value for one in advise(recipe, family, None, model)}


def test_values_people_know() -> None:
    adamw = advice("sd15")
    assert (adamw["optimizer.unet_rate"], adamw["optimizer.text_encoder_rate"]) == (1e-4, 5e-5)
    assert (adamw["network.rank"], adamw["network.alpha"]) == (16, 8)
    prodigy = advice("sd15", **{"optimizer.name": "Prodigy"})
    assert (prodigy["optimizer.unet_rate"], prodigy["optimizer.text_encoder_rate"]) == (1, 1)
    assert "use_bias_correction=True" in prodigy["optimizer.arguments"]
    dadapt = advice("sdxl", **{"optimizer.name": "DAdaptAdam", **KOHYA})
    assert dadapt["network.alpha"] == dadapt["network.rank"]
    assert dadapt["optimizer.text_encoder_rate"] is None
    assert advice("sd15", **{"optimizer.name": "Lion"})["optimizer.unet_rate"] == pytest.approx(2e-5)


def test_noise_captions_and_models() -> None:
    v = advice("sdxl", prediction="v", **KOHYA)
    assert v["base.prediction"] == "v"
    assert v["training.noise_offset"] is None
    eps = advice("sdxl", **KOHYA, **{"dataset.shuffle_captions": True})
    assert eps["training.noise_offset"] == 0.0357
    assert eps["dataset.keep_tokens"] == 1
    assert eps["kohya.no_half_vae"] is True
    assert eps["kohya.min_snr_gamma"] == 5.0
    assert eps["training.resolution"] == [1024, 1024]
    assert advice("sd15", name="AnyLoRA_noVae.safetensors")["training.clip_skip"] == 2
    assert advice("sdxl", name="ponyDiffusionV6XL.safetensors")["training.clip_skip"] == 2
    assert advice("sd15", name="v1-5-pruned.safetensors")["training.clip_skip"] == 1
    assert advice("flux", **KOHYA)["base.prediction"] == "flow"
    assert "kohya.min_snr_gamma" not in advice("flux", **KOHYA)


def test_an_unknown_optimizer_is_left_alone() -> None:
    found = {one.key for one in optimizer_advice(change(GOOD, {"optimizer.name": "CAME"}), "sd15")}
    assert found == {"network.rank", "network.alpha"}
