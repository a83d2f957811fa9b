"""What contradicts itself in the wizard's recipe, and the change that mends it."""

from __future__ import annotations

from loratui.advice.contradictions import contradictions as all_contradictions
from loratui.advice.facts import DatasetFacts, ModelFacts
from loratui.advice.network import effective_rate
from loratui.advice.optimizer import kind_of
from loratui.advice.suggestion import Contradiction
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
        changes |= _alphas(state.recipe)
        if not changes:
            break
        for key, value in changes.items():
            state.set(key, value)
        found = True
    return found


def mendable(state: WizardState) -> bool:
    """Whether ``mend`` would change anything."""
    return bool(contradictions(state) or _alphas(state.recipe))


def _alphas(recipe: Recipe) -> dict[str, float]:
    """An alpha above its rank comes down to it."""
    network = recipe.network
    pairs = (("alpha", network.alpha, network.rank), ("conv_alpha", network.conv_alpha, network.conv_rank))
    return {
        f"network.{name}": float(rank)
        for name, alpha, rank in pairs
        if alpha is not None and rank is not None and alpha > rank
    }


def effective(recipe: Recipe) -> str:
    """What alpha makes of the rate, in words."""
    network, optimizer = recipe.network, recipe.optimizer
    kind = kind_of(optimizer.name)
    strength = f"alpha / rank = {network.alpha / network.rank:.3g}"
    if kind and kind.finds_its_rate:
        return f"{optimizer.name} finds its rate; {strength} scales it"
    rate = effective_rate(optimizer.unet_rate, network.rank, network.alpha)
    return f"effective rate {rate:.2g} = {optimizer.unet_rate:g} x {strength}"
