"""What contradicts itself inside a recipe. Looks at no file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from loratui.problems import Problem
from loratui.recipe.document import (
    Launch,
    Network,
    Optimizer,
    Output,
    Recipe,
    Steps,
    Training,
)

PICKLED_SUFFIXES = frozenset({".ckpt", ".pt", ".pth", ".bin"})

_ADDRESS = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:_-]{0,251}[A-Za-z0-9])?")
"""A host name or an IP address of either kind; nothing that a shell or an option parser could take amiss."""

SECRETS: Mapping[str, str] = {"huggingface_token": "HF_TOKEN", "wandb_api_key": "WANDB_API_KEY"}
"""Keys of sd-scripts that hold a secret, and the variables that say the same to the libraries behind."""

_FILE_NAME = re.compile(r"[^\x00-\x1f\x7f/\\]{1,100}")


def check(recipe: Recipe) -> list[Problem]:
    """Every contradiction, in the order of the sections."""
    return [
        *_base(recipe.base.model),
        *_dataset(recipe),
        *_steps(recipe.steps),
        *_network(recipe.network),
        *_optimizer(recipe.optimizer),
        *_training(recipe.training),
        *_output(recipe.output),
        *_launch(recipe.launch),
        *_secrets(recipe),
    ]


def _base(model: str) -> Iterator[Problem]:
    if not model:
        yield Problem(
            "base.model", "no base model is named.", "Give a .safetensors file or a diffusers folder."
        )
    elif Path(model).suffix.lower() in PICKLED_SUFFIXES:
        yield Problem(
            "base.model",
            f"{model} is a pickled checkpoint, which can run any code when opened.",
            "Use the .safetensors version of this model, or convert it on a machine you can lose.",
        )


def _dataset(recipe: Recipe) -> Iterator[Problem]:
    elsewhere = recipe.kohya.get("dataset_config") or recipe.kohya.get("in_json")
    if not recipe.dataset.folder and not elsewhere:
        yield Problem(
            "dataset.folder",
            "no folder of pictures is named.",
            "Name one, or the parent of folders like 10_name.",
        )


def _steps(steps: Steps) -> Iterator[Problem]:
    if steps.target is not None and steps.epochs is not None:
        yield Problem(
            "steps.target",
            f"both target ({steps.target}) and epochs ({steps.epochs}) are given.",
            "Keep one of them.",
        )
    if steps.target is None and steps.epochs is None:
        yield Problem(
            "steps.epochs", "neither target nor epochs is given.", "Write epochs = 10, or target = 2000."
        )


def _network(network: Network) -> Iterator[Problem]:
    pairs = (
        ("alpha", network.alpha, "rank", network.rank),
        ("conv_alpha", network.conv_alpha, "conv_rank", network.conv_rank),
    )
    for alpha_key, alpha, rank_key, rank in pairs:
        if alpha is not None and rank is not None and alpha > rank:
            yield Problem(
                f"network.{alpha_key}",
                f"{alpha_key} {alpha:g} is above {rank_key} {rank},"
                f" which multiplies the learning rate by {alpha / rank:g}.",
                f"Use {alpha_key} = {rank} or less.",
            )
    if network.type == "locon" and network.conv_rank is None:
        yield Problem(
            "network.conv_rank", "a LoCon needs a rank for its convolutions.", "Write conv_rank = 8."
        )


def _optimizer(optimizer: Optimizer) -> Iterator[Problem]:
    for argument in optimizer.arguments:
        if "=" not in argument:
            yield Problem(
                "optimizer.arguments",
                f"{argument!r} is not of the form key=value.",
                'Write "weight_decay=0.01".',
            )


def _training(training: Training) -> Iterator[Problem]:
    if not training.buckets:
        return
    shortest, longest = min(training.resolution), max(training.resolution)
    if training.bucket_min > shortest:
        yield Problem(
            "training.bucket_min",
            f"the smallest bucket side {training.bucket_min} is above the resolution {shortest}.",
            f"Use bucket_min = {shortest} or less.",
        )
    if training.bucket_max < longest:
        yield Problem(
            "training.bucket_max",
            f"the largest bucket side {training.bucket_max} is below the resolution {longest}.",
            f"Use bucket_max = {longest} or more.",
        )


def _output(output: Output) -> Iterator[Problem]:
    if not _FILE_NAME.fullmatch(output.name) or output.name.strip(". ") != output.name:
        yield Problem(
            "output.name",
            f"{output.name!r} cannot be a file name.",
            "Use letters, digits, - and _, at most 100 of them.",
        )


def _launch(launch: Launch) -> Iterator[Problem]:
    """accelerate starts ``num_processes // num_machines`` processes on each machine, and says nothing of a
    rest (accelerate/utils/launch.py, ``prepare_multi_gpu_env``)."""
    machines = launch.num_machines
    if launch.num_processes % machines:
        more = launch.num_processes + machines - launch.num_processes % machines
        yield Problem(
            "launch.num_processes",
            f"{launch.num_processes} GPUs cannot be shared evenly among {machines} machines.",
            f"num_processes counts the GPUs of all machines: write {more}.",
        )
    if launch.machine_rank >= machines:
        yield Problem(
            "launch.machine_rank",
            f"machine {launch.machine_rank} is not one of {machines}, which are numbered from 0.",
            f"Write a number from 0 to {machines - 1}." if machines > 1 else "Write 0, or num_machines = 2.",
        )
    if machines > 1 and not _ADDRESS.fullmatch(launch.main_process_ip):
        said = f"{launch.main_process_ip!r} is no address" if launch.main_process_ip else "it is missing"
        yield Problem(
            "launch.main_process_ip",
            f"{said}; {machines} machines must know where machine 0 is.",
            'Write its address, for example main_process_ip = "10.0.0.4" (hostname -I shows it there).',
        )


def _secrets(recipe: Recipe) -> Iterator[Problem]:
    """A recipe is copied into each run, shown, and carried to other machines."""
    for key, variable in SECRETS.items():
        if recipe.kohya.get(key):
            yield Problem(
                f"kohya.{key}",
                "it is a secret, and a recipe is copied into each run's folder.",
                f"Take the line out, and export {variable}=... before you start.",
            )
