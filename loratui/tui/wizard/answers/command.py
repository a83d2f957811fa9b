"""What Review shows for a shell: the config.toml, and the command that does the same without screens."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loratui.engines.registry import engine
from loratui.models.named import located
from loratui.recipe import Recipe
from loratui.runs.hints import fixing
from loratui.tui.help import TextScreen
from loratui.tui.wizard.drafts import draft

if TYPE_CHECKING:
    from loratui.runs.store import Run
    from loratui.tui.wizard.answers.state import WizardState


def command(state: WizardState, waiting: Run | None) -> str:
    """Does without screens what Enter does on Review."""
    return edit_command(waiting.id, state.differences()) if waiting else shell_command()


def shell_command() -> str:
    """Trains the draft as it lies on the disk."""
    return f"loratui train {shlex.quote(str(draft.path()))}"


def edit_command(run_id: str, differences: Sequence[tuple[str, Any, Any]]) -> str:
    """Changes a run that waits as it was changed here; lists and what was taken out cannot be said so."""
    settings = [
        f"--set {shlex.quote(f'{key}={fixing.word(new)}')}"
        for key, _, new in differences
        if isinstance(new, str | int | float)
    ]
    return " ".join(["loratui queue edit", run_id, *(settings or ["--set KEY=VALUE"])])


def config_text(recipe: Recipe) -> str:
    """config.toml as the trainer gets it; ``RUN`` stands for the run's folder."""
    return engine(recipe.launch.engine).prepare(located(recipe), Path("RUN")).files["config.toml"]


def text_screen(command: str, recipe: Recipe) -> TextScreen:
    """Both of them, to read and to copy."""
    text = f"{command}\n\n{config_text(recipe)}"
    return TextScreen("The command, and config.toml as the trainer gets it", text, copy=text)
