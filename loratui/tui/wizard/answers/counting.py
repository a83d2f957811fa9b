"""The exact number of steps of a recipe over pictures that are already known."""

from __future__ import annotations

from loratui.advice.counting import StepCount, count_parts
from loratui.advice.steps import count as count_steps
from loratui.dataset.buckets import Bucketing
from loratui.families import FAMILIES
from loratui.recipe import Recipe
from loratui.tui.wizard.answers.facts import DatasetFacts


def count(recipe: Recipe, dataset: DatasetFacts) -> StepCount:
    """Touches no disk."""
    training, steps = recipe.training, recipe.steps
    family = FAMILIES.get(recipe.base.family or "")
    divisor = family.bucket_step if family else 1
    if dataset.named is not None:
        return count_parts(
            dataset.named.parts(recipe),
            steps.accumulation,
            steps.epochs,
            steps.target,
            recipe.launch.num_processes,
            divisor=divisor,
        )
    bucketing = Bucketing(
        training.resolution,
        training.buckets,
        training.bucket_min,
        training.bucket_max,
        training.bucket_step,
        training.bucket_no_upscale,
    )
    return count_steps(
        dataset.scan,
        bucketing,
        steps.batch_size,
        steps.accumulation,
        steps.epochs,
        steps.target,
        recipe.launch.num_processes,
        divisor=divisor,
    )
