"""What is wrong with the places a run is to write to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from loratui.places import expanded
from loratui.problems import Problem
from loratui.recipe import Recipe

LONGEST = 255
"""Bytes of one name in a path (NAME_MAX of Linux's file systems)."""
_AROUND = len("-step00000000.safetensors.tmp")
"""What is written around the output's name."""


def output_problems(recipe: Recipe) -> Iterator[Problem]:
    """Looks at folders and names only."""
    folder, name = recipe.output.folder, recipe.output.name
    if folder and (reason := _not_writable(Path(folder))):
        yield Problem(
            "output.folder", reason, "Choose another folder, or leave it empty: the run has its own."
        )
    if len(os.fsencode(name)) > LONGEST - _AROUND:
        yield Problem("output.name", "it is longer than a file's name can be.", "Choose a shorter one.")
    elif folder and os.path.lexists(target := Path(folder) / f"{name}.safetensors"):
        yield Problem(
            "output.name", f"{target} exists and would be overwritten.", "Choose another name or folder."
        )
    logs = recipe.kohya.get("logging_dir")
    if isinstance(logs, str) and logs and (reason := _not_writable(expanded(logs))):
        yield Problem("kohya.logging_dir", reason, "Choose another folder, or remove the setting.")


def _not_writable(folder: Path) -> str:
    """Why no file can be put into a folder, which need not exist yet; empty when one can."""
    if any(len(os.fsencode(part)) > LONGEST for part in folder.parts):
        return f"a name in {str(folder)[:80]}… is longer than a folder's can be."
    absolute = folder.absolute()
    there = next(path for path in (absolute, *absolute.parents) if os.path.lexists(path))
    if not there.is_dir():
        what = "a link that leads nowhere" if not there.exists() else "a file"
        return f"{there} is {what}, so no folder {folder} can be."
    return "" if os.access(there, os.W_OK | os.X_OK) else f"{there} cannot be written to."
