"""What Review shows for a shell: the config.toml, and the command that does the same without screens."""

from __future__ import annotations

import shlex
from pathlib import Path

from loratui.engines.registry import engine
from loratui.models.named import located
from loratui.recipe import Recipe
from loratui.tui.wizard import draft


def shell_command() -> str:
    """Trains the draft as it lies on the disk."""
    return f"loratui train {shlex.quote(str(draft.path()))}"


def config_text(recipe: Recipe) -> str:
    """config.toml as the trainer gets it; ``RUN`` stands for the run's folder."""
    return engine(recipe.launch.engine).prepare(located(recipe), Path("RUN")).files["config.toml"]
