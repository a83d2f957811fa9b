"""The wizard without its screens: one recipe, what was typed into it, and what the disk says about it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from loratui.problems import Problem, UserError
from loratui.recipe import Recipe, Steps, change, check, flatten
from loratui.tui.wizard.answers.decided import OF_A_LENGTH, OF_A_MODEL, Decided, decided_in
from loratui.tui.wizard.answers.facts import DatasetFacts
from loratui.tui.wizard.answers.values import Kind, shown, typed_value
from loratui.tui.wizard.panes import named_sets
from loratui.tui.wizard.steps import REVIEW, step_of, step_of_config_key

if TYPE_CHECKING:
    from loratui.advice.counting import StepCount
    from loratui.advice.length import Effort
    from loratui.advice.presets import Preset
    from loratui.advice.suggestion import Suggestion
    from loratui.models.inspect import ModelFile
    from loratui.runs.hardware.machine import Machine

_ROUNDS = 3
"""Advice on one setting may move another; it settles at once in practice."""

DatasetKey = tuple[str, str | None, str, named_sets.Elsewhere]


class WizardState:
    """One frozen recipe and everything known about it. ``decided`` are the settings a person chose: advice
    moves only the others.

    A recipe that is ``whole`` (a run once more, a recipe from a file) is decided in everything but what is
    opened again. ``parent`` is the run it was copied from.
    """

    def __init__(
        self,
        recipe: Recipe | None = None,
        *,
        decided: Decided | None = None,
        effort: Effort = "balanced",
        preset: str = "",
        parent: tuple[str, Recipe] | None = None,
    ) -> None:
        self.recipe = recipe or Recipe(steps=Steps(epochs=10))
        self.decided = decided or decided_in(self.recipe)
        self.effort: Effort = effort
        self.preset = preset
        self.parent = parent
        self.typed: dict[str, tuple[str, Problem]] = {}
        """Text that is no valid value yet, and why, by dotted key."""
        self.why: dict[str, Suggestion] = {}
        """What is advised for each setting, whether or not it was followed."""
        self.model: ModelFile | Problem | None = None
        self.dataset: DatasetFacts | Problem | None = None
        self.machine: Machine | None = None
        self.checks: tuple[Problem, ...] | None = None
        self._model_key = ""
        self._dataset_key: DatasetKey | None = None
        self._checks_key: Recipe | None = None
        self._count_key: object = None
        self._count: StepCount | None = None
        self._model_typed = False

    # What a person does

    def set(self, key: str, value: Any) -> None:
        """A decision, as a value. Raises ``UserError`` for one that does not fit."""
        self._put(named_sets.changes(value) if key == "dataset.folder" else {key: value})
        self._decide(key)

    def type(self, key: str, text: str, kind: Kind = "text") -> None:
        """A decision, as typed. What does not fit is kept beside the recipe, with the reason."""
        try:
            value = typed_value(key, text, kind)
            self._put(named_sets.changes(value) if key == "dataset.folder" else {key: value})
        except UserError as error:
            self.decided.add(key)
            self.typed[key] = (text, error.problems[0])
            return
        self._decide(key)

    def propose_model(self, model: str) -> None:
        """A model to begin with that nobody has chosen yet."""
        self._put({"base.model": model})

    def _decide(self, key: str) -> None:
        self.decided.add(key)
        self.typed.pop(key, None)
        if key in ("steps.epochs", "steps.target"):
            other = "steps.target" if key == "steps.epochs" else "steps.epochs"
            if flatten(self.recipe)[key] is not None:
                self._put({other: None})
            self.decided.add(other)
            self.typed.pop(other, None)
        self._model_typed = self._model_typed or key == "base.model"
        if key != "base.model":  # nothing is known of another model yet
            self.fit()

    def forget(self, key: str) -> None:
        """Back to what is advised."""
        self.decided.open(key)
        self.typed.pop(key, None)
        if key in ("steps.epochs", "steps.target"):
            self.decided.open("steps.epochs", "steps.target")
        self.fit()

    def choose_effort(self, effort: Effort) -> None:
        """Quick, balanced or thorough: epochs and checkpoints follow."""
        self.effort = effort
        self.decided.open(*OF_A_LENGTH)
        for key in OF_A_LENGTH:
            self.typed.pop(key, None)
        self.fit()

    def choose_preset(self, preset: Preset | None) -> None:
        """A preset's values, decided in its name; the values of the one before are advised anew."""
        from loratui.advice.presets import find

        if self.preset:
            left = find(self.preset).values
            defaults = flatten(Recipe(steps=Steps(epochs=10)))
            self._put({key: defaults.get(key) for key in left})
            self.decided.open(*left)
        self.preset = preset.name if preset else ""
        if preset is not None:
            values = dict(preset.values)
            self._put(values)
            self.decided.add(*values)
            for key in values:
                self.typed.pop(key, None)
        self.fit()

    def text(self, key: str) -> str:
        """What a field shows: what was typed, else the value."""
        if key in self.typed:
            return self.typed[key][0]
        if key == "dataset.folder":
            return named_sets.shown(self.recipe)
        return shown(flatten(self.recipe).get(key))

    # What the disk says

    @property
    def wanted_model(self) -> str | None:
        """The model to look at, when that has not been done yet."""
        model = self.recipe.base.model
        return model if model and model != self._model_key else None

    def take_model(self, model: str, found: ModelFile | Problem) -> None:
        """The answer for a model; one for a model that is no longer meant is dropped."""
        if model != self.recipe.base.model:
            return
        self._model_key, self.model = model, found
        told = None if isinstance(found, Problem) else found.family
        if self._model_typed and told != self.recipe.base.family:
            self.decided.open(*OF_A_MODEL)
        self.fit()

    @property
    def wanted_dataset(self) -> DatasetKey | None:
        """The folders to read, when that has not been done yet."""
        key = self._pictures
        return key if named_sets.shown(self.recipe) and key != self._dataset_key else None

    @property
    def _pictures(self) -> DatasetKey:
        dataset = self.recipe.dataset
        said = named_sets.elsewhere(self.recipe)
        return dataset.folder, dataset.regularization, dataset.caption_extension, said

    def reread_dataset(self) -> None:
        """What is known of the dataset no longer holds: it was mended."""
        self._dataset_key = None

    def take_dataset(self, key: DatasetKey, found: DatasetFacts | Problem) -> None:
        """The answer for a dataset; dropped when another is meant by now."""
        if key != self._pictures:
            return
        self._dataset_key, self.dataset = key, found
        self._count_key = None  # a folder that was mended keeps its name
        self.fit()

    def look_again(self) -> None:
        """The disk has changed: ask for everything once more."""
        self._model_key, self._dataset_key, self._checks_key = "", None, None

    def take_machine(self, machine: Machine) -> None:
        """The GPU, the disk and what was measured here."""
        self.machine = machine
        self.fit()

    def ask_engine_again(self) -> None:
        """What the engine said may no longer be so."""
        self._checks_key = None

    @property
    def wanted_checks(self) -> Recipe | None:
        """The recipe to show to its engine, when that has not been done yet."""
        return self.recipe if self.recipe is not self._checks_key else None

    def take_checks(self, recipe: Recipe, problems: tuple[Problem, ...]) -> None:
        """The engine's answer; dropped when the recipe has changed since."""
        if recipe is not self.recipe:
            return
        self._checks_key, self.checks = recipe, problems

    @property
    def count(self) -> StepCount | None:
        """The exact number of steps; None until the pictures are known."""
        if not isinstance(self.dataset, DatasetFacts) or self.wanted_dataset is not None:
            return None
        recipe = self.recipe
        processes = recipe.launch.num_processes
        key = (self._dataset_key, recipe.training, recipe.steps, recipe.base.family, processes)
        if key != self._count_key:
            from loratui.tui.wizard.answers.counting import count

            self._count_key, self._count = key, count(recipe, self.dataset)
        return self._count

    @property
    def trigger_is_said(self) -> bool:
        """Whether a trigger word that somebody chose stands in every caption."""
        trigger = self.recipe.dataset.trigger
        if not trigger or "dataset.trigger" not in self.decided or not isinstance(self.dataset, DatasetFacts):
            return False
        found, total = self.dataset.says(trigger)
        return found == total > 0

    # What follows

    def fit(self) -> None:
        """Bring what nobody has decided in line with the model, the purpose, the pictures and the machine."""
        from loratui.tui.wizard.answers import derive

        for _ in range(_ROUNDS):
            before = self.recipe
            for part in (derive.settings, derive.length):
                found = {one.key: one for one in part(self)}
                self.why |= found
                self._put({key: one.value for key, one in found.items() if key not in self.decided})
            if self.recipe == before:
                return

    def reason(self, key: str) -> Suggestion | None:
        """Why a setting is as it is: by the preset that was chosen, else as advised."""
        if self.preset:
            from loratui.advice.presets import find

            for one in find(self.preset).suggestions():
                if one.key == key and one.value == flatten(self.recipe).get(key):
                    return one
        return self.why.get(key)

    def problems(self, step: int) -> list[Problem]:
        """What stops a person from going on, in the order of the fields."""
        typed = [problem for key, (_, problem) in self.typed.items() if step_of(key) == step]
        known = [problem for problem in check(self.recipe) if step_of(problem.key) == step]
        if step == 1 and isinstance(self.model, Problem) and self.wanted_model is None:
            known.append(self.model)
        if step == 2 and isinstance(self.dataset, Problem) and self.wanted_dataset is None:
            known.append(self.dataset)
        if self.count is not None:
            known += self._counted_problems(step, {problem.key for problem in known})
        if step == REVIEW and self.checks is not None and self.wanted_checks is None:
            known += [problem for problem in self.checks if problem not in known]
        return [*typed, *known]

    def _counted_problems(self, step: int, told: Collection[str]) -> list[Problem]:
        """Why the steps cannot be counted, less what was ``told`` of the same settings."""
        from loratui.engines.config import OWN_KEYS

        assert self.count is not None
        found = [problem for problem in self.count.problems if step_of_config_key(problem.key) == step]
        if step == REVIEW:  # its rows are settings of the recipe
            found = [replace(one, key=OWN_KEYS.get(one.key, one.key)) for one in found]
        return [problem for problem in found if problem.key not in told]

    def first_problem(self, before: int = REVIEW) -> int | None:
        """The first step below ``before`` that is not in order."""
        return next((step for step in range(1, before) if self.problems(step)), None)

    def differences(self) -> list[tuple[str, Any, Any]]:
        """What differs from the run this was copied from: (dotted key, there, here)."""
        return self.parent[1].diff(self.recipe) if self.parent else []

    def _put(self, changes: Mapping[str, Any]) -> None:
        """Set values; ``kohya.`` keys with None are taken out."""
        left_out = {key for key, value in changes.items() if key.startswith("kohya.") and value is None}
        kept = {key: value for key, value in changes.items() if key not in left_out}
        recipe = change(self.recipe, kept) if kept else self.recipe
        rest = {key: value for key, value in recipe.kohya.items() if f"kohya.{key}" not in left_out}
        if rest != recipe.kohya:
            recipe = msgspec.structs.replace(recipe, kohya=rest)
        if recipe != self.recipe:
            self.recipe = recipe
