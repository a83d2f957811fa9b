"""What in a recipe contradicts itself: what a trainer dies of, and what costs a run for nothing."""

from __future__ import annotations

from collections.abc import Iterator

from loratui.advice.facts import DatasetFacts, ModelFacts
from loratui.advice.refusals import refusals
from loratui.advice.suggestion import Contradiction
from loratui.advice.waste import waste
from loratui.problems import Problem
from loratui.recipe import Recipe


def contradictions(
    recipe: Recipe,
    family: str,
    dataset: DatasetFacts | None = None,
    model: ModelFacts | None = None,
    *,
    length_unsaid: bool = False,
) -> tuple[Contradiction, ...]:
    """All of them, refusals first.

    ``length_unsaid``: a Kohya config named neither steps nor epochs, and sd-scripts' 1600 steps hold.
    """
    return (*refusals(recipe, family), *waste(recipe, family, dataset, model, length_unsaid=length_unsaid))


def refusal_problems(recipe: Recipe) -> Iterator[Problem]:
    """What the recipe's engine would die of, for ``Engine.supports``. Looks at no file."""
    for one in refusals(recipe, recipe.base.family or ""):
        yield one.problem
