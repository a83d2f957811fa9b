"""The Kohya engine: a checkout of kohya-ss/sd-scripts, started through accelerate's launcher."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from loratui import kohya_checkout, kohya_config
from loratui.engines import config, kohya_launch, kohya_status
from loratui.engines.checks import contradiction_problems, file_problems, passed_on_problems
from loratui.engines.engine import EngineStatus, Launch
from loratui.engines.kohya_log import KohyaReader
from loratui.problems import Problem
from loratui.recipe import EngineName, Recipe


class KohyaEngine:
    """Trains every family that sd-scripts has a network script for."""

    name: EngineName = "kohya"
    saves_on_stop = False

    def status(self) -> EngineStatus:
        """Whether a checkout with its own virtual environment is there, and what is missing."""
        return kohya_status.status()

    def supports(self, recipe: Recipe) -> list[Problem]:
        """Everything that would stop this recipe, from names, headers and the option table alone."""
        return [
            *file_problems(recipe),
            *passed_on_problems(recipe),
            *contradiction_problems(recipe),
            *self._settings(recipe),
        ]

    def _settings(self, recipe: Recipe) -> Iterator[Problem]:
        script = config.script_of(recipe)
        flat = kohya_config.flatten(config.to_kohya(recipe, Path()))
        yield from kohya_config.check(flat, script)
        yield from kohya_status.problems(script)

    def prepare(self, recipe: Recipe, run_folder: Path, resume: Path | None = None) -> Launch:
        """The config.toml and the command line people know, with the launcher's flags explicit so
        that ``accelerate config`` is never asked for."""
        files = {"config.toml": kohya_config.dumps(config.to_kohya(recipe, run_folder, resume))}
        prompts = config.prompt_lines(recipe)
        if prompts:
            files[config.PROMPTS_FILE] = prompts
        checkout = kohya_checkout.find()
        launch, precision = recipe.launch, recipe.training.precision
        own_config = kohya_launch.person_has_launcher_config()
        if own_config:
            files[kohya_launch.LAUNCHER_FILE] = kohya_launch.launcher_file(launch, precision)
        script = checkout.folder / f"{config.script_of(recipe)}.py"
        python = str(checkout.python or "python")
        command = kohya_launch.command(launch, precision, python, script, run_folder, own_config=own_config)
        return Launch(command, files)

    def reader(self) -> KohyaReader:
        """A fresh reader of sd-scripts' log."""
        return KohyaReader()
