"""The builtin engine: our own trainer, started as a process of this Python."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

from loratui import kohya_config
from loratui.builtin import optimizers as builtin_optimizers
from loratui.builtin import support as builtin_support
from loratui.engines import config
from loratui.engines.checking.checks import (
    contradiction_problems,
    dataset_config_problems,
    file_problems,
    passed_on_problems,
)
from loratui.engines.engine import Command, EngineStatus, Launch
from loratui.engines.network_keys import OF_LYCORIS
from loratui.formats.hub_id import is_hub_id
from loratui.problems import Problem, nearest
from loratui.recipe import EngineName, Recipe
from loratui.recipe.document import Optimizer

ASKED_FOLDER = "control/trainer"
"""Below a run's folder: where the trainer looks for what it is asked to do at once."""

_REQUIRED = ("torch", "accelerate", "safetensors", "tokenizers", "ftfy", "numpy")


class BuiltinEngine:
    """Trains SD 1.x, SD 2.x and SDXL with nothing to clone."""

    name: EngineName = "builtin"
    saves_on_stop = True

    def status(self) -> EngineStatus:
        """Whether the training libraries are installed beside us. Imports none of them."""
        missing = [name for name in _REQUIRED if importlib.util.find_spec(name) is None]
        if missing:
            return EngineStatus(False, f"missing: {', '.join(missing)}", 'pip install "loratui[train]"')
        return EngineStatus(True, "ready")

    def supports(self, recipe: Recipe) -> list[Problem]:
        """Everything that would stop this recipe, from names and headers alone."""
        problems = [
            *file_problems(recipe),
            *passed_on_problems(recipe),
            *contradiction_problems(recipe),
            *dataset_config_problems(recipe),
            *_settings(recipe),
        ]
        status = self.status()
        if not status.ready:
            problems.append(Problem("launch.engine", f"the builtin trainer is {status.detail}.", status.fix))
        return problems

    def prepare(
        self, recipe: Recipe, run_folder: Path, resume: Path | None = None, steps_done: int = 0
    ) -> Launch:
        """The config.toml and the command of our trainer."""
        files = {"config.toml": kohya_config.dumps(config.to_kohya(recipe, run_folder, resume))}
        prompts = config.prompt_lines(recipe)
        if prompts:
            files[config.PROMPTS_FILE] = prompts
        argv = [sys.executable, *_several(recipe.launch.num_processes), "-m", "loratui.trainer"]
        argv += ["--config_file", str(run_folder / "config.toml")]
        argv += ["--control", str(run_folder / ASKED_FOLDER)]
        if recipe.output.save_state and recipe.output.state_minutes:
            argv += ["--state_minutes", str(recipe.output.state_minutes)]
        if recipe.launch.as_sd_scripts:
            argv.append("--as_sd_scripts")
        if recipe.training.base_4bit:
            argv.append("--base_4bit")
        if recipe.dataset.skip_damaged:
            argv.append("--skip_damaged")
        return Launch(Command(tuple(argv), _environment(recipe), run_folder), files)


def _environment(recipe: Recipe) -> dict[str, str]:
    """Nothing is looked up on the hub but a model that is named by its id there."""
    return {} if is_hub_id(recipe.base.model) else {"HF_HUB_OFFLINE": "1"}


def _several(processes: int) -> list[str]:
    """torchrun on this machine; with ``--standalone`` it takes a free port for itself."""
    if processes == 1:
        return []
    return ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]


