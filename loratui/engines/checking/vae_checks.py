"""What is wrong with the VAE that a recipe gives in place of the base model's own."""

from __future__ import annotations

from collections.abc import Iterator

from loratui.formats.hub_id import is_hub_id
from loratui.formats.tensorfile import read_header
from loratui.models.inspect import inspect
from loratui.places import expanded
from loratui.problems import Problem, UserError
from loratui.recipe import Recipe

_KEY = "base.vae"
_OF_DIFFUSERS = ("encoder.down_blocks.", "decoder.up_blocks.")


def vae_problems(recipe: Recipe) -> Iterator[Problem]:
    """Reads headers and small configs only."""
    given = recipe.base.vae
    if not given:
        return
    path, by_kohya = expanded(given), recipe.launch.engine == "kohya"
    if not path.exists():
        if not (by_kohya and is_hub_id(given)):
            yield Problem(_KEY, f"there is no such VAE: {given}.", "Check its path, or remove it.")
        return
    try:
        found = inspect(path)
    except UserError as error:
        for problem in error.problems:
            yield Problem(
                _KEY, f"{given}: {problem.message}", "Give a VAE that is .safetensors, or remove it."
            )
        return
    if found.kind not in ("vae", "base"):
        message = f"{given} is no VAE: {found.evidence[0]}."
        yield Problem(_KEY, message, "Give a VAE, or remove it.")
    elif (
        by_kohya
        and path.is_file()
        and any(key.startswith(_OF_DIFFUSERS) for key in read_header(path).tensors)
    ):
        # Its loader knows Stability's names alone in a file: KeyError 'encoder.norm_out.weight'
        # (library/model_util.py:1269-1310).
        folder = path.parent
        fix = f"Give its folder: {folder}" if (folder / "config.json").is_file() else "Give its folder"
        message = f"{given} is a VAE in diffusers' names, which sd-scripts reads out of a folder only."
        yield Problem(_KEY, message, f'{fix}; or choose engine = "builtin", which reads both.')
