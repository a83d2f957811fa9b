"""Whatever is answered: the engine accepts it, TOML keeps it, the steps shown are those of config.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loratui import kohya_config
from loratui.advice.contradictions import contradictions
from loratui.advice.facts import MachineFacts
from loratui.advice.length import EFFORTS
from loratui.advice.presets import presets
from loratui.advice.steps import count_config
from loratui.engines import config
from loratui.engines.registry import engine
from loratui.models.inspect import ModelFile
from loratui.recipe import Dataset, Purpose, Recipe, Steps, dumps, loads
from loratui.runs.hardware.machine import Machine
from loratui.tui.wizard.answers import facts, model_facts
from loratui.tui.wizard.answers.mending import mend
from loratui.tui.wizard.answers.state import WizardState

SUITABLE = ["", *(name for name, preset in presets().items() if preset.suits("sd15", ""))]
GPUS = [None, ("RTX 3060", 11.5, (8, 6)), ("Tesla T4", 14.6, (7, 5)), ("H100", 79.0, (9, 0))]
OPTIMIZERS = ["AdamW", "AdamW8bit", "Prodigy", "Lion", "Adafactor", "DAdaptAdam"]

answers = st.fixed_dictionaries(
    {
        "purpose": st.sampled_from(get_args(Purpose)),
        "effort": st.sampled_from(list(EFFORTS)),
        "preset": st.sampled_from(SUITABLE),
        "gpu": st.sampled_from(GPUS),
        "trigger": st.sampled_from([None, "", "ohwx", "sks"]),
        "optimizer": st.sampled_from([None, *OPTIMIZERS]),
        "network": st.sampled_from([None, "lora", "locon"]),
        "rank": st.sampled_from([None, 1, 4, 33, 128]),
        "batch": st.sampled_from([None, 1, 3, 8]),
        "epochs": st.sampled_from([None, 1, 7, 40]),
        "engine": st.sampled_from([None, "builtin", "kohya"]),
    }
)


def wizard(given_answers: dict[str, Any], recipe: Recipe, looked: tuple[Any, Any]) -> WizardState:
    """A person who answers, chooses and types."""
    state = WizardState(Recipe(dataset=Dataset(folder=recipe.dataset.folder), steps=Steps(epochs=10)))
    model, dataset = looked
    state.type("base.model", recipe.base.model)
    state.take_model(recipe.base.model, model)
    key = state.wanted_dataset
    assert key is not None
    state.take_dataset(key, dataset)
    gpu = given_answers["gpu"]
    state.take_machine(Machine(MachineFacts(*gpu) if gpu else None, "", (), 10**12, None))
    state.set("dataset.purpose", given_answers["purpose"])
    state.choose_effort(given_answers["effort"])
    if given_answers["preset"]:
        state.choose_preset(presets()[given_answers["preset"]])
    for name, setting, kind in (
        ("trigger", "dataset.trigger", "text"),
        ("optimizer", "optimizer.name", "text"),
        ("network", "network.type", "text"),
        ("rank", "network.rank", "whole"),
        ("batch", "steps.batch_size", "whole"),
        ("epochs", "steps.epochs", "whole"),
        ("engine", "launch.engine", "text"),
    ):
        if given_answers[name] is not None:
            state.type(setting, str(given_answers[name]), kind)  # type: ignore[arg-type]
    return state


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answers)
def test_whatever_the_wizard_makes_can_be_trained(demo_recipe: Recipe, given_answers: dict[str, Any]) -> None:
    model = model_facts.read_model(demo_recipe.base.model)
    dataset = facts.read_dataset(demo_recipe.dataset.folder, None, ".txt")
    assert isinstance(model, ModelFile)
    state = wizard(given_answers, demo_recipe, (model, dataset))
    mend(state)  # what Review's f does; what it leaves is the engine's to refuse
    recipe = state.recipe

    found = engine(recipe.launch.engine).supports(recipe)
    missing_here = ("launch.engine", "optimizer.name")  # sd-scripts or a package that is not installed
    assert [problem for problem in found if problem.key not in missing_here] == []
    assert not any(one.fatal for one in contradictions(recipe, "sd15"))

    assert loads(dumps(recipe)) == recipe

    flat = kohya_config.flatten(config.to_kohya(recipe, Path("run")))
    counted = count_config(flat, config.script_of(recipe))
    assert state.count is not None
    assert counted.total_steps == state.count.total_steps > 0
    assert counted.epochs == state.count.epochs
