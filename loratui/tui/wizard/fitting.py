"""What a model, a purpose and a set of pictures suggest for settings that nobody has decided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loratui.advice.network import network_advice
from loratui.families import FAMILIES
from loratui.problems import Problem
from loratui.tui.wizard.facts import DatasetFacts, precision
from loratui.tui.wizard.lengths import lengths, save_interval

if TYPE_CHECKING:
    from loratui.tui.wizard.state import WizardState


def fitting(state: WizardState) -> dict[str, Any]:
    """Values by dotted key."""
    changes: dict[str, Any] = {}
    model = state.model
    if model is not None and not isinstance(model, Problem) and model.family in FAMILIES:
        changes |= _for_model(state, model.family)
        if model.prediction is not None:
            changes["base.prediction"] = model.prediction
    if isinstance(state.dataset, DatasetFacts):
        shown = sum(picture.repeats for picture in state.dataset.scan.train_pictures)
        changes["steps.epochs"] = lengths(state.recipe.dataset.purpose, shown)[1].epochs
        if state.recipe.dataset.folder:
            from loratui.tui.wizard.state import suggested_name

            changes["output.name"] = suggested_name(state.recipe.dataset.folder)
    if state.recipe.steps.target is not None:
        changes.pop("steps.epochs", None)
    epochs = state.recipe.steps.epochs if "steps.epochs" in state.decided else changes.get("steps.epochs")
    if epochs is not None:
        for key in ("output.save_every_epochs", "samples.every_epochs"):
            changes[key] = save_interval(epochs)
    return changes


def _for_model(state: WizardState, family_name: str) -> dict[str, Any]:
    family = FAMILIES[family_name]
    side = family.resolution
    changes: dict[str, Any] = {
        "base.family": family_name,
        "training.resolution": (side, side),
        "training.bucket_max": max(1024, side * 2 if side >= 1024 else side),
        "training.bucket_step": 64,
        "training.precision": precision(),
        "launch.engine": "builtin" if family.builtin else "kohya",
    }
    if "network.rank" not in state.decided and "network.alpha" not in state.decided:
        for advice in network_advice(state.recipe.dataset.purpose, family_name)[:2]:
            changes[advice.key] = advice.value
    if state.recipe.optimizer.name.lower().startswith("adamw"):
        for advice in network_advice(state.recipe.dataset.purpose, family_name)[2:]:
            changes[advice.key] = advice.value
    return changes
