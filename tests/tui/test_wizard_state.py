"""The wizard without screens: what advice may move, and which answers count."""

from __future__ import annotations

from pathlib import Path

import pytest

from loratui.models.inspect import ModelFile
from loratui.problems import Problem
from loratui.recipe import Recipe, Steps, change
from loratui.tui.wizard.lengths import lengths
from loratui.tui.wizard.state import WizardState

GONE = Problem("base.model", "there is no such model.")


def model(family: str) -> ModelFile:
    return ModelFile(Path("/m"), "base", family, "epsilon", False, True, ("told",))


def test_advice_follows_the_model_until_a_person_decides() -> None:
    state = WizardState()
    state.type("base.model", "/m")
    state.take_model("/m", model("sdxl"))
    recipe = state.recipe
    assert (recipe.base.family, recipe.training.resolution, recipe.launch.engine) == (
        "sdxl",
        (1024, 1024),
        "builtin",
    )
    state.type("network.alpha", "4", "number")
    state.set("dataset.purpose", "style")
    assert (state.recipe.network.rank, state.recipe.network.alpha) == (16, 4.0)
    state.type("base.model", "/n")
    state.take_model("/n", model("flux"))
    assert (state.recipe.base.family, state.recipe.launch.engine) == ("flux", "kohya")


def test_a_whole_recipe_is_left_as_it_is() -> None:
    given = change(
        Recipe(steps=Steps(epochs=3)),
        {"base.model": "/m", "dataset.folder": "/d", "training.resolution": [640, 640], "network.rank": 4},
    )
    given = change(given, {"network.alpha": 1.0})
    state = WizardState(given)
    state.take_model("/m", model("sdxl"))
    assert state.recipe == given


def test_an_answer_to_an_older_question_is_dropped() -> None:
    state = WizardState()
    state.type("base.model", "/typed/fir")
    state.type("base.model", "/typed/first")
    state.take_model("/typed/fir", GONE)
    assert state.problems(1) == []
    assert state.wanted_model == "/typed/first"
    state.take_model("/typed/first", GONE)
    assert state.problems(1) == [GONE]


def test_a_rank_below_a_typed_alpha_is_refused_and_named() -> None:
    state = WizardState(change(Recipe(steps=Steps(epochs=3)), {"base.model": "/m", "dataset.folder": "/d"}))
    state.type("network.alpha", "8", "number")
    state.choose_rank(4)
    assert [problem.key for problem in state.problems(6)] == ["network.alpha"]
    assert state.first_problem() == 6


@pytest.mark.parametrize("shown", [1, 24, 240, 10_000])
def test_lengths_grow_and_are_never_nothing(shown: int) -> None:
    quick, normal, thorough = lengths("character", shown)
    assert 1 <= quick.epochs <= normal.epochs <= thorough.epochs
    assert normal.epochs == max(1, round(2000 / shown))
