"""The Kohya engine: a checkout of kohya-ss/sd-scripts, started through accelerate's launcher."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from loratui import kohya_checkout, kohya_config
from loratui.advice.steps import count_config
from loratui.engines import config
from loratui.engines.checking.checks import (
    contradiction_problems,
    dataset_config_problems,
    file_problems,
    passed_on_problems,
)
from loratui.engines.engine import EngineStatus, Launch
from loratui.engines.kohya import family as kohya_family
from loratui.engines.kohya import launch as kohya_launch
from loratui.engines.kohya import resume as kohya_resume
from loratui.engines.kohya import status as kohya_status
from loratui.problems import Problem, UserError, refusal
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
            *dataset_config_problems(recipe),
            *self._settings(recipe),
        ]

    def _settings(self, recipe: Recipe) -> Iterator[Problem]:
        script = config.script_of(recipe)
        flat = kohya_config.flatten(_sections(recipe, Path()))
        yield from kohya_config.check(flat, script)
        yield from kohya_family.problems(recipe)
        yield from kohya_status.problems(script)
        if recipe.training.base_4bit:
            yield Problem(
                "training.base_4bit",
                "sd-scripts keeps no base model in 4 bits.",
                'Write fp8_base = true below [kohya] instead, or choose engine = "builtin".',
            )
        if recipe.dataset.skip_damaged:
            yield Problem(
                "dataset.skip_damaged",
                "sd-scripts ends at a picture that it cannot read, and has no setting against it.",
                'Take such pictures out and set this to false, or choose engine = "builtin".',
            )

    def prepare(
        self, recipe: Recipe, run_folder: Path, resume: Path | None = None, steps_done: int = 0
    ) -> Launch:
        """The config.toml and the command line people know, with the launcher's flags explicit so
        that ``accelerate config`` is never asked for."""
        sections = _sections(recipe, run_folder, resume)
        files = {}
        if resume is not None:
            files[kohya_resume.LEDGER] = _go_on(recipe, sections, steps_done).dumps()
        files["config.toml"] = kohya_config.dumps(sections)
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


def _sections(recipe: Recipe, run_folder: Path, resume: Path | None = None) -> dict[str, dict[str, Any]]:
    """The sections of config.toml with what the family's program needs besides."""
    sections = config.to_kohya(recipe, run_folder, resume)
    named = kohya_family.model_keys(recipe)
    if named:
        sections["model"].pop("vae", None)
        sections["model"] |= named
    sections["engine"] = kohya_family.settings(recipe, run_folder)
    return sections


def _go_on(recipe: Recipe, sections: dict[str, dict[str, Any]], steps_done: int) -> kohya_resume.Ledger:
    """Make a config that resumes come out at the planned total. Raises ``UserError`` when nothing is left."""
    flat = kohya_config.flatten(sections)
    if flat.get("save_every_n_steps"):  # its files are named by a count that begins anew
        folder = Path(sections["output"]["output_dir"]) / f"from-step-{steps_done:08d}"
        sections["output"]["output_dir"] = str(folder)
    try:
        counted = count_config(flat, config.script_of(recipe), recipe.launch.num_processes)
    except UserError:
        return kohya_resume.Ledger(steps_done, 0)
    total, batches = counted.total_steps, counted.batches_per_epoch
    if not total or not batches:
        return kohya_resume.Ledger(steps_done, 0)
    if steps_done >= total:
        raise refusal(
            sections["resume"]["resume"],
            f"this state was saved after all {total} steps, and sd-scripts cannot go on from there.",
            "Its last checkpoint is as good as the finished LoRA; or set more epochs and resume.",
        )
    accumulation = recipe.steps.accumulation
    initial = kohya_resume.initial_step(steps_done, total, batches, accumulation)
    sections["resume"]["initial_step"] = initial
    course = kohya_resume.course(total, batches, accumulation, initial)
    return kohya_resume.Ledger(steps_done, course.counter)
