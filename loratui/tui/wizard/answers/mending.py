"""What contradicts itself in the wizard's recipe, and the change that mends it."""

from __future__ import annotations

from loratui.advice.contradictions import contradictions as all_contradictions
from loratui.advice.facts import DatasetFacts, ModelFacts
from loratui.advice.suggestion import Contradiction
from loratui.advice.training import smallest_side
from loratui.models.inspect import ModelFile
from loratui.recipe import Recipe
from loratui.tui.wizard.answers.state import WizardState

_ROUNDS = 6


def contradictions(state: WizardState) -> tuple[Contradiction, ...]:
    """Refusals first; none until the family is known."""
    family = state.recipe.base.family
    if family is None:
        return ()
    count = state.count
    dataset = DatasetFacts.of(count) if count is not None and count.buckets else None
    model = ModelFacts.of(state.model) if isinstance(state.model, ModelFile) else ModelFacts("")
    return all_contradictions(state.recipe, family, dataset, model)


def mend(state: WizardState) -> bool:
    """Make every change that mends a contradiction. Returns whether there was one."""
    found = False
    for _ in range(_ROUNDS):
        changes = {key: value for one in contradictions(state) for key, value in one.change.items()}
        changes |= _alphas(state.recipe) | _sides(state.recipe)
        if not changes:
            break
        for key, value in changes.items():
            state.set(key, value)
        found = True
    return found


def mendable(state: WizardState) -> bool:
    """Whether ``mend`` would change anything."""
    return bool(contradictions(state) or _alphas(state.recipe) or _sides(state.recipe))


def _alphas(recipe: Recipe) -> dict[str, float]:
    """An alpha above its rank comes down to it."""
    network = recipe.network
    pairs = (("alpha", network.alpha, network.rank), ("conv_alpha", network.conv_alpha, network.conv_rank))
    return {
        f"network.{name}": float(rank)
        for name, alpha, rank in pairs
        if alpha is not None and rank is not None and alpha > rank
    }


def _sides(recipe: Recipe) -> dict[str, int]:
    """The sides of buckets that leave the resolution out come to where it is."""
    training = recipe.training
    if not training.buckets:
        return {}
    shorter, longer = min(training.resolution), max(training.resolution)
    found = {}
    if training.bucket_min > shorter:
        found["training.bucket_min"] = smallest_side(training.resolution)
    if training.bucket_max < longer:
        found["training.bucket_max"] = longer
    return found
