"""Which settings a person chose, and which are left to advice."""

from __future__ import annotations

from collections.abc import Iterable

from loratui.recipe import Recipe, flatten

OF_A_LENGTH = frozenset(
    {
        "steps.epochs",
        "steps.target",
        "output.save_every_epochs",
        "samples.every_epochs",
        "kohya.sample_every_n_steps",
        "kohya.save_every_n_steps",
    }
)
"""What an effort decides."""
OF_A_MODEL = frozenset(
    {
        "base.family",
        "base.prediction",
        "base.zero_terminal_snr",
        "launch.engine",
        "training.resolution",
        "training.bucket_max",
        "training.bucket_min",
        "training.bucket_step",
    }
)
"""Settings that another family of model makes meaningless."""


class Decided:
    """Which settings a person chose."""

    def __init__(self, keys: Iterable[str] = (), *, whole: bool = False) -> None:
        """``whole``: all but ``keys`` are decided; otherwise ``keys`` alone."""
        self.whole = whole
        self.keys = set(keys)

    def __contains__(self, key: str) -> bool:
        return (key in self.keys) != self.whole

    def add(self, *keys: str) -> None:
        """These are decided now."""
        (self.keys.difference_update if self.whole else self.keys.update)(keys)

    def open(self, *keys: str) -> None:
        """These are left to advice again."""
        (self.keys.update if self.whole else self.keys.difference_update)(keys)


def decided_in(recipe: Recipe) -> Decided:
    """Of a recipe that names a model everything, of another what differs from nothing at all."""
    if recipe.base.model:
        return Decided(whole=True)
    values, defaults = flatten(recipe), flatten(Recipe())
    differs = {key for key, value in values.items() if value != defaults.get(key) and value}
    return Decided(differs - {"steps.epochs"})
