"""What belongs to a run besides its progress: its recipe, its files, words of help."""

from __future__ import annotations

from pathlib import Path

from loratui.problems import UserError
from loratui.recipe import Recipe
from loratui.runs.store import Run
from loratui.runs.view import RunView
from loratui.tui import text
from loratui.tui.training.words import absolute

HELP = (
    "This panel only reads the run's files. Closing it changes nothing in the run.\n"
    "The cloud in the chart is the loss of every step; the line through it is smoothed.\n"
    "A loss goes up and down from step to step; what counts is where the line goes."
)
_SAMPLES_LISTED = 20


def paths(run: Run, view: RunView) -> tuple[str, str]:
    """Every file worth knowing, a line each, and the one worth copying."""
    newest = view.final_file or next((item.path for item in reversed(view.checkpoints)), "")
    groups: dict[str, list[Path]] = {
        "run": [run.folder],
        "log": [run.output],
        "checkpoints": [absolute(item.path, run.folder) for item in view.checkpoints],
        "state": [absolute(item.path, run.folder) for item in view.states[-1:]],
        "samples": [absolute(item.path, run.folder) for item in view.samples[-_SAMPLES_LISTED:]],
    }
    lines: list[str] = []
    for title, files in groups.items():
        lines += [title, *(f"  {path}" for path in files)] if files else [f"{title}: none yet"]
    chosen = absolute(newest, run.folder) if newest else run.folder
    return "\n".join(map(text.plain, lines)), str(chosen)


def read_recipe(run: Run) -> Recipe | None:
    """The recipe a run was started with; None when it cannot be read."""
    from loratui.engines import config

    try:
        return config.load(run.recipe)
    except (UserError, OSError):
        return None


def demo_note(recipe: Recipe | None) -> str:
    """What must be said of the demo's tiny model; empty for any other."""
    if recipe is None or Path(recipe.base.model).parent.name != "demo":
        return ""
    from loratui.demo import NOTE

    return NOTE
