"""What contradicts itself inside a recipe. Looks at no file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from loratui.problems import Problem
from loratui.recipe.document import Dataset, Network, Optimizer, Output, Recipe, Steps, Training

PICKLED_SUFFIXES = frozenset({".ckpt", ".pt", ".pth", ".bin"})

_FILE_NAME = re.compile(r"[^\x00-\x1f\x7f/\\]{1,100}")


def check(recipe: Recipe) -> list[Problem]:
    """Every contradiction, in the order of the sections."""
    return [
        *_base(recipe.base.model),
        *_dataset(recipe.dataset),
        *_steps(recipe.steps),
        *_network(recipe.network),
        *_optimizer(recipe.optimizer),
        *_training(recipe.training),
        *_output(recipe.output),
    ]


def _base(model: str) -> Iterator[Problem]:
    if not model:
        yield Problem(
            "base.model", "no base model is named.", "Give a .safetensors file or a diffusers folder."
        )
    elif Path(model).suffix.lower() in PICKLED_SUFFIXES:
        yield Problem(
            "base.model",
            f"{model} is a pickled checkpoint, which can run any code when opened.",
            "Use the .safetensors version of this model, or convert it on a machine you can lose.",
        )


def _dataset(dataset: Dataset) -> Iterator[Problem]:
    if not dataset.folder:
        yield Problem(
            "dataset.folder", "no folder of pictures is named.", "Give the parent of a folder like 10_name."
        )


def _steps(steps: Steps) -> Iterator[Problem]:
    if steps.target is not None and steps.epochs is not None:
        yield Problem(
            "steps.target",
            f"both target ({steps.target}) and epochs ({steps.epochs}) are given.",
            "Keep one of them.",
        )
    if steps.target is None and steps.epochs is None:
        yield Problem(
            "steps.epochs", "neither target nor epochs is given.", "Write epochs = 10, or target = 2000."
        )


def _network(network: Network) -> Iterator[Problem]:
    pairs = (
        ("alpha", network.alpha, "rank", network.rank),
        ("conv_alpha", network.conv_alpha, "conv_rank", network.conv_rank),
    )
    for alpha_key, alpha, rank_key, rank in pairs:
        if alpha is not None and rank is not None and alpha > rank:
            yield Problem(
                f"network.{alpha_key}",
                f"{alpha_key} {alpha:g} is above {rank_key} {rank},"
                f" which multiplies the learning rate by {alpha / rank:g}.",
                f"Use {alpha_key} = {rank} or less.",
            )
    if network.type == "locon" and network.conv_rank is None:
        yield Problem(
            "network.conv_rank", "a LoCon needs a rank for its convolutions.", "Write conv_rank = 8."
        )


def _optimizer(optimizer: Optimizer) -> Iterator[Problem]:
    for argument in optimizer.arguments:
        if "=" not in argument:
            yield Problem(
                "optimizer.arguments",
                f"{argument!r} is not of the form key=value.",
                'Write "weight_decay=0.01".',
            )


def _training(training: Training) -> Iterator[Problem]:
    if not training.buckets:
        return
    shortest, longest = min(training.resolution), max(training.resolution)
    if training.bucket_min > shortest:
        yield Problem(
            "training.bucket_min",
            f"the smallest bucket side {training.bucket_min} is above the resolution {shortest}.",
            f"Use bucket_min = {shortest} or less.",
        )
    if training.bucket_max < longest:
        yield Problem(
            "training.bucket_max",
            f"the largest bucket side {training.bucket_max} is below the resolution {longest}.",
            f"Use bucket_max = {longest} or more.",
        )


def _output(output: Output) -> Iterator[Problem]:
    if not _FILE_NAME.fullmatch(output.name) or output.name.strip(". ") != output.name:
        yield Problem(
            "output.name",
            f"{output.name!r} cannot be a file name.",
            "Use letters, digits, - and _, at most 100 of them.",
        )