def _settings(recipe: Recipe) -> Iterator[Problem]:
    family = recipe.base.family
    if family is not None and family not in builtin_support.FAMILIES:
        yield Problem(
            "base.family",
            f"the builtin engine does not train {family} models.",
            'Choose engine = "kohya", or a Stable Diffusion 1.x, 2.x or SDXL model.',
        )
    if recipe.network.type not in builtin_support.NETWORK_TYPES:
        yield Problem(
            "network.type",
            f"the builtin engine does not train {recipe.network.type} yet.",
            'Write type = "lora" or "locon", or choose engine = "kohya".',
        )
    yield from _network(recipe)
    if recipe.training.base_4bit:
        yield from _base_4bit(recipe)
    yield from _optimizer(recipe.optimizer)
    script = config.script_of(recipe)
    for key, value in recipe.kohya.items():
        option = kohya_config.option(key, script)
        known_key = key in builtin_support.KEYS or key in builtin_support.IGNORED_KEYS
        if option and not known_key and value != option.default:
            message = "the builtin engine does not know it."
            fix = builtin_support.INSTEAD.get(key, 'Remove it, or choose engine = "kohya".')
            yield Problem(f"kohya.{key}", message, fix)
    if recipe.launch.num_machines > 1:
        yield Problem(
            "launch.num_machines",
            f"the builtin engine trains on one machine, not on {recipe.launch.num_machines}.",
            'Write num_machines = 1, or choose engine = "kohya".',
        )


def _network(recipe: Recipe) -> Iterator[Problem]:
    kind, module = recipe.network.type, recipe.kohya.get("network_module")
    if module not in (None, builtin_support.LORA_MODULE, builtin_support.LYCORIS_MODULE):
        fix = f'Use {builtin_support.LORA_MODULE} or {builtin_support.LYCORIS_MODULE}, or engine = "kohya".'
        yield Problem("kohya.network_module", f"the builtin engine has no {module!r}.", fix)
        return
    lycoris = kind in OF_LYCORIS or module == builtin_support.LYCORIS_MODULE
    if lycoris and importlib.util.find_spec("lycoris") is None:
        package = builtin_support.LYCORIS_PACKAGE
        key, what = ("kohya.network_module", module) if module else ("network.type", kind)
        yield Problem(
            key, f"{what} needs the package {package}, which is not installed.", f"Run: pip install {package}"
        )
    known = builtin_support.LYCORIS_ARGS if lycoris else builtin_support.NETWORK_ARGS
    given = recipe.kohya.get("network_args")
    for argument in given if isinstance(given, list) else ():
        name = str(argument).partition("=")[0]
        if name not in known:
            fix = nearest(name, known) or 'Remove it, or choose engine = "kohya".'
            yield Problem("kohya.network_args", f"the builtin engine knows no {name!r}.", fix)


def _base_4bit(recipe: Recipe) -> Iterator[Problem]:
    key, package = "training.base_4bit", builtin_support.FOUR_BIT_PACKAGE
    if importlib.util.find_spec(package) is None:
        message = f"it needs the package {package}, which is not installed."
        yield Problem(key, message, f"Run: pip install {package}; or write fp8_base = true below [kohya].")
    for other in ("fp8_base", "fp8_base_unet"):
        if recipe.kohya.get(other):
            yield Problem(key, f"contradicts kohya.{other}.", "Remove one of the two.")
    if recipe.network.type in OF_LYCORIS:
        message = f"it works with LoRA and LoCon, not with {recipe.network.type}."
        yield Problem(key, message, 'Write base_4bit = false, or type = "lora".')


def _optimizer(optimizer: Optimizer) -> Iterator[Problem]:
    fact = builtin_optimizers.find(optimizer.name)
    if fact is None:
        known = builtin_optimizers.NAMES
        fix = nearest(optimizer.name, known) or f"Use one of {', '.join(known)}, or any module.Class."
        yield Problem("optimizer.name", f"the builtin engine has no {optimizer.name!r}.", fix)
        return
    package = builtin_optimizers.missing_package(fact)
    if package:
        message = f"{fact.name} needs the package {package}, which is not installed."
        yield Problem("optimizer.name", message, f"Run: pip install {package}")
    known_schedules = builtin_support.SCHEDULES
    schedule = optimizer.schedule.partition(":")[0]
    if schedule not in known_schedules and not (schedule == "adafactor" and fact.name == "Adafactor"):
        fix = nearest(schedule, known_schedules) or f"Use one of {', '.join(sorted(known_schedules))}."
        yield Problem("optimizer.schedule", f"the builtin engine has no {optimizer.schedule!r}.", fix)
