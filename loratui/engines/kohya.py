"""The Kohya engine: a checkout of kohya-ss/sd-scripts, started through accelerate's launcher."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from loratui import kohya_config, places
from loratui.engines import config
from loratui.engines.checks import contradiction_problems, file_problems, passed_on_problems
from loratui.engines.engine import Command, EngineStatus, Launch
from loratui.engines.kohya_log import KohyaReader
from loratui.problems import Problem
from loratui.recipe import EngineName, Recipe

_PYTHONS = ("venv/bin/python", ".venv/bin/python", "venv/Scripts/python.exe")


def checkout() -> Path:
    """Where sd-scripts lies: ``LORATUI_KOHYA``, else ``sd-scripts`` below loratui's home."""
    chosen = os.environ.get("LORATUI_KOHYA")
    return Path(chosen).expanduser().absolute() if chosen else places.home() / "sd-scripts"


def _python(folder: Path) -> Path | None:
    return next((folder / name for name in _PYTHONS if (folder / name).exists()), None)


class KohyaEngine:
    """Trains every family that sd-scripts has a network script for."""

    name: EngineName = "kohya"
    saves_on_stop = False

    def status(self) -> EngineStatus:
        """Whether a checkout with its own virtual environment is there."""
        folder = checkout()
        fix = "Clone kohya-ss/sd-scripts there with its venv, or set LORATUI_KOHYA to a checkout you have."
        if not (folder / "train_network.py").is_file():
            return EngineStatus(False, f"no sd-scripts at {folder}", fix)
        if _python(folder) is None:
            return EngineStatus(False, f"{folder} has no venv", fix)
        return EngineStatus(True, f"sd-scripts at {folder}")

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
        status = self.status()
        if not status.ready:
            yield Problem("launch.engine", f"the kohya engine cannot run: {status.detail}.", status.fix)
        elif not (checkout() / f"{script}.py").is_file():
            yield Problem(
                "launch.engine", f"{checkout()} has no {script}.py.", "Update sd-scripts (git pull)."
            )

    def prepare(self, recipe: Recipe, run_folder: Path, resume: Path | None = None) -> Launch:
        """The config.toml and the command line people know, with the launcher's flags explicit so
        that ``accelerate config`` is never asked for."""
        files = {"config.toml": kohya_config.dumps(config.to_kohya(recipe, run_folder, resume))}
        prompts = config.prompt_lines(recipe)
        if prompts:
            files[config.PROMPTS_FILE] = prompts
        folder = checkout()
        argv = (
            str(_python(folder) or "python"),
            "-m",
            "accelerate.commands.launch",
            "--num_cpu_threads_per_process=1",
            "--num_processes=1",
            "--num_machines=1",
            f"--mixed_precision={recipe.training.precision}",
            "--dynamo_backend=no",
            str(folder / f"{config.script_of(recipe)}.py"),
            "--config_file",
            str(run_folder / "config.toml"),
        )
        return Launch(Command(argv, {}, folder), files)

    def reader(self) -> KohyaReader:
        """A fresh reader of sd-scripts' log."""
        return KohyaReader()
