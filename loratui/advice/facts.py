"""What advice is given on, besides the recipe: the pictures, the model file, the machine. Plain data."""

from __future__ import annotations

import math
from dataclasses import dataclass

from loratui.advice.counting import StepCount
from loratui.models.inspect import ModelFile
from loratui.recipe import Recipe

_BY_DEFAULT = "taken as epsilon"
"""How ``models.prediction`` says that it found no mark at all."""


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """The pictures, as one epoch shows them."""

    images: int
    """Training pictures, each once."""
    repeated: int
    """The same with repeats."""
    buckets: tuple[int, ...]
    """Pictures in each bucket with repeats, regularization included."""

    @classmethod
    def of(cls, count: StepCount) -> DatasetFacts:
        """From a count of steps."""
        return cls(
            count.train_images,
            count.train_images_repeated,
            tuple(bucket.images for bucket in count.buckets),
        )

    def steps_per_epoch(self, recipe: Recipe) -> int:
        """Optimizer steps; a bucket's last batch may be small, and is a batch all the same. Batches are
        dealt out to all processes."""
        batches = sum(math.ceil(images / recipe.steps.batch_size) for images in self.buckets)
        of_each = math.ceil(batches / recipe.launch.num_processes)
        return max(1, math.ceil(of_each / recipe.steps.accumulation))

    def total_steps(self, recipe: Recipe) -> int:
        """Optimizer steps of the whole run; epochs win over a target."""
        if recipe.steps.epochs is not None:
            return recipe.steps.epochs * self.steps_per_epoch(recipe)
        return recipe.steps.target or 0

    def times_seen(self, recipe: Recipe) -> float:
        """How often the run shows each training picture, on average."""
        epochs = self.total_steps(recipe) / self.steps_per_epoch(recipe)
        return epochs * self.repeated / max(1, self.images)


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What the base model's file says of itself; None for what it does not say."""

    name: str
    """File name, without folders."""
    prediction: str | None = None
    zero_terminal_snr: bool | None = None

    @classmethod
    def of(cls, found: ModelFile) -> ModelFacts:
        """From a header. That it carries no mark of v proves nothing."""
        if found.prediction == "epsilon" and any(_BY_DEFAULT in line for line in found.evidence):
            return cls(found.path.name)
        return cls(found.path.name, found.prediction, found.zero_terminal_snr)


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """The GPU that would train."""

    gpu: str
    free_gib: float
    capability: tuple[int, int] | None = None
    """CUDA compute capability."""
