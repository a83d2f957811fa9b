"""The wizard's answers without its screens: a folder and at most five words become a whole recipe."""

from __future__ import annotations

from pathlib import Path

from loratui.advice.length import Effort
from loratui.advice.presets import find
from loratui.models.inspect import ModelFile
from loratui.places import expanded
from loratui.problems import Problem, UserError
from loratui.recipe import Purpose, Recipe, Steps
from loratui.tui.wizard.answers import facts, model_facts
from loratui.tui.wizard.answers.state import WizardState
from loratui.tui.wizard.panes import arranging
from loratui.tui.wizard.steps import REVIEW


def answered(
    folder: Path,
    *,
    model: str = "",
    purpose: Purpose | None = None,
    trigger: str | None = None,
    effort: Effort = "balanced",
    preset: str = "",
) -> WizardState:
    """Everything derived as on Review. What is left out is proposed as the screens would.

    Raises ``UserError`` with what is in the way of any of the five questions. A plain folder of pictures is
    arranged with links, as the screens do it; a dataset_config names several.
    """
    state = WizardState(Recipe(steps=Steps(epochs=10)), effort=effort)
    state.set("dataset.folder", str(expanded(folder).absolute()))
    state.take_machine(facts.read_machine())
    _answer_model(state, model)
    if purpose is not None:
        state.set("dataset.purpose", purpose)
    if preset:
        state.choose_preset(find(preset))
    if trigger is not None:
        state.set("dataset.trigger", trigger)
    _answer_pictures(state)
    wrong = [problem for step in range(1, REVIEW) for problem in state.problems(step)]
    if wrong:
        raise UserError("", *wrong)
    return state


def _answer_model(state: WizardState, model: str) -> None:
    if not model:
        from loratui.tui.wizard.panes.offers import offers

        here = [offer for offer in offers().rows if offer.here and not offer.is_demo]
        if not here:
            raise UserError(
                "",
                Problem(
                    "--model",
                    "no base model is on this disk.",
                    "Name one: --model illustrious (loratui models).",
                ),
            )
        model = here[0].model
    elif expanded(model).exists():
        model = str(expanded(model).absolute())
    state.type("base.model", model)
    found = model_facts.read_model(model)
    if isinstance(found, ModelFile) and not found.trainable:
        raise UserError(model, Problem("base.model", "no engine here trains this family.", "Choose another."))
    state.take_model(model, found)


def _answer_pictures(state: WizardState) -> None:
    for _ in range(2):
        key = state.wanted_dataset
        if key is None:
            return
        found = facts.read_dataset(*key)
        state.take_dataset(key, found)
        if isinstance(found, arranging.Unarranged):
            made = arranging.arrange_links(key[0], state.recipe.dataset.trigger)
            if isinstance(made, Problem):
                raise UserError("", made)
            state.set("dataset.folder", made)
