"""How long a training may take: three lengths by what is taught, in epochs of this dataset."""

from __future__ import annotations

from dataclasses import dataclass

from loratui.recipe import Purpose

_SHOWINGS: dict[Purpose, int] = {
    "character": 2000,
    "style": 3200,
    "concept": 2500,
    "object": 2000,
    "trial": 800,
}
"""Showings of pictures (steps x batch size) of a normal training. Civitai's trainer comes to about 2000,
fluxgym's default to 3200, hollowstrawberry's trainers to 1000-2000 (SDXL) and 2000-12000 (SD 1.5)."""


_CHECKPOINTS = 10
"""Saved in a training: enough to choose the best by eye, as Civitai's trainer keeps."""


@dataclass(frozen=True, slots=True)
class Length:
    """One of the lengths offered."""

    title: str
    epochs: int
    words: str


def lengths(purpose: Purpose, pictures_an_epoch: int) -> tuple[Length, ...]:
    """Quick, normal and thorough for a dataset that shows so many pictures an epoch, repeats counted."""
    normal = _SHOWINGS[purpose]
    return (
        Length("Quick look", _epochs(normal / 4, pictures_an_epoch), "rough: tests the dataset"),
        Length("Normal", _epochs(normal, pictures_an_epoch), f"what most use for a {purpose}"),
        Length("Thorough", _epochs(normal * 2, pictures_an_epoch), "may learn the pictures by heart"),
    )


def save_interval(epochs: int) -> int:
    """Epochs between two checkpoints."""
    return max(1, round(epochs / _CHECKPOINTS))


def _epochs(showings: float, pictures_an_epoch: int) -> int:
    return max(1, round(showings / max(1, pictures_an_epoch)))
