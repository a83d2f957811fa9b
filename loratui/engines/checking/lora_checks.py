"""What is wrong with the LoRA that a recipe goes on from."""

from __future__ import annotations

from collections.abc import Iterator

from loratui.models.inspect import inspect
from loratui.places import expanded
from loratui.problems import Problem, UserError
from loratui.recipe import Recipe

_KEY = "network.weights"
_ALIKE = frozenset({"sd15", "sd2"})
"""Families whose LoRAs may have the same names."""


def weights_problems(recipe: Recipe) -> Iterator[Problem]:
    """Reads a header only. sd-scripts loads the base model before it looks at this file, and takes a LoRA of
    another family without a word, of which then nothing is used."""
    given = recipe.network.weights
    if not given:
        return
    path = expanded(given)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "is not there"
        yield Problem(_KEY, f"{given} {what}.", "Name the LoRA's file, or remove the setting.")
    elif path.suffix == ".safetensors":
        yield from _in_file(recipe, given)


def _in_file(recipe: Recipe, given: str) -> Iterator[Problem]:
    try:
        found = inspect(expanded(given))
    except UserError as error:
        for problem in error.problems:
            yield Problem(_KEY, f"{given}: {problem.message}", problem.fix)
        return
    family = recipe.base.family
    if found.kind in ("base", "vae", "text_encoder"):
        yield Problem(
            _KEY, f"{given} is no LoRA: {found.evidence[0]}.", "Name a LoRA, or remove the setting."
        )
    elif family and found.family and found.family != family and not {family, found.family} <= _ALIKE:
        yield Problem(
            _KEY,
            f"{given} is a LoRA for {found.family}, and the base model is of {family}: it would not be used.",
            "Name a LoRA of the base model's family, or remove the setting.",
        )
