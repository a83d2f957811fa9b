"""The wizard without its screens: one recipe, what was typed into it, and what the disk says about it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from loratui.problems import Problem, UserError
from loratui.recipe import Recipe, Steps, change, check, flatten
from loratui.tui.wizard.facts import DatasetFacts

if TYPE_CHECKING:
    from loratui.advice.steps import StepCount
    from loratui.models.inspect import ModelFile

STEPS = ("Model", "Dataset", "Purpose", "Trigger", "Steps", "Rank", "Review")
REVIEW = len(STEPS)

Kind = Literal["text", "whole", "number"]

_STEP_OF = {
    "base": 1,
    "dataset": 2,
    "dataset.purpose": 3,
    "dataset.trigger": 4,
    "steps": 5,
    "samples": 5,
    "network": 6,
    "optimizer": 6,
    "training": 6,
}
"""By section, or by dotted key where a key has a step of its own."""
_STEP_OF_CONFIG_KEY = {"train_data_dir": 2, "reg_data_dir": 2, "max_train_epochs": 5, "max_train_steps": 5}

_OF_A_MODEL = frozenset(
    {
        "base.family",
        "base.prediction",
        "launch.engine",
        "training.resolution",
        "training.bucket_max",
        "training.bucket_step",
    }
)
"""Settings that another family of model makes meaningless."""

DatasetKey = tuple[str, str | None, str]


class WizardState:
    """One frozen recipe and everything known about it. ``decided`` are the settings a person chose: advice
    moves only the others."""

    def __init__(self, recipe: Recipe | None = None) -> None:
        self.recipe = recipe or Recipe(steps=Steps(epochs=10))
        values, defaults = flatten(self.recipe), flatten(Recipe())
        complete = bool(self.recipe.base.model)
        self.decided = {
            key for key, value in values.items() if complete or (value != defaults.get(key) and value)
        } - (set() if complete else {"steps.epochs"})
        self.typed: dict[str, tuple[str, Problem]] = {}
        """Text that is no valid value yet, and why, by dotted key."""
        self.model: ModelFile | Problem | None = None
        self.dataset: DatasetFacts | Problem | None = None
        self.checks: tuple[Problem, ...] | None = None
        self._model_key = ""
        self._dataset_key: DatasetKey | None = None
        self._checks_key: Recipe | None = None
        self._count_key: object = None
        self._count: StepCount | None = None
        self._alpha_typed = self._model_typed = False

    # What a person does

    def set(self, key: str, value: Any) -> None:
        """A decision, as a value."""
        self._put({key: value})
        self.decided.add(key)
        self.typed.pop(key, None)
        if key == "dataset.purpose":
            self.fit()

    def type(self, key: str, text: str, kind: Kind = "text") -> None:
        """A decision, as typed. What does not fit is kept beside the recipe, with the reason."""
        self.decided.add(key)
        try:
            self._put({key: _value(key, text.strip(), kind)})
        except UserError as error:
            self.typed[key] = (text, error.problems[0])
            return
        self.typed.pop(key, None)
        self._alpha_typed = self._alpha_typed or key == "network.alpha"
        self._model_typed = self._model_typed or key == "base.model"

    def choose_epochs(self, epochs: int) -> None:
        """Train for so many epochs, rather than for a number of steps."""
        self._put({"steps.epochs": epochs, "steps.target": None})
        self.decided.add("steps.epochs")
        self.typed.pop("steps.epochs", None)
        self.fit()

    def choose_rank(self, rank: int) -> None:
        """A rank; alpha keeps its share of it, unless it was typed."""
        network = self.recipe.network
        changes: dict[str, Any] = {"network.rank": rank}
        if not self._alpha_typed:
            changes["network.alpha"] = max(1.0, network.alpha * rank / network.rank)
        self._put(changes)
        self.decided |= set(changes)

    def text(self, key: str) -> str:
        """What a field shows: what was typed, else the value."""
        if key in self.typed:
            return self.typed[key][0]
        value = flatten(self.recipe)[key]
        if value is None:
            return ""
        return f"{value:g}" if isinstance(value, float) else str(value)

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
            self.decided -= _OF_A_MODEL
        self.fit()

    @property
    def wanted_dataset(self) -> DatasetKey | None:
        """The folders to read, when that has not been done yet."""
        dataset = self.recipe.dataset
        key = (dataset.folder, dataset.regularization, dataset.caption_extension)
        return key if dataset.folder and key != self._dataset_key else None

    def reread_dataset(self) -> None:
        """What is known of the dataset no longer holds: it was mended."""
        self._dataset_key = None

    def take_dataset(self, key: DatasetKey, found: DatasetFacts | Problem) -> None:
        """The answer for a dataset; dropped when another is meant by now."""
        dataset = self.recipe.dataset
        if key != (dataset.folder, dataset.regularization, dataset.caption_extension):
            return
        self._dataset_key, self.dataset = key, found
        self.fit()

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
            self._count_key, self._count = key, _count(recipe, self.dataset)
        return self._count

    # What follows

    def fit(self) -> None:
        """Bring what nobody has decided in line with the model, the purpose and the pictures."""
        from loratui.tui.wizard.fitting import fitting

        changes = {key: value for key, value in fitting(self).items() if key not in self.decided}
        if changes:
            self._put(changes)

    def problems(self, step: int) -> list[Problem]:
        """What stops a person from going on, in the order of the fields."""
        typed = [problem for key, (_, problem) in self.typed.items() if _step(key) == step]
        known = [problem for problem in check(self.recipe) if _step(problem.key) == step]
        if step == 1 and isinstance(self.model, Problem) and self.wanted_model is None:
            known.append(self.model)
        if step == 2 and isinstance(self.dataset, Problem) and self.wanted_dataset is None:
            known.append(self.dataset)
        if self.count is not None:
            known += [
                problem
                for problem in self.count.problems
                if _STEP_OF_CONFIG_KEY.get(problem.key, REVIEW) == step
            ]
        if step == REVIEW and self.checks is not None and self.wanted_checks is None:
            known += [problem for problem in self.checks if problem not in known]
        return [*typed, *known]

    def first_problem(self, before: int = REVIEW) -> int | None:
        """The first step below ``before`` that is not in order."""
        return next((step for step in range(1, before) if self.problems(step)), None)

    def _put(self, changes: dict[str, Any]) -> None:
        self.recipe = change(self.recipe, changes)


def _step(key: str) -> int:
    return _STEP_OF.get(key) or _STEP_OF.get(key.partition(".")[0], REVIEW)


def _value(key: str, text: str, kind: Kind) -> Any:
    if kind == "text":
        return text
    words = "a whole number, for example 10" if kind == "whole" else "a number, for example 1e-4"
    try:
        bare = text.replace(",", "").replace("_", "")
        return int(bare) if kind == "whole" else float(bare)
    except ValueError:
        what = f"{text!r} is not {words}." if text else f"this is empty; write {words}."
        raise UserError("", Problem(key, what)) from None


def _count(recipe: Recipe, dataset: DatasetFacts) -> StepCount:
    from loratui.advice.steps import count
    from loratui.dataset.buckets import Bucketing
    from loratui.families import FAMILIES

    training, steps = recipe.training, recipe.steps
    bucketing = Bucketing(
        training.resolution,
        training.buckets,
        training.bucket_min,
        training.bucket_max,
        training.bucket_step,
        training.bucket_no_upscale,
    )
    family = FAMILIES.get(recipe.base.family or "")
    return count(
        dataset.scan,
        bucketing,
        steps.batch_size,
        steps.accumulation,
        steps.epochs,
        steps.target,
        recipe.launch.num_processes,
        divisor=family.bucket_step if family else 1,
    )


def suggested_name(folder: str) -> str:
    """A name for the LoRA from its folder of pictures."""
    return Path(folder).name.strip(". ")[:60] or "lora"
